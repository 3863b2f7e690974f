import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import type { Client } from "./support/client.ts";
import type { TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, providerUuid } from "./support/fleet.ts";
import { RowLock } from "./support/lock-waits.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";
import {
  findTreeProblems,
  makeTree,
  move,
  PLACES_OF_PROVIDERS,
  type PlacedRow,
} from "./support/trees.ts";

const CONTEXT = { requestId: "req-look", userId: undefined, projectId: undefined };

describe.for(SERVER_ENGINES)("two replicas on one $name", (engine) => {
  let database: TestDatabase;
  let first: LocalStowage;
  let second: LocalStowage;
  let lock: RowLock;
  let tests = 0;
  let [ROOT, X, Y, X_CHILD, Y_CHILD, OTHER_ROOT, NEW, CONSUMER] = ["", "", "", "", "", "", "", ""];

  beforeAll(async () => {
    database = await engine.borrowDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    first = await startHere(overrides);
    second = await startHere(overrides);
    lock = await RowLock.open(database.connection);
  });

  beforeEach(async () => {
    tests += 1;
    const uuid = (number: number) => providerUuid(100 * tests + number);
    [ROOT, X, Y, X_CHILD, Y_CHILD] = [uuid(1), uuid(2), uuid(3), uuid(4), uuid(5)];
    [OTHER_ROOT, NEW, CONSUMER] = [uuid(6), uuid(7), consumerUuid(tests)];
    await makeTree(first.client, {
      [ROOT]: undefined,
      [X]: ROOT,
      [Y]: ROOT,
      [X_CHILD]: X,
      [Y_CHILD]: Y,
      [OTHER_ROOT]: undefined,
    });
  });

  afterAll(async () => {
    await lock.close();
    await Promise.all([first.stop(), second.stop()]);
    await database.remove();
  });

  type Act = (client: Client) => ReturnType<Client["send"]>;

  /** Both at once, one at each replica, lined up in this order while the rows are held. */
  async function meet(held: readonly string[], left: Act, right: Act): Promise<number[]> {
    const answers = await lock.lineUp(held, [() => left(first.client), () => right(second.client)]);
    for (const { status, text } of answers) {
      if (status === 400) expect(text).toMatch(LOOP_OR_GONE);
    }
    return answers.map(({ status }) => status);
  }

  async function places(): Promise<PlacedRow[]> {
    return first.service.database.reader(CONTEXT, async (tx) => {
      const { rows } = await sql.raw<PlacedRow>(PLACES_OF_PROVIDERS).execute(tx.query);
      return rows;
    });
  }

  const placeOf = async (uuid: string) => (await places()).find((row) => row.uuid === uuid);

  const make: Act = (client) =>
    client.post("/resource_providers", { uuid: NEW, name: NEW, parent_provider_uuid: X_CHILD });

  /** The rows hold no odd tree, and each replica shows what one shows that has just been started. */
  async function expectSoundTrees(): Promise<void> {
    expect(findTreeProblems(await places())).toEqual([]);
    const fresh = await startHere({ placementDatabase: { connection: database.connection } });
    try {
      const expected = await shownBy(fresh);
      expect(await shownBy(first)).toEqual(expected);
      expect(await shownBy(second)).toEqual(expected);
    } finally {
      await fresh.stop();
    }
  }

  for (const order of ["left first", "right first"] as const) {
    const meetIn = (held: readonly string[], left: Act, right: Act) =>
      order === "left first"
        ? meet(held, left, right)
        : meet(held, right, left).then((statuses) => statuses.toReversed());

    test(`never tie two providers into a loop (${order})`, async () => {
      const statuses = await meetIn(
        [X, Y],
        (client) => move(client, X, Y),
        (client) => move(client, Y, X),
      );
      expect(["200 400", "400 200"]).toContain(statuses.join(" "));
      await expectSoundTrees();
    });

    test(`never tie two subtrees into a loop (${order})`, async () => {
      const statuses = await meetIn(
        [X, Y],
        (client) => move(client, X, Y_CHILD),
        (client) => move(client, Y, X_CHILD),
      );
      expect(["200 400", "400 200"]).toContain(statuses.join(" "));
      await expectSoundTrees();
    });

    test(`never tie two trees into a loop (${order})`, async () => {
      const statuses = await meetIn(
        [ROOT, OTHER_ROOT],
        (client) => move(client, ROOT, OTHER_ROOT),
        (client) => move(client, OTHER_ROOT, X_CHILD),
      );
      expect(["200 400", "400 200"]).toContain(statuses.join(" "));
      await expectSoundTrees();
    });

    test(`leave no new child behind in the tree that its parent leaves (${order})`, async () => {
      const statuses = await meetIn([X, X_CHILD], make, (client) => move(client, X, OTHER_ROOT));
      expect(statuses).toEqual([200, 200]);
      expect(await placeOf(NEW)).toEqual({ uuid: NEW, parent: X_CHILD, root: OTHER_ROOT });
      await expectSoundTrees();
    });

    test(`leave no new child behind when its parent becomes a root (${order})`, async () => {
      const statuses = await meetIn([X, X_CHILD], make, (client) => move(client, X, null));
      expect(statuses).toEqual([200, 200]);
      expect(await placeOf(NEW)).toEqual({ uuid: NEW, parent: X_CHILD, root: X });
      await expectSoundTrees();
    });

    test(`take a provider into the tree that its new parent goes to (${order})`, async () => {
      await makeTree(first.client, { [NEW]: undefined });
      const statuses = await meetIn(
        [NEW, X],
        (client) => move(client, NEW, X_CHILD),
        (client) => move(client, X, OTHER_ROOT),
      );
      expect(statuses).toEqual([200, 200]);
      expect(await placeOf(NEW)).toEqual({ uuid: NEW, parent: X_CHILD, root: OTHER_ROOT });
      await expectSoundTrees();
    });

    test(`rename a provider without taking back that it was moved (${order})`, async () => {
      const statuses = await meetIn(
        [X],
        (client) => client.put(`/resource_providers/${X}`, { name: `renamed ${X}` }),
        (client) => client.put(`/resource_providers/${X}`, { name: X, parent_provider_uuid: null }),
      );
      expect(statuses).toEqual([200, 200]);
      expect(await placeOf(X)).toEqual({ uuid: X, parent: null, root: X });
      await expectSoundTrees();
    });

    test(`delete a provider or give it a child (${order})`, async () => {
      await first.client.expectSuccess("DELETE", `/resource_providers/${Y_CHILD}`);
      const statuses = await meetIn(
        [X_CHILD],
        (client) => client.delete(`/resource_providers/${X_CHILD}`),
        make,
      );
      expect(["204 400", "409 200"]).toContain(statuses.join(" "));
      await expectSoundTrees();
    });

    test(`delete a provider or move another below it (${order})`, async () => {
      const statuses = await meetIn(
        [X_CHILD, Y],
        (client) => client.delete(`/resource_providers/${X_CHILD}`),
        (client) => move(client, Y, X_CHILD),
      );
      expect(["204 400", "409 200"]).toContain(statuses.join(" "));
      await expectSoundTrees();
    });

    test(`delete a provider or move it (${order})`, async () => {
      const statuses = await meetIn(
        [X_CHILD],
        (client) => client.delete(`/resource_providers/${X_CHILD}`),
        (client) => move(client, X_CHILD, OTHER_ROOT),
      );
      expect(["204 404", "204 200"]).toContain(statuses.join(" "));
      await expectSoundTrees();
    });

    test(`reshape a tree while part of it moves, and show both (${order})`, async () => {
      await first.client.expectSuccess("PUT", `/resource_providers/${X}/inventories`, {
        body: { resource_provider_generation: 0, inventories: { VCPU: { total: 8 } } },
      });
      await first.client.expectSuccess("PUT", `/allocations/${CONSUMER}`, {
        body: claimBody({ [X]: { VCPU: 2 } }),
      });
      const reshape: Act = (client) =>
        client.post("/reshaper", {
          inventories: {
            [X]: { resource_provider_generation: 2, inventories: {} },
            [X_CHILD]: { resource_provider_generation: 0, inventories: { VCPU: { total: 8 } } },
          },
          allocations: {
            [CONSUMER]: claimBody({ [X_CHILD]: { VCPU: 2 } }, { generation: 1 }),
          },
        });
      const statuses = await meetIn([X, X_CHILD], reshape, (client) => move(client, X, OTHER_ROOT));
      expect(statuses).toEqual([204, 200]);
      expect(await placeOf(X_CHILD)).toEqual({ uuid: X_CHILD, parent: X, root: OTHER_ROOT });
      await expectSoundTrees();
    });
  }
});

const LOOP_OR_GONE = /creating loop in the provider tree|parent provider UUID does not exist/;

/** What a replica's read model and its tables say of all providers. */
async function shownBy({ client }: LocalStowage): Promise<unknown> {
  const providers = await client.expectSuccess("GET", "/resource_providers");
  const candidates = await client.expectSuccess("GET", "/allocation_candidates?resources=VCPU:1");
  const { provider_summaries: summaries } = candidates.json<{ provider_summaries: object }>();
  return { providers: providers.json(), summaries };
}
