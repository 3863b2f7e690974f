import { randomUUID } from "node:crypto";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { installDatabaseTriggers, removeDatabaseTriggers } from "../../src/cli/admin/triggers.ts";
import { defaultConfig, type Config } from "../../src/config/config.ts";
import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { PermissionDenied } from "../../src/db/errors.ts";
import { migrate } from "../../src/db/migrations/migrate.ts";
import { atTerminal } from "../support/command-line.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { openOtherProgram, type OtherProgram } from "../support/other-program.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

describe.for(SERVER_ENGINES)("triggers on $name", (engine) => {
  let place: TestDatabase;
  let config: Config;
  let other: OtherProgram;

  beforeEach(async () => {
    place = await engine.createDatabase();
    config = configOf(place);
    const database = await Database.open(parseConnectionUrl(place.connection));
    await migrate(database);
    await database.close();
    other = await openOtherProgram(place.connection);
  });

  afterEach(async () => {
    await other.close();
    await place.remove();
  });

  // Only PostgreSQL tells of tables that are emptied at once.
  const count = engine.name === "PostgreSQL" ? 28 : 21;
  const installed = `${count} triggers are installed: what other programs write is seen at once.\n`;
  const install = () => run((output) => installDatabaseTriggers(config, output));
  const remove = () => run((output) => removeDatabaseTriggers(config, output));

  /** What the feed says of what is done, without when. */
  async function changesBy(statements: readonly string[]): Promise<unknown[]> {
    await other.run("DELETE FROM stowage_changes");
    for (const statement of statements) await other.run(statement);
    const rows = await other.run(
      "SELECT kind, resource_provider_id AS provider, subject, request_id AS request, user_id AS who " +
        "FROM stowage_changes ORDER BY id",
    );
    return rows.map(({ kind, provider, subject, request, who }) => {
      expect([request, who]).toEqual(["trigger", null]);
      return [kind, provider, subject];
    });
  }

  test("write down what another program changes, once they are installed and until they are removed", async () => {
    const provider = INSERTS.provider;
    expect(await changesBy([provider(1, "u1")])).toEqual([]);

    expect(await install()).toEqual([0, installed]);
    expect(await changesBy([provider(2, "u2")])).toEqual([["provider", 2, "u2"]]);

    expect(await remove()).toEqual([0, `${count} triggers are removed.\n`]);
    expect(await changesBy([provider(3, "u3")])).toEqual([]);
  });

  test("see every change of what a read model holds", async () => {
    await install();
    expect(
      await changesBy([
        INSERTS.provider(1, "u1"),
        INSERTS.provider(2, "u2"),
        "INSERT INTO traits (id, name) VALUES (1, 'CUSTOM_T')",
        "UPDATE resource_providers SET generation = 1 WHERE id = 2",
      ]),
    ).toEqual([
      ["provider", 1, "u1"],
      ["provider", 2, "u2"],
      ["trait", null, "CUSTOM_T"],
      ["provider", 2, "u2"],
    ]);
    for (const { table, insert } of PARTS) {
      const expected = ["provider", 1, ""];
      expect([table, await changesBy([insert])]).toEqual([table, [expected]]);
      expect([table, await changesBy([`UPDATE ${table} SET resource_provider_id = 2`])]).toEqual([
        table,
        [expected, ["provider", 2, ""]],
      ]);
      expect([table, await changesBy([`DELETE FROM ${table}`])]).toEqual([
        table,
        [["provider", 2, ""]],
      ]);
    }
    expect(await changesBy(["DELETE FROM resource_providers WHERE id = 2"])).toEqual([
      ["provider_deleted", 2, "u2"],
    ]);
    for (const [table, kind] of [
      ["resource_classes", "resource_class"],
      ["traits", "trait"],
    ]) {
      expect(
        await changesBy([
          `INSERT INTO ${table} (id, name) VALUES (10001, 'CUSTOM_A')`,
          `UPDATE ${table} SET name = 'CUSTOM_B' WHERE id = 10001`,
          `DELETE FROM ${table} WHERE id = 10001`,
        ]),
      ).toEqual([
        [kind, null, "CUSTOM_A"],
        [kind, null, "CUSTOM_B"],
        [`${kind}_deleted`, null, "CUSTOM_B"],
      ]);
    }
  });

  test("give the time in UTC, as Stowage does", async () => {
    await install();
    await other.run(INSERTS.provider(1, "u1"));
    const [row] = await other.run(
      "SELECT CAST(created_at AS char(19)) AS at FROM stowage_changes WHERE kind = 'provider'",
    );
    const ageMs = Date.now() - Date.parse(`${String(row?.["at"]).replace(" ", "T")}Z`);
    expect(Math.abs(ageMs)).toBeLessThan(60_000);
  });

  test("are installed again, and by several at once, without harm", async () => {
    expect(await Promise.all([install(), install()])).toEqual([
      [0, installed],
      [0, installed],
    ]);
    expect(await install()).toEqual([0, installed]);
    expect(await changesBy([INSERTS.provider(2, "u2")])).toEqual([["provider", 2, "u2"]]);
  });

  test("are removed where there are none", async () => {
    expect(await remove()).toEqual([0, "There were no triggers.\n"]);
  });

  test("let other programs write where the table of changes is gone", async () => {
    await install();
    await other.run("DROP TABLE stowage_changes");
    await other.run(INSERTS.provider(1, "u1"));
    await other.run("INSERT INTO traits (id, name) VALUES (1, 'CUSTOM_T')");
    for (const { table, insert } of PARTS) {
      await other.run(insert);
      await other.run(`UPDATE ${table} SET resource_provider_id = 1`);
      await other.run(`DELETE FROM ${table}`);
    }
    expect(await other.run("SELECT uuid FROM resource_providers")).toEqual([{ uuid: "u1" }]);
    expect(await remove()).toEqual([0, `${count} triggers are removed.\n`]);
  });

  test("miss nothing of a transaction that was under way when they were installed", async () => {
    await other.run("BEGIN");
    await other.run(INSERTS.provider(1, "u1"));
    let isInstalled = false;
    const installing = install().then(() => (isInstalled = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isInstalled).toBe(false);
    await other.run("COMMIT");
    await installing;
    // What was written before is covered by the order to build read models anew.
    const [last] = await other.run("SELECT kind FROM stowage_changes ORDER BY id DESC LIMIT 1");
    expect(last).toEqual({ kind: "everything" });
  });
});

test.for(SERVER_ENGINES)(
  "on $name, who may not install triggers is told which right is missing",
  async (engine) => {
    const place = await engine.createDatabase();
    const database = await Database.open(parseConnectionUrl(place.connection));
    await migrate(database);
    await database.close();
    const user = await makeUserWithoutRights(place.connection);
    const { host, pathname, protocol } = new URL(place.connection);
    const connection = `${protocol}//${user.name}:secret@${host}${pathname}`;
    try {
      await expect(
        run((output) => installDatabaseTriggers(configOf({ connection }), output)),
      ).rejects.toThrow(PermissionDenied);
    } finally {
      await user.remove();
      await place.remove();
    }
  },
);

test("triggers are not for SQLite, which belongs to one process", async () => {
  const place = await SQLITE.createDatabase();
  const config = configOf(place);
  await expect(run((output) => installDatabaseTriggers(config, output))).rejects.toThrow(
    "an SQLite file, which belongs to one process",
  );
  expect(await run((output) => removeDatabaseTriggers(config, output))).toEqual([
    0,
    "There were no triggers.\n",
  ]);
  await place.remove();
});

const INSERTS = {
  provider: (id: number, uuid: string) =>
    `INSERT INTO resource_providers (id, uuid, name, generation) VALUES (${id}, '${uuid}', '${uuid}', 0)`,
};

/** The tables whose rows belong to a provider. */
const PARTS = [
  {
    table: "allocations",
    insert:
      "INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used) " +
      "VALUES (1, 'c', 0, 1)",
  },
  {
    table: "inventories",
    insert:
      "INSERT INTO inventories (resource_provider_id, resource_class_id, total, reserved, " +
      "min_unit, max_unit, step_size, allocation_ratio) VALUES (1, 0, 1, 0, 1, 1, 1, 1)",
  },
  {
    table: "resource_provider_aggregates",
    insert:
      "INSERT INTO resource_provider_aggregates (resource_provider_id, aggregate_id) VALUES (1, 1)",
  },
  {
    table: "resource_provider_traits",
    insert:
      "INSERT INTO resource_provider_traits (resource_provider_id, trait_id) " +
      "SELECT 1, id FROM traits",
  },
];

/** One that may read and write every table, and no more. */
async function makeUserWithoutRights(connection: string) {
  const administrator = await openOtherProgram(connection);
  const name = `stowage_${randomUUID().slice(0, 8)}`;
  const isMysql = connection.startsWith("mysql");
  const database = new URL(connection).pathname.slice(1);
  const statements = isMysql
    ? [
        `CREATE USER ${name}@'%' IDENTIFIED BY 'secret'`,
        `GRANT SELECT, INSERT, UPDATE, DELETE ON ${database}.* TO ${name}@'%'`,
      ]
    : [
        `CREATE ROLE ${name} LOGIN PASSWORD 'secret'`,
        `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${name}`,
        `REVOKE TRIGGER ON ALL TABLES IN SCHEMA public FROM ${name}`,
        `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${name}`,
      ];
  for (const statement of statements) await administrator.run(statement);
  return {
    name,
    async remove() {
      if (!isMysql) await administrator.run(`DROP OWNED BY ${name}`);
      await administrator.run(isMysql ? `DROP USER ${name}@'%'` : `DROP ROLE ${name}`);
      await administrator.close();
    },
  };
}

function configOf({ connection }: Pick<TestDatabase, "connection">): Config {
  return defaultConfig({ placementDatabase: { connection } });
}

/** The exit code and what was printed. */
async function run(command: Parameters<typeof atTerminal>[0]): Promise<[number, string]> {
  const [code, output] = await atTerminal(command);
  return [code, output];
}
