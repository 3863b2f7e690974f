import { expect, test } from "vitest";

import { ENGINES } from "../support/engines.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";

const HOST = providerUuid(1);
const CLIENTS = 100;

test.each([...ENGINES, ...SERVER_ENGINES])(
  "On $name, of requests that are written together each is recorded under its own id and user",
  async (engine) => {
    const database = await engine.borrowDatabase();
    const stowage = await startHere({ placementDatabase: { connection: database.connection } });
    await makeProvider(stowage.client, HOST, { VCPU: CLIENTS / 2 });

    const replies = await Promise.all(
      Array.from({ length: CLIENTS }, (_, number) =>
        stowage.client.put(
          `/allocations/${consumerUuid(number)}`,
          claimBody({ [HOST]: { VCPU: 1 } }),
          {
            headers: { "x-auth-token": `user-${number}:project-${number}` },
          },
        ),
      ),
    );
    const recorded = await stowage.service.database.reader(
      { requestId: "test", userId: undefined, projectId: undefined },
      (tx) =>
        tx.query
          .selectFrom("stowage_changes")
          .select(["subject", "request_id", "user_id", "project_id"])
          .where("kind", "=", "consumer")
          .orderBy("subject")
          .execute(),
    );
    await stowage.stop();
    await database.remove();

    // Nothing of those that were refused, and of each of the others what its own answer says.
    const granted = replies.flatMap(({ status, headers }, number) =>
      status === 204 ? [{ number, requestId: headers["x-openstack-request-id"] }] : [],
    );
    expect(granted).toHaveLength(CLIENTS / 2);
    expect(new Set(replies.map(({ headers }) => headers["x-openstack-request-id"])).size).toBe(
      CLIENTS,
    );
    expect(recorded).toEqual(
      granted.map(({ number, requestId }) => ({
        subject: consumerUuid(number),
        request_id: requestId,
        user_id: `user-${number}`,
        project_id: `project-${number}`,
      })),
    );
  },
);
