import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import { CommitProxy } from "./support/commit-proxy.ts";
import type { TestDatabase } from "./support/engines.ts";
import {
  claimBody,
  consumerUuid,
  makeProvider,
  providerUuid,
  usedAccordingTo,
} from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const [PROVIDER, OTHER] = [providerUuid(1), providerUuid(2)] as const;

const MANY = 500;

describe.for(SERVER_ENGINES)(
  "on $name, while nobody can tell what became of a commit",
  (engine) => {
    let database: TestDatabase;
    let proxy: CommitProxy;
    let stowage: LocalStowage;

    beforeEach(async () => {
      database = await engine.borrowDatabase();
      const { hostname, port } = new URL(database.connection);
      proxy = await CommitProxy.start(hostname, Number(port));
      const connection = proxy.route(database.connection);
      stowage = await startHere({ placementDatabase: { connection } });
      for (const provider of [PROVIDER, OTHER]) {
        await makeProvider(stowage.client, provider, { VCPU: 1000 });
      }
      // The names of project, user and type are there from now on, and so many rows that the engines look
      // them up instead of reading all of them, those that are locked among them.
      const consumers = Array.from({ length: MANY }, (_, at) => consumerUuid(1000 + at));
      await stowage.client.expectSuccess("POST", "/allocations", {
        body: Object.fromEntries(
          consumers.map((uuid) => [uuid, claimBody({ [OTHER]: { VCPU: 1 } })]),
        ),
      });
    });

    afterEach(async () => {
      proxy.release();
      await stowage.stop();
      await proxy.stop();
      await database.remove();
    });

    const claim = (number: number, provider: string, generation: number | null = null) =>
      stowage.client.put(
        `/allocations/${consumerUuid(number)}`,
        claimBody({ [provider]: { VCPU: 1 } }, { generation }),
      );

    /** The transaction is still there, with its locks: it is the answer that will not come. */
    async function strandClaim() {
      const stranded = proxy.meetCommit("strand");
      const claiming = claim(1, PROVIDER);
      await stranded;
      return claiming;
    }

    test("writes of other providers and consumers go on", async () => {
      let isKnown = false;
      const stranded = proxy.meetCommit("strand");
      const claiming = claim(1, PROVIDER).finally(() => (isKnown = true));
      await stranded;
      const others = [2, 3, 4, 5].map((number) => claim(number, OTHER));
      for (const { status } of await Promise.all(others)) expect(status).toBe(204);
      await makeProvider(stowage.client, providerUuid(3), { VCPU: 1 });
      expect((await claim(6, providerUuid(3))).status).toBe(204);
      expect((await stowage.client.put("/traits/CUSTOM_MEANWHILE", undefined)).status).toBe(201);
      expect(isKnown).toBe(false);

      proxy.release();
      expect((await claiming).status).toBe(204);
      expect(await usedAccordingTo(stowage.client, PROVIDER)).toBe(1);
      expect(await usedAccordingTo(stowage.client, OTHER)).toBe(MANY + 4);
    });

    test("what touches the same provider or consumer waits, and holds up nobody else", async () => {
      const finished: string[] = [];
      const note = <Result>(name: string, work: Promise<Result>) =>
        work.finally(() => finished.push(name));
      const claiming = note("stranded", strandClaim());
      await new Promise((resolve) => setTimeout(resolve, 100));
      const waiting = [
        note("same provider", claim(2, PROVIDER)),
        note("same consumer", claim(1, OTHER, 1)),
        note(
          "inventories",
          stowage.client.put(`/resource_providers/${PROVIDER}/inventories`, {
            resource_provider_generation: 2,
            inventories: { VCPU: { total: 50 } },
          }),
        ),
      ];
      for (let number = 10; number < 15; number += 1) {
        expect((await claim(number, OTHER)).status).toBe(204);
      }
      expect(finished).toEqual([]);

      proxy.release();
      expect((await claiming).status).toBe(204);
      const [sameProvider, sameConsumer, inventories] = await Promise.all(waiting);
      expect(sameProvider?.status).toBe(204);
      expect(sameConsumer?.status).toBe(204);
      // One of the two was first; each saw what the other has left.
      expect([200, 409]).toContain(inventories?.status);
      expect(await usedAccordingTo(stowage.client, PROVIDER)).toBe(1);
      expect(await usedAccordingTo(stowage.client, OTHER)).toBe(MANY + 6);
    });
  },
);
