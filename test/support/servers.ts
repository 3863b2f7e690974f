import { randomUUID } from "node:crypto";

import mysql from "mysql2/promise";
import { Client } from "pg";

import type { Engine } from "./engines.ts";

// Databases on servers, each made for one test and dropped after it. The servers are those on this
// machine unless STOWAGE_TEST_POSTGRES_URL and STOWAGE_TEST_MYSQL_URL name others. One that cannot
// be reached is left out, unless STOWAGE_TEST_ENGINES (such as `sqlite,postgres,mysql`) asks for it.

interface Server extends Engine {
  /** As STOWAGE_TEST_ENGINES names it. */
  readonly key: string;
  /** Fails when the server cannot be reached. */
  check(): Promise<void>;
}

const POSTGRES_URL = urlFrom("STOWAGE_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432");
const MYSQL_URL = urlFrom("STOWAGE_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306");

const SERVERS: readonly Server[] = [
  {
    name: "PostgreSQL",
    key: "postgres",
    check: () => onPostgres("select 1"),
    createDatabase: () =>
      createDatabase(POSTGRES_URL, {
        create: (name) => onPostgres(`create database ${name}`),
        drop: (name) => onPostgres(`drop database ${name} with (force)`),
      }),
  },
  {
    name: "MySQL",
    key: "mysql",
    check: () => onMysql("select 1"),
    createDatabase: () =>
      createDatabase(MYSQL_URL, {
        // The character set of the databases that OpenStack's installation guides create.
        create: (name) => onMysql(`create database ${name} character set utf8mb3`),
        drop: (name) => onMysql(`drop database ${name}`),
      }),
  },
];

/** Why each of the servers is left out that is. */
export const LEFT_OUT = new Map<Engine, string>();

/** The servers that tests can and are to use. */
export const SERVER_ENGINES: readonly Engine[] = await usableServers();

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

async function createDatabase(
  server: URL,
  { create, drop }: Readonly<Record<"create" | "drop", (name: string) => Promise<void>>>,
) {
  const name = `stowage_test_${randomUUID().replaceAll("-", "")}`;
  await create(name);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { connection: url.href, remove: () => drop(name) };
}

async function onPostgres(statement: string): Promise<void> {
  const url = new URL(POSTGRES_URL);
  if (url.pathname.length <= 1) url.pathname = "/postgres";
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function onMysql(statement: string): Promise<void> {
  const connection = await mysql.createConnection(MYSQL_URL.href);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

function urlFrom(variable: string, byDefault: string): URL {
  return new URL(process.env[variable] ?? byDefault);
}
