import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import { CompiledQuery } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { mysqlSettings, postgresSettings } from "../../src/db/adapters/session-settings.ts";
import { Database } from "../../src/db/database.ts";
import { DatabaseMisconfigured } from "../../src/db/errors.ts";
import type { ReadTransaction } from "../../src/db/transaction.ts";
import { ROOT } from "../source-files.ts";
import { PRIVATE_ENGINES, type PrivateServer } from "./private-servers.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };
const LIMITS = { connectTimeoutMs: 10_000, lockTimeoutS: 10, idleTransactionTimeoutS: 30 };

/** What of the suite depends most on what statements mean, and how values read. */
const CORE = [
  "test/db/transactions.test.ts",
  "test/db/as-found.test.ts",
  "test/alike-names.test.ts",
  "test/races.test.ts",
];

interface Dialect {
  /** As `STOWAGE_TEST_ENGINES` and the variable of the URL name it. */
  readonly key: string;
  /** Each setting of the table that the server knows, as nobody has it who does not mean to. */
  readonly unusual: Readonly<Record<string, string>>;
  /** Of the table, what this release has not, or what only its administrator may set. */
  readonly notHere: readonly string[];
  readonly table: (access: "read" | "write") => Readonly<Record<string, string>>;
  readonly show: string;
  /** Has every session of the service's user begin with settings. */
  readonly apply: (settings: Readonly<Record<string, string>>) => readonly string[];
  readonly letCreateDatabases: string;
}

const DIALECTS: Readonly<Record<string, Dialect>> = {
  PostgreSQL: {
    key: "postgres",
    unusual: {
      client_encoding: "LATIN1",
      standard_conforming_strings: "off",
      backslash_quote: "off",
      transform_null_equals: "on",
      array_nulls: "off",
      DateStyle: "German, DMY",
      IntervalStyle: "sql_standard",
      TimeZone: "Asia/Kathmandu",
      bytea_output: "escape",
      extra_float_digits: "-10",
      quote_all_identifiers: "on",
      row_security: "on",
      check_function_bodies: "off",
      default_transaction_isolation: "serializable",
      default_transaction_deferrable: "on",
      lock_timeout: "1",
      idle_in_transaction_session_timeout: "20000",
      statement_timeout: "20000",
      idle_session_timeout: "20000",
      exit_on_error: "on",
      client_min_messages: "error",
      plan_cache_mode: "force_generic_plan",
    },
    notHere: ["session_replication_role", "transaction_timeout"],
    table: (access) => postgresSettings(access, LIMITS),
    show: "select name, setting as value from pg_settings",
    apply: (settings) =>
      Object.entries(settings).map(
        ([name, value]) => `alter role placement set ${name} = '${value}'`,
      ),
    letCreateDatabases: "alter role placement createdb",
  },
  MariaDB: {
    key: "mysql",
    unusual: {
      character_set_client: "latin1",
      character_set_connection: "latin1",
      collation_connection: "latin1_bin",
      character_set_results: "latin1",
      lc_messages: "de_DE",
      time_zone: "+05:45",
      autocommit: "0",
      completion_type: "CHAIN",
      sql_auto_is_null: "1",
      sql_select_limit: "1",
      sql_big_selects: "0",
      sql_safe_updates: "1",
      foreign_key_checks: "0",
      unique_checks: "0",
      check_constraint_checks: "0",
      default_storage_engine: "MyISAM",
      innodb_lock_wait_timeout: "1",
      lock_wait_timeout: "1",
      idle_transaction_timeout: "1",
      idle_readonly_transaction_timeout: "1",
      idle_write_transaction_timeout: "1",
      max_statement_time: "20",
      wait_timeout: "5",
      wsrep_sync_wait: "0",
      sql_mode:
        "ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,IGNORE_SPACE,EMPTY_STRING_IS_NULL," +
        "HIGH_NOT_PRECEDENCE,ONLY_FULL_GROUP_BY,PAD_CHAR_TO_FULL_LENGTH,REAL_AS_FLOAT,ORACLE",
    },
    notHere: ["max_execution_time"],
    table: () => mysqlSettings(LIMITS),
    show: "select variable_name as name, variable_value as value from information_schema.session_variables",
    apply: (settings) => [
      `set global init_connect = "set ${Object.entries(settings)
        .map(([name, value]) => `${name} = ${/^[\d.]+$/.test(value) ? value : `'${value}'`}`)
        .join(", ")}"`,
    ],
    letCreateDatabases: "grant all on `stowage\\_test\\_%`.* to placement@'%'",
  },
};

describe.for(PRIVATE_ENGINES)("a $name whose settings are unusual", (engine) => {
  const dialect = DIALECTS[engine.name]!;
  let server: PrivateServer;

  beforeEach(async () => {
    server = await engine.start();
    await server.createDatabase("placement");
    await administer(dialect.letCreateDatabases);
  });

  afterEach(() => server.remove());

  async function administer(...statements: string[]): Promise<void> {
    const session = await server.openSession();
    for (const statement of statements) await session.query(statement);
    await session.close();
  }

  async function valuesOf(tx: ReadTransaction, names: readonly string[]) {
    const { rows } = await tx.query.executeQuery<{ name: string; value: string }>(
      CompiledQuery.raw(dialect.show),
    );
    const values = new Map(
      rows.map(({ name, value }) => [engine.name === "MariaDB" ? name.toLowerCase() : name, value]),
    );
    return Object.fromEntries(names.map((name) => [name, values.get(name)]));
  }

  test("is given those of the table for each session", async () => {
    const { unusual, notHere, table } = dialect;
    // A setting that joins the table is tried here.
    expect(Object.keys({ ...unusual, sql_mode: "" }).sort()).toEqual(
      [...Object.keys(table("read")).filter((name) => !notHere.includes(name)), "sql_mode"].sort(),
    );
    await administer(...dialect.apply(unusual));
    const database = await Database.open(parseConnectionUrl(server.connectionTo("placement")));
    const names = Object.keys(unusual).filter((name) => name !== "sql_mode");
    const expected = (access: "read" | "write") =>
      Object.fromEntries(names.map((name) => [name, table(access)[name]]));
    try {
      expect(await database.reader(CONTEXT, (tx) => valuesOf(tx, names))).toEqual(expected("read"));
      expect(await database.writer(CONTEXT, (tx) => valuesOf(tx, names))).toEqual(
        expected("write"),
      );
    } finally {
      await database.close();
    }
  });

  test("is served from as any other", async () => {
    await administer(...dialect.apply(dialect.unusual));
    const url = new URL(server.connectionTo("placement"));
    url.pathname = engine.name === "MariaDB" ? "" : "/postgres";
    url.search = "";
    url.protocol = dialect.key;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        join(ROOT, "node_modules/vitest/vitest.mjs"),
        "run",
        "--project",
        "quick",
        "--no-file-parallelism",
        ...CORE,
      ],
      {
        cwd: ROOT,
        env: {
          PATH: process.env["PATH"],
          NO_COLOR: "1",
          STOWAGE_TEST_ENGINES: dialect.key,
          [`STOWAGE_TEST_${dialect.key.toUpperCase()}_URL`]: url.href,
        },
      },
    ).catch((error: { stdout: string }) => error);
    expect(stdout).toMatch(/Tests {2}\d+ passed/);
  });

  test.runIf(engine.name === "PostgreSQL")(
    "is refused by the name of what cannot be set, or shows other tables",
    async () => {
      const open = () => Database.open(parseConnectionUrl(server.connectionTo("placement")));
      for (const [name, value] of [
        ["session_replication_role", "replica"],
        ["search_path", "nothing_of_the_kind"],
        ["search_path", "public, pg_catalog"],
      ] as const) {
        await administer(`alter role placement set ${name} = ${value}`);
        await expect(open()).rejects.toThrow(DatabaseMisconfigured);
        await expect(open()).rejects.toThrow(name);
        await administer(`alter role placement reset ${name}`);
      }
    },
  );
});
