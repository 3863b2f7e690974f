import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { defaultConfig, type Config } from "../../config/config.ts";
import { atTerminal } from "../../../test/support/command-line.ts";
import {
  printDatabaseVersion,
  runOnlineDataMigrations,
  stampDatabase,
  syncDatabase,
} from "./db.ts";
import { checkUpgrade } from "./status.ts";

let folder: string;
let file: string;
let config: Config;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "stowage-"));
  file = path.join(folder, "placement.sqlite");
  config = defaultConfig({ placementDatabase: { connection: `sqlite:///${file}` } });
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("db sync, version and stamp", () => {
  it("tell None before, and the newest revision after", async () => {
    expect(await run((to) => printDatabaseVersion(config, to))).toEqual([0, "None\n"]);
    await run((to) => syncDatabase(config, to));
    expect(await run((to) => printDatabaseVersion(config, to))).toEqual([0, "a082b8bb98d0\n"]);
    expect(await run((to) => stampDatabase(config, "b4ed3a175331", to))).toEqual([0, ""]);
    expect(await run((to) => printDatabaseVersion(config, to))).toEqual([0, "b4ed3a175331\n"]);
  });

  it("sync says the revision, and what was made", async () => {
    const [code, output] = await run((to) => syncDatabase(config, to));
    expect(code).toBe(0);
    expect(output).toMatch(
      /^The schema is at revision a082b8bb98d0, which is new\.\nTables made: .*allocations, .*stowage_changes.*\.\n$/,
    );
    const asBefore = [0, "The schema is at revision a082b8bb98d0, as before.\n"];
    expect(await run((to) => syncDatabase(config, to))).toEqual(asBefore);
    await run((to) => stampDatabase(config, "b4ed3a175331", to));
    expect(await run((to) => syncDatabase(config, to))).toEqual([
      0,
      "The schema is at revision a082b8bb98d0; it was at b4ed3a175331.\n",
    ]);
  });
});

describe("db online_data_migrations", () => {
  it("migrates everything in batches, and says how much", async () => {
    await run((to) => syncDatabase(config, to));
    leaveBehind({ providers: 60, consumers: 53 });
    const [code, output] = await run((to) => runOnlineDataMigrations(config, undefined, to));
    expect(code).toBe(0);
    expect(output).toBe(
      [
        "Running batches of 50 until complete",
        "50 rows matched query set_root_provider_ids, 50 migrated",
        "10 rows matched query set_root_provider_ids, 10 migrated",
        "40 rows matched query create_incomplete_consumers, 40 migrated",
        "13 rows matched query create_incomplete_consumers, 13 migrated",
        "+-----------------------------+-------------+-----------+",
        "|          Migration          | Total Found | Completed |",
        "+-----------------------------+-------------+-----------+",
        "|    set_root_provider_ids    |      60     |     60    |",
        "| create_incomplete_consumers |      53     |     53    |",
        "+-----------------------------+-------------+-----------+",
        "",
      ].join("\n"),
    );
  });

  it("stops at the limit with 1, and ends with 0 when nothing is left", async () => {
    await run((to) => syncDatabase(config, to));
    leaveBehind({ providers: 3, consumers: 2 });
    const codes: number[] = [];
    for (const limit of ["4", "4", "4"]) {
      codes.push((await run((to) => runOnlineDataMigrations(config, limit, to)))[0]);
    }
    expect(codes).toEqual([1, 1, 0]);
  });

  it.each(["0", "-1", "many", "1.5", ""])("does not take %j for a limit", async (limit) => {
    expect(await run((to) => runOnlineDataMigrations(config, limit, to))).toEqual([
      127,
      "",
      "stowage: must supply a positive value for max_count\n",
    ]);
  });

  it("says what to do where there are no tables, and makes none", async () => {
    const running = run((to) => runOnlineDataMigrations(config, undefined, to));
    await expect(running).rejects.toThrow('the database has no schema: run "stowage db sync"');
    const database = new DatabaseSync(file);
    expect(database.prepare("SELECT name FROM sqlite_master").all()).toEqual([]);
    database.close();
  });

  it("ends with 2 when the migrations fail", async () => {
    await run((to) => syncDatabase(config, to));
    const database = new DatabaseSync(file);
    database.exec("ALTER TABLE resource_providers RENAME COLUMN root_provider_id TO root");
    database.close();
    const outcome = await run((to) => runOnlineDataMigrations(config, undefined, to));
    const [code, , problems = ""] = outcome;
    expect(code).toBe(2);
    const lines = problems.trimEnd().split("\n");
    expect(lines).toContainEqual(
      expect.stringMatching(/^stowage: error attempting to run set_root_provider_ids: /),
    );
    expect(lines.at(-1)).toBe(
      "stowage: some migrations failed unexpectedly. Check log for details.",
    );
  });
});

describe("status upgrade check", () => {
  const options = { json: false };
  let loaded: { config: Config; directories: string[] };
  beforeEach(() => (loaded = { config, directories: [] }));

  it("is a success where nothing is left behind", async () => {
    await run((to) => syncDatabase(config, to));
    const [code, output] = await run((to) => checkUpgrade(loaded, options, to));
    expect(code).toBe(0);
    expect(output.match(/Result: .*?(?= +\|)/g)).toEqual([
      "Result: Success",
      "Result: Success",
      "Result: Success",
      "Result: Success",
    ]);
  });

  it("warns of incomplete consumers", async () => {
    await run((to) => syncDatabase(config, to));
    leaveBehind({ providers: 0, consumers: 2 });
    const [code, output] = await run((to) => checkUpgrade(loaded, options, to));
    expect(code).toBe(1);
    expect(output).toContain(
      [
        "| Check: Incomplete Consumers                                          |",
        "| Result: Warning                                                      |",
        "| Details: There are 2 incomplete consumers table records for existing |",
        '|   allocations. Run the "placement-manage db                          |',
        '|   online_data_migrations" command.                                   |',
      ].join("\n"),
    );
  });

  it("fails where providers have no root, and prints JSON when asked to", async () => {
    await run((to) => syncDatabase(config, to));
    leaveBehind({ providers: 1, consumers: 0 });
    const [code, output] = await run((to) => checkUpgrade(loaded, { json: true }, to));
    expect(code).toBe(2);
    expect(output).toContain('{"check":"Missing Root Provider IDs","result":2,');
  });

  it("fails where the policy file is JSON", async () => {
    await run((to) => syncDatabase(config, to));
    const policyFile = path.join(import.meta.dirname, "../../../package.json");
    loaded.config = { ...config, osloPolicy: { ...config.osloPolicy, policyFile } };
    const [code] = await run((to) => checkUpgrade(loaded, options, to));
    expect(code).toBe(2);
  });

  it("ends with 255 where the database cannot be opened, and says why in a line", async () => {
    const connection = "postgresql://nobody@127.0.0.1:1/none";
    const placementDatabase = { ...config.placementDatabase, connection, maxRetries: 0 };
    loaded.config = { ...config, placementDatabase };
    const [code, output, problems] = await run((to) => checkUpgrade(loaded, options, to));
    expect([code, output]).toEqual([255, ""]);
    expect(problems).toMatch(/^stowage: cannot connect to PostgreSQL: .*ECONNREFUSED.*\n$/);
  });

  it("ends with 255 where there are no tables, and says what to do", async () => {
    expect(await run((to) => checkUpgrade(loaded, options, to))).toEqual([
      255,
      "",
      'stowage: the database has no schema: run "stowage db sync"\n',
    ]);
  });
});

/** What releases before the nesting of providers and before consumers have left in the tables. */
function leaveBehind(count: { readonly providers: number; readonly consumers: number }): void {
  const database = new DatabaseSync(file);
  const provider = database.prepare("INSERT INTO resource_providers (uuid, name) VALUES (?, ?)");
  for (let i = 0; i < count.providers; i += 1) provider.run(`uuid ${i}`, `name ${i}`);
  const allocation = database.prepare(
    "INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used) " +
      "VALUES (1, ?, ?, 1)",
  );
  for (let i = 0; i < count.consumers; i += 1) {
    allocation.run(`consumer ${i}`, 0);
    allocation.run(`consumer ${i}`, 1);
  }
  database.close();
}

/** The exit code and what was printed; standard error only where it is used. */
async function run(
  command: Parameters<typeof atTerminal>[0],
): Promise<[number, string, ...string[]]> {
  const [code, output, problems] = await atTerminal(command);
  return problems === "" ? [code, output] : [code, output, problems];
}
