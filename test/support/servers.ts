import { randomUUID } from "node:crypto";

import mysql from "mysql2/promise";
import { Client } from "pg";

import { STOWAGE_TABLES } from "../../src/db/migrations/stowage-tables.ts";
import { PLACEMENT_TABLES } from "../../src/db/migrations/tables.ts";
import { BorrowedDatabases, type Emptying } from "./borrowed-databases.ts";
import type { Engine, TestDatabase } from "./engines.ts";

// Databases on servers, each made for one test, or lent to it. The servers are those on this
// machine unless STOWAGE_TEST_POSTGRES_URL and STOWAGE_TEST_MYSQL_URL name others. One that cannot
// be reached is left out, unless STOWAGE_TEST_ENGINES (such as `sqlite,postgres,mysql`) asks for it.

interface Server extends Engine {
  /** As STOWAGE_TEST_ENGINES names it. */
  readonly key: string;
  /** Fails when the server cannot be reached. */
  check(): Promise<void>;
  /** Those of this run that nobody has removed. */
  dropLeftDatabases(): Promise<void>;
}

const POSTGRES_URL = urlFrom("STOWAGE_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432");
const MYSQL_URL = urlFrom("STOWAGE_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306");

/** Tells one run of all tests from others, in the names of its databases. */
export const RUN = "STOWAGE_TEST_RUN";

/** What refers to others comes before them. */
const TABLES = [...PLACEMENT_TABLES, ...STOWAGE_TABLES]
  .map(({ name }) => name)
  .filter((name) => name !== "alembic_version")
  .toReversed();

const SERVERS: readonly Server[] = [
  describeServer({
    name: "PostgreSQL",
    key: "postgres",
    url: POSTGRES_URL,
    run: onPostgres,
    create: (name) => `create database ${name}`,
    drop: (name) => `drop database ${name} with (force)`,
    list: "select datname as name from pg_database",
    describe:
      "select c.relname || ' ' || a.attname || ' ' || a.atttypid || ' ' || a.attnotnull as line " +
      "from pg_attribute a join pg_class c on c.oid = a.attrelid " +
      "where c.relnamespace = 'public'::regnamespace and a.attnum > 0 " +
      "union all select tgname from pg_trigger where not tgisinternal " +
      "union all select proname from pg_proc where pronamespace = 'public'::regnamespace " +
      "union all select setconfig::text from pg_db_role_setting " +
      "join pg_database d on d.oid = setdatabase and datname = current_database() order by 1",
    async empty(program) {
      await program.run(
        "select pg_terminate_backend(pid) from pg_stat_activity " +
          "where datname = current_database() and pid <> pg_backend_pid()",
      );
      // To truncate them takes twenty times as long: each gets a new file.
      await program.run(TABLES.map((table) => `delete from ${table}`).join("; "));
      await program.run("select setval(oid, 1, false) from pg_class where relkind = 'S'");
    },
  }),
  describeServer({
    name: "MySQL",
    key: "mysql",
    url: MYSQL_URL,
    run: onMysql,
    // The character set of the databases that OpenStack's installation guides create.
    create: (name) => `create database ${name} character set utf8mb3`,
    drop: (name) => `drop database ${name}`,
    list: "select schema_name as name from information_schema.schemata",
    describe:
      "select concat_ws(' ', table_name, column_name, column_type, is_nullable) as line " +
      "from information_schema.columns where table_schema = database() " +
      "union all select concat_ws(' ', table_name, index_name, column_name) " +
      "from information_schema.statistics where table_schema = database() " +
      "union all select trigger_name from information_schema.triggers " +
      "where trigger_schema = database() order by 1",
    async empty(program) {
      const sessions = await program.run(
        "select id from information_schema.processlist where db = database() and id <> connection_id()",
      );
      // Some have ended by themselves meanwhile.
      for (const { id } of sessions) await program.run(`kill ${String(id)}`).catch(() => {});
      // A test may have given the server other settings for new sessions.
      await program.run("set foreign_key_checks = 0, autocommit = 1, sql_safe_updates = 0");
      for (const table of TABLES) await program.run(`delete from ${table}`);
      // That of each table would take as long as to make the database anew.
      await program.run("alter table stowage_changes auto_increment = 1");
    },
  }),
];

interface Dialect extends Emptying {
  readonly name: string;
  readonly key: string;
  readonly url: URL;
  readonly run: (statement: string) => Promise<Record<string, unknown>[]>;
  readonly create: (name: string) => string;
  readonly drop: (name: string) => string;
  /** The names of all databases. */
  readonly list: string;
}

function describeServer(dialect: Dialect): Server {
  const { name, key, url, run, create, drop, list } = dialect;
  const prefix = () => `stowage_test_${process.env[RUN] ?? process.pid}_`;
  const createDatabase = async (): Promise<TestDatabase> => {
    const database = `${prefix()}${randomUUID().replaceAll("-", "")}`;
    await run(create(database));
    const { href: connection } = Object.assign(new URL(url), { pathname: `/${database}` });
    return { connection, remove: async () => void (await run(drop(database))) };
  };
  const pool = new BorrowedDatabases(createDatabase, dialect);
  return {
    name,
    key,
    check: async () => void (await run("select 1 as name")),
    createDatabase,
    borrowDatabase: () => pool.borrow(),
    async dropLeftDatabases() {
      const names = (await run(list)).map((row) => String(row["name"]));
      for (const left of names.filter((it) => it.startsWith(prefix()))) await run(drop(left));
    },
  };
}

/** Why each of the servers is left out that is. */
export const LEFT_OUT = new Map<Engine, string>();

/** The servers that tests can and are to use. */
export const SERVER_ENGINES: readonly Server[] = await usableServers();

async function usableServers(): Promise<Server[]> {
  const wanted = process.env["STOWAGE_TEST_ENGINES"]?.split(",");
  for (const server of SERVERS) {
    if (wanted && !wanted.includes(server.key)) {
      LEFT_OUT.set(server, "STOWAGE_TEST_ENGINES does not name it");
      continue;
    }
    try {
      await server.check();
    } catch (error) {
      if (wanted) throw error;
      LEFT_OUT.set(server, describeFailure(error));
    }
  }
  return SERVERS.filter((server) => !LEFT_OUT.has(server));
}

function describeFailure(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || String(code);
}

async function onPostgres(statement: string): Promise<Record<string, unknown>[]> {
  const url = new URL(POSTGRES_URL);
  if (url.pathname.length <= 1) url.pathname = "/postgres";
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function onMysql(statement: string): Promise<Record<string, unknown>[]> {
  const connection = await mysql.createConnection(MYSQL_URL.href);
  try {
    const [rows] = await connection.query(statement);
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
  } finally {
    await connection.end();
  }
}

function urlFrom(variable: string, byDefault: string): URL {
  return new URL(process.env[variable] ?? byDefault);
}
