import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { checkDatabase } from "../../src/cli/admin/db-check.ts";
import { syncDatabase } from "../../src/cli/admin/db.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { atTerminal } from "../support/command-line.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere } from "../support/stowage.ts";
import { runUnchecked } from "../support/unchecked-rows.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

const [HOST, OTHER] = [providerUuid(1), providerUuid(2)];
const [CLAIMANT, STRAY] = [consumerUuid(1), consumerUuid(2)];
const idOf = (provider: string) => `(SELECT id FROM resource_providers WHERE uuid = '${provider}')`;
const NOBODY = 54_321;

const addAllocation = (consumer: string, provider: string, resourceClass = 0, used = 1) =>
  "INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used) " +
  `VALUES (${provider}, '${consumer}', ${resourceClass}, ${used})`;
const addConsumer = (uuid: string, project: string, type = "NULL") =>
  "INSERT INTO consumers (uuid, project_id, user_id, generation, consumer_type_id) " +
  `SELECT '${uuid}', ${project}, max(id), 7, ${type} FROM users`;
const addInventory = (provider: string | number, resourceClass: number, total = 4) =>
  "INSERT INTO inventories (resource_provider_id, resource_class_id, total, reserved, min_unit, max_unit, " +
  `step_size, allocation_ratio) VALUES (${provider}, ${resourceClass}, ${total}, 0, 1, 4, 1, 1.0)`;

interface Finding {
  readonly kind: string;
  readonly count: number;
  readonly examples: readonly string[];
}

/** What is done to the tables, and what is told of it. */
const FLAWS: readonly [kind: string, statements: readonly string[], example: string][] = [
  ["allocations_without_consumer", [addAllocation(STRAY, idOf(HOST))], `consumer ${STRAY}`],
  [
    "consumers_without_allocations",
    [addConsumer(STRAY, "(SELECT min(id) FROM projects)")],
    `consumer ${STRAY}, generation 7`,
  ],
  [
    "consumers_without_owner",
    [addConsumer(STRAY, String(NOBODY)), addAllocation(STRAY, idOf(HOST))],
    `consumer ${STRAY}`,
  ],
  [
    "consumers_of_unknown_type",
    [
      addConsumer(STRAY, "(SELECT min(id) FROM projects)", String(NOBODY)),
      addAllocation(STRAY, idOf(HOST)),
    ],
    `consumer ${STRAY}, type_id ${NOBODY}`,
  ],
  [
    "allocations_without_provider",
    [addAllocation(CLAIMANT, String(NOBODY))],
    `consumer ${CLAIMANT}, provider_id ${NOBODY}`,
  ],
  [
    "allocations_without_inventory",
    [addAllocation(CLAIMANT, idOf(HOST), 2)],
    `consumer ${CLAIMANT}, provider ${HOST}, class_id 2`,
  ],
  [
    "duplicate_allocations",
    [addAllocation(CLAIMANT, idOf(HOST))],
    `consumer ${CLAIMANT}, provider_id 1, class_id 0, found 2`,
  ],
  ["rows_without_provider", [addInventory(NOBODY, 0)], `row_of inventories, provider_id ${NOBODY}`],
  ["unknown_names", [addInventory(idOf(OTHER), NOBODY)], `row_of inventories, name_id ${NOBODY}`],
  [
    "incomplete_providers",
    [`UPDATE resource_providers SET name = NULL WHERE uuid = '${OTHER}'`],
    `provider ${OTHER}, name null, generation 1`,
  ],
  [
    "over_committed",
    ["UPDATE inventories SET allocation_ratio = 0.2"],
    `provider ${HOST}, class VCPU, used 2, capacity 1 (total 8, reserved 0, allocation_ratio 0.2)`,
  ],
  [
    "impossible_inventories",
    [`UPDATE inventories SET step_size = 0 WHERE resource_provider_id = ${idOf(OTHER)}`],
    `provider ${OTHER}, class VCPU, used 0, capacity 8 (total 8, reserved 0, allocation_ratio 1)`,
  ],
  [
    "looped_providers",
    [`UPDATE resource_providers SET parent_provider_id = id WHERE uuid = '${OTHER}'`],
    `provider ${OTHER}`,
  ],
  [
    "misplaced_providers",
    [`UPDATE resource_providers SET root_provider_id = NULL WHERE uuid = '${OTHER}'`],
    `provider ${OTHER}`,
  ],
];

describe.each([...ENGINES, ...SERVER_ENGINES])("the consistency of tables on $name", (engine) => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await engine.createDatabase();
    const stowage = await startHere({ placementDatabase: { connection: database.connection } });
    for (const host of [HOST, OTHER]) await makeProvider(stowage.client, host, { VCPU: 8 });
    await stowage.client.expectSuccess("PUT", `/allocations/${CLAIMANT}`, {
      body: claimBody({ [HOST]: { VCPU: 2 } }),
    });
    await stowage.stop();
  });

  afterEach(() => database.remove());

  const configOf = () => defaultConfig({ placementDatabase: { connection: database.connection } });

  async function check(): Promise<Finding[]> {
    const [code, output] = await atTerminal((to) => checkDatabase(configOf(), { json: true }, to));
    const { findings } = JSON.parse(output) as { findings: Finding[] };
    expect(code).toBe(findings.length > 0 ? 3 : 0);
    return findings;
  }

  test("is whole where only requests have written", async () => {
    expect(await check()).toEqual([]);
    const [code, output] = await atTerminal((to) => checkDatabase(configOf(), { json: false }, to));
    expect([code, output]).toEqual([0, "Everything is in order.\n"]);
  });

  test.each(FLAWS)("tells of %s, and of nothing else", async (kind, statements, example) => {
    await runUnchecked(database.connection, statements);
    const findings = await check();
    expect(findings.map((finding) => [finding.kind, finding.count])).toEqual([[kind, 1]]);
    expect(findings[0]?.examples).toEqual([example]);
  });

  test("tells of names and UUIDs that are the same but for their spelling", async () => {
    const capitals = OTHER.replace("a", "A");
    const bare = CLAIMANT.replaceAll("-", "");
    await runUnchecked(database.connection, [
      `INSERT INTO placement_aggregates (uuid) VALUES ('${HOST}'), ('${HOST.replaceAll("-", "")}')`,
      addAllocation(bare, idOf(HOST)),
      ...(engine.name === "MySQL"
        ? []
        : [
            "INSERT INTO projects (external_id) VALUES ('LAB')",
            `INSERT INTO resource_providers (uuid, name, generation) VALUES ('${capitals}', 'x', 0)`,
            "UPDATE resource_providers SET root_provider_id = id",
          ]),
    ]);
    const findings = new Map((await check()).map(({ kind, examples }) => [kind, examples]));
    expect(findings.get("uuids_alike")).toEqual([
      `uuid_of allocations, digits ${bare}, found 2`,
      `uuid_of placement_aggregates, digits ${HOST.replaceAll("-", "")}, found 2`,
      ...(engine.name === "MySQL"
        ? []
        : [`uuid_of resource_providers, digits ${OTHER.replaceAll("-", "")}, found 2`]),
    ]);
    expect(findings.get("names_alike")).toEqual(
      engine.name === "MySQL" ? undefined : ["name_of projects, name lab, found 2"],
    );
  });

  test("names ten of many, in lines that no name can forge", async () => {
    const strays = Array.from({ length: 25 }, (_, i) => consumerUuid(100 + i));
    await runUnchecked(database.connection, [
      ...strays.map((uuid) => addConsumer(uuid, "(SELECT min(id) FROM projects)")),
      `UPDATE consumers SET uuid = 'a\n!' WHERE uuid = '${strays[0]}'`,
    ]);
    const [code, output] = await atTerminal((to) => checkDatabase(configOf(), { json: false }, to));
    expect(code).toBe(3);
    expect(output.split("\n")).toHaveLength(2 + 10 + 1 + 1 + 1);
    expect(output).toMatch(/^consumers_without_allocations: 25\n/);
    expect(output).toContain("- consumer a?!, generation 7\n");
    expect(output).toContain("- and 15 more\n");
  });

  test("that a consumer without allocations disturbs is mended as it is told", async () => {
    await runUnchecked(database.connection, [addConsumer(STRAY, "(SELECT min(id) FROM projects)")]);
    const stowage = await startHere({ placementDatabase: { connection: database.connection } });
    const claim = (
      allocations: Record<string, Record<string, number>>,
      generation: number | null,
    ) => stowage.client.put(`/allocations/${STRAY}`, claimBody(allocations, { generation }));
    expect((await claim({ [HOST]: { VCPU: 1 } }, null)).status).toBe(409);
    expect((await claim({}, 7)).status).toBe(204);
    await stowage.stop();
    expect(await check()).toEqual([]);
  });
});

describe("db check", () => {
  test.each(ENGINES)("does not read what has no tables, and makes none: $name", async (engine) => {
    const database = await engine.createDatabase();
    const config = defaultConfig({ placementDatabase: { connection: database.connection } });
    const failing = atTerminal((to) => checkDatabase(config, { json: false }, to));
    await expect(failing).rejects.toThrow("unable to open database file");
    await atTerminal((to) => syncDatabase(config, to));
    await runUnchecked(database.connection, [
      "DROP TABLE stowage_changes",
      "DROP TABLE stowage_state",
    ]);
    expect(await atTerminal((to) => checkDatabase(config, { json: false }, to))).toEqual([
      0,
      "Everything is in order.\n",
      "",
    ]);
    await database.remove();
  });
});
