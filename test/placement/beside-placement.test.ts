import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { installDatabaseTriggers, removeDatabaseTriggers } from "../../src/cli/admin/triggers.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { atTerminal } from "../support/command-line.ts";
import type { Client, SendOptions } from "../support/client.ts";
import type { TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { runLoad } from "./load.ts";
import { isPlacementInstalled, startPlacement, type RealPlacement } from "./real-placement.ts";

if (!isPlacementInstalled) {
  console.log("Tests beside a real Placement are skipped: see scripts/install-for-tests.sh");
}

const HOST = providerUuid(1);
const DEVICE = providerUuid(2);
const AGGREGATE = "99999999-0000-4000-8000-000000000001";

describe.skipIf(!isPlacementInstalled).for(SERVER_ENGINES)(
  "beside Placement on one $name",
  (engine) => {
    let database: TestDatabase;
    let placement: RealPlacement;
    let stowages: LocalStowage[];

    // The steps of docs/migrating-from-placement.md.
    beforeAll(async () => {
      database = await engine.createDatabase();
      placement = await startPlacement(database.connection, PARAMETERS[engine.name]);
      const overrides = { placementDatabase: { connection: placement.connection } };
      const first = await startHere(overrides);
      await atTerminal((to) => installDatabaseTriggers(defaultConfig(overrides), to));
      stowages = [first, await startHere(overrides)];
    });

    afterAll(async () => {
      await Promise.all(stowages.map((stowage) => stowage.stop()));
      await placement.stop();
      await database.remove();
    });

    /** What is asked of the read model, and of both alike. */
    async function expectSameAnswers(step: string): Promise<void> {
      const expected = await answersOf(placement.client);
      for (const { client } of stowages) {
        expect([step, await answersOf(client)]).toEqual([step, expected]);
      }
    }

    test("shows in its next answer whatever Placement has written", async () => {
      const { client } = placement;
      for (const [step, method, path, options] of WRITES) {
        await client.expectSuccess(method, path, options);
        await expectSameAnswers(step);
      }
    });

    test("neither over-commits nor shows a stale usage while both are under load", async () => {
      const report = await runLoad({
        connection: database.connection,
        placement: placement.client,
        stowages: stowages.map(({ client }) => client),
      });

      expect(report.problems).toEqual([]);
      expect(report).toMatchObject({ isEnough: true });
    });

    test("leaves a database that Placement goes on with alone", async () => {
      const { connection } = placement;
      const config = defaultConfig({ placementDatabase: { connection } });
      await atTerminal((to) => removeDatabaseTriggers(config, to));
      const uuid = providerUuid(900);
      await makeProvider(placement.client, uuid, { VCPU: 1 });
      const claim = await placement.client.put(
        `/allocations/${consumerUuid(900)}`,
        claimBody({ [uuid]: { VCPU: 1 } }),
      );
      expect(claim.status).toBe(204);
    });
  },
);

/**
 * Placement's retry of a claim checks the capacity in the snapshot of its transaction. On PostgreSQL
 * each statement has its own; on MySQL only below the isolation level that is the default, see
 * docs/migrating-from-placement.md.
 */
const PARAMETERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  MySQL: { init_command: "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED" },
};

/** One of each kind, in an order that makes sense. */
const WRITES: readonly (readonly [
  step: string,
  method: string,
  path: string,
  options?: SendOptions,
])[] = [
  ["a new provider", "POST", "/resource_providers", { body: { uuid: HOST, name: "host" } }],
  ["an inventory", "PUT", `/resource_providers/${HOST}/inventories`, inventories(0, { VCPU: 8 })],
  [
    "a new child",
    "POST",
    "/resource_providers",
    { body: { uuid: DEVICE, name: "device", parent_provider_uuid: HOST } },
  ],
  [
    "its inventory",
    "PUT",
    `/resource_providers/${DEVICE}/inventories`,
    inventories(0, { VCPU: 4 }),
  ],
  [
    "a claim",
    "PUT",
    `/allocations/${consumerUuid(1)}`,
    { body: claimBody({ [HOST]: { VCPU: 3 } }) },
  ],
  [
    "a claim that moves elsewhere, which does not raise the generation of where it was",
    "PUT",
    `/allocations/${consumerUuid(1)}`,
    { body: claimBody({ [DEVICE]: { VCPU: 2 } }, { generation: 1 }) },
  ],
  ["a deleted claim, which raises no generation", "DELETE", `/allocations/${consumerUuid(1)}`],
  [
    "aggregates as of 1.1, which raise no generation",
    "PUT",
    `/resource_providers/${HOST}/aggregates`,
    { version: "1.1", body: [AGGREGATE] },
  ],
  ["a new trait", "PUT", "/traits/CUSTOM_FAST"],
  [
    "traits",
    "PUT",
    `/resource_providers/${HOST}/traits`,
    { body: { resource_provider_generation: 2, traits: ["CUSTOM_FAST", "HW_CPU_X86_VMX"] } },
  ],
  ["a new name", "PUT", `/resource_providers/${HOST}`, { body: { name: "big host" } }],
  [
    "a tree that is split",
    "PUT",
    `/resource_providers/${DEVICE}`,
    { body: { name: "device", parent_provider_uuid: null } },
  ],
  [
    "a tree that is joined",
    "PUT",
    `/resource_providers/${DEVICE}`,
    { body: { name: "device", parent_provider_uuid: HOST } },
  ],
  ["a new resource class", "PUT", "/resource_classes/CUSTOM_SLOT"],
  [
    "an inventory of it",
    "POST",
    `/resource_providers/${DEVICE}/inventories`,
    { body: { resource_class: "CUSTOM_SLOT", total: 5 } },
  ],
  [
    "a renamed resource class",
    "PUT",
    "/resource_classes/CUSTOM_SLOT",
    { version: "1.2", body: { name: "CUSTOM_PLACE" } },
  ],
  ["an inventory that is gone", "DELETE", `/resource_providers/${DEVICE}/inventories/CUSTOM_PLACE`],
  ["a resource class that is gone", "DELETE", "/resource_classes/CUSTOM_PLACE"],
  [
    "a reshape",
    "POST",
    "/reshaper",
    {
      body: {
        inventories: {
          [HOST]: { resource_provider_generation: 3, inventories: { VCPU: { total: 6 } } },
          [DEVICE]: { resource_provider_generation: 4, inventories: { VCPU: { total: 7 } } },
        },
        allocations: {
          [consumerUuid(2)]: claimBody({ [HOST]: { VCPU: 1 }, [DEVICE]: { VCPU: 1 } }),
        },
      },
    },
  ],
  [
    "allocations that are set to nothing",
    "PUT",
    `/allocations/${consumerUuid(2)}`,
    { body: claimBody({}, { generation: 1 }) },
  ],
  ["a provider that is gone", "DELETE", `/resource_providers/${DEVICE}`],
  ["traits that are gone", "DELETE", `/resource_providers/${HOST}/traits`],
  ["a trait that is gone", "DELETE", "/traits/CUSTOM_FAST"],
  ["inventories that are gone", "DELETE", `/resource_providers/${HOST}/inventories`],
];

function inventories(generation: number, totals: Readonly<Record<string, number>>): SendOptions {
  return {
    body: {
      resource_provider_generation: generation,
      inventories: Object.fromEntries(
        Object.entries(totals).map(([name, total]) => [name, { total }]),
      ),
    },
  };
}

/** What the service says of all that the read model holds. */
async function answersOf(client: Client) {
  const candidates = await client.get("/allocation_candidates?resources=VCPU:1");
  const listed = async (query: string) => {
    const reply = await client.get(`/resource_providers?${query}`);
    if (reply.status !== 200) return reply.status;
    const { resource_providers: providers } = reply.json<{
      resource_providers: { uuid: string; name: string; generation: number }[];
    }>();
    return providers
      .map(({ uuid, name, generation }) => `${uuid} ${name} ${generation}`)
      .toSorted();
  };
  return {
    summaries: summariesOf(candidates.json()),
    withRoom: await listed("resources=VCPU:5"),
    inAggregate: await listed(`member_of=${AGGREGATE}`),
    withTrait: await listed("required=CUSTOM_FAST"),
    inTree: await listed(`in_tree=${DEVICE}&resources=VCPU:1`),
    withSlots: await listed("resources=CUSTOM_SLOT:1"),
    withPlaces: await listed("resources=CUSTOM_PLACE:1"),
  };
}

/** In one order of traits. */
function summariesOf(answer: {
  readonly provider_summaries: Readonly<Record<string, { readonly traits: readonly string[] }>>;
}) {
  return Object.fromEntries(
    Object.entries(answer.provider_summaries).map(([uuid, summary]) => [
      uuid,
      { ...summary, traits: summary.traits.toSorted() },
    ]),
  );
}
