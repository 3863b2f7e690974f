import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";

import mysql from "mysql2/promise";
import { Client } from "pg";

import { SERVER_ENGINES } from "../../test/support/servers.ts";
import { SQLITE, type TestDatabase } from "../../test/support/engines.ts";

/** An engine to measure claims on, and what they are measured against. */
export interface BenchEngine {
  readonly name: string;
  createDatabase(): Promise<TestDatabase>;
  openFloor(connection: string): Promise<Floor>;
}

/** Nothing but single-row commits, one after the other, on one connection. */
export interface Floor {
  commit(text: string): void | Promise<unknown>;
  close(): Promise<void>;
}

const OPEN_FLOOR: Readonly<Record<string, BenchEngine["openFloor"]>> = {
  SQLite: openSqliteFloor,
  PostgreSQL: openPostgresFloor,
  MySQL: openMysqlFloor,
};

/** The floor of a database that a service uses; of a file, one beside it, as that belongs to the service. */
export function openFloorBeside(connection: string): Promise<Floor> {
  if (connection.startsWith("sqlite")) return openSqliteFloor(`${connection}.floor`);
  return connection.startsWith("mysql")
    ? openMysqlFloor(connection)
    : openPostgresFloor(connection);
}

/** The embedded engine, and the servers that can be reached. */
export const BENCH_ENGINES: readonly BenchEngine[] = [SQLITE, ...SERVER_ENGINES].flatMap(
  (engine) => {
    const openFloor = OPEN_FLOOR[engine.name];
    const createDatabase = () => engine.createDatabase();
    return openFloor ? [{ name: engine.name, createDatabase, openFloor }] : [];
  },
);

/** On a connection with the same settings as the one that writes claims. */
async function openSqliteFloor(connection: string): Promise<Floor> {
  const file = connection.slice("sqlite:///".length);
  const database = new DatabaseSync(file, { timeout: 10_000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  database.exec("CREATE TABLE bench_floor (id INTEGER PRIMARY KEY, text VARCHAR(255))");
  const insert = database.prepare("INSERT INTO bench_floor (text) VALUES (?)");
  return {
    commit: (text) => void insert.run(text),
    close: async () => database.close(),
  };
}

async function openPostgresFloor(connection: string): Promise<Floor> {
  const client = new Client({ connectionString: connection });
  await client.connect();
  await client.query("CREATE TABLE bench_floor (id SERIAL PRIMARY KEY, text VARCHAR(255))");
  const insert = { name: "floor", text: "INSERT INTO bench_floor (text) VALUES ($1)" };
  return {
    commit: (text) => client.query({ ...insert, values: [text] }),
    close: () => client.end(),
  };
}

async function openMysqlFloor(connection: string): Promise<Floor> {
  const session = await mysql.createConnection(connection);
  await session.query(
    "CREATE TABLE bench_floor (id INTEGER AUTO_INCREMENT PRIMARY KEY, text VARCHAR(255))",
  );
  return {
    commit: (text) => session.execute("INSERT INTO bench_floor (text) VALUES (?)", [text]),
    close: () => session.end(),
  };
}

/** Stands between the service and a server, and counts how often it is the server's turn to speak. */
export class RoundTripCounter {
  roundTrips = 0;
  readonly #server = createServer();

  static async start(connection: string): Promise<{ counter: RoundTripCounter; url: string }> {
    const counter = new RoundTripCounter();
    const url = new URL(connection);
    const target = { host: url.hostname, port: Number(url.port) };
    counter.#server.on("connection", (client) => {
      const server = connect(target);
      let isAsking = false;
      client.on("data", (bytes: Buffer) => {
        isAsking = true;
        server.write(bytes);
      });
      server.on("data", (bytes: Buffer) => {
        if (isAsking) counter.roundTrips += 1;
        isAsking = false;
        client.write(bytes);
      });
      for (const [socket, other] of [
        [client, server],
        [server, client],
      ] as const) {
        socket.setNoDelay(true);
        socket.on("error", () => other.destroy());
        socket.on("close", () => other.destroy());
      }
    });
    counter.#server.listen(0, "127.0.0.1");
    await once(counter.#server, "listening");
    url.hostname = "127.0.0.1";
    url.port = String((counter.#server.address() as AddressInfo).port);
    return { counter, url: url.href };
  }

  stop(): void {
    this.#server.close();
  }
}
