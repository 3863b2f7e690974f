import type { ConnectionOptions } from "node:tls";

import { Client, DatabaseError, types } from "pg";

import type { PostgresConnection } from "../../config/postgres-connection.ts";
import { DatabaseUnavailable } from "../errors.ts";
import { SESSION_MARK } from "./postgres-triggers.ts";
import { endInTime, LOCK_TIMEOUT_S } from "./server-pools.ts";
import type { Session, SessionResult } from "./session.ts";
import { tlsOptions } from "./tls.ts";

/** A connection to PostgreSQL. */
export class PostgresSession implements Session {
  readonly #client: Client;
  #isBroken = false;
  #cursors = 0;

  private constructor(client: Client) {
    this.#client = client;
    // The query that is running is told as well; without a listener, the process would end.
    client.on("error", () => {
      this.#isBroken = true;
    });
    client.on("end", () => {
      this.#isBroken = true;
    });
  }

  /** @throws DatabaseUnavailable says why the server cannot be used */
  static async open(settings: PostgresConnection): Promise<PostgresSession> {
    try {
      const session = new PostgresSession(await connect(settings));
      await session.#client.query(SESSION_SETTINGS);
      return session;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new DatabaseUnavailable(`cannot connect to PostgreSQL: ${reason}`, { cause: error });
    }
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  async run(text: string, parameters: readonly unknown[]): Promise<SessionResult> {
    try {
      const { rows, rowCount } = await this.#client.query<object>(text, [...parameters]);
      return { rows, affectedRows: rowCount ?? 0, insertId: 0 };
    } catch (error) {
      // The server shuts down, and says so before it closes the connection.
      if (error instanceof DatabaseError && error.code?.startsWith("57P")) this.#isBroken = true;
      throw error;
    }
  }

  /** In batches, from a cursor, so inside of a transaction. */
  async *iterate(text: string, parameters: readonly unknown[]): AsyncIterable<unknown> {
    this.#cursors += 1;
    const cursor = `rows_${this.#cursors}`;
    await this.run(`declare ${cursor} no scroll cursor for ${text}`, parameters);
    for (;;) {
      const { rows } = await this.run(`fetch ${FETCHED_ROWS} from ${cursor}`, []);
      yield* rows;
      if (rows.length < FETCHED_ROWS) break;
    }
    await this.run(`close ${cursor}`, []);
  }

  async close(): Promise<void> {
    this.#isBroken = true;
    await endInTime(this.#client.end());
  }
}

/** How many rows are held in memory of a result that is read row by row. */
const FETCHED_ROWS = 1000;

const DEFAULT_CONNECT_TIMEOUT_S = 10;

/**
 * Nothing waits for a lock without end, and the server gives up a transaction whose client has gone
 * away without a word. Changes of the schema may take their time, so statements have no limit here.
 */
const SESSION_SETTINGS =
  `set lock_timeout = '${LOCK_TIMEOUT_S}s'; ` +
  "set idle_in_transaction_session_timeout = '60s'; set client_min_messages = warning; " +
  `set ${SESSION_MARK} = on`;

async function connect(settings: PostgresConnection): Promise<Client> {
  const { tls } = settings;
  try {
    return await connectWith(settings, tls && tlsOptions(tls));
  } catch (error) {
    const isRefused = error instanceof Error && error.message.includes("does not support SSL");
    if (!isRefused || tls?.isRequired !== false) throw error;
    return connectWith(settings, undefined);
  }
}

async function connectWith(
  settings: PostgresConnection,
  ssl: ConnectionOptions | undefined,
): Promise<Client> {
  const { connectTimeoutSeconds = DEFAULT_CONNECT_TIMEOUT_S } = settings;
  const client = new Client({
    host: settings.socketPath ?? settings.host,
    port: settings.port,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    application_name: settings.applicationName ?? "stowage",
    options: settings.options,
    connectionTimeoutMillis: connectTimeoutSeconds * 1000,
    keepAlive: true,
    ssl: ssl ?? false,
    types: { getTypeParser: parserOf },
  });
  await client.connect();
  return client;
}

/** Counts and large ids as numbers, dates as the text that they are; the rest as `pg` does. */
const parserOf: typeof types.getTypeParser = (type, format) => {
  if (type === types.builtins.INT8 || type === types.builtins.NUMERIC) return Number;
  if (type === types.builtins.TIMESTAMP) return String;
  return types.getTypeParser(type, format) as (text: string) => unknown;
};
