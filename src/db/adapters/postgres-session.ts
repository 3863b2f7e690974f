import type { ConnectionOptions } from "node:tls";

import { Client, DatabaseError, types } from "pg";

import type { PostgresConnection } from "../../config/postgres-connection.ts";
import { isRefusal } from "./postgres-errors.ts";
import { runSeries } from "./postgres-series.ts";
import { SESSION_MARK } from "./postgres-triggers.ts";
import { endInTime, KEEP_ALIVE_DELAY_MS, noSession, setUpInTime } from "./server-pools.ts";
import type { SessionLimits } from "./server-pools.ts";
import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import { outcomeOf } from "./statement-series.ts";
import { tlsOptions } from "./tls.ts";

/** A connection to PostgreSQL. */
export class PostgresSession implements Session {
  readonly runsInTurn = false;
  server = "";
  readonly #client: Client;
  readonly #isPlannedEachTime: boolean;
  #isBroken = false;
  #cursors = 0;

  private constructor(client: Client, access: "read" | "write") {
    this.#client = client;
    this.#isPlannedEachTime = access === "write";
    // The query that is running is told as well; without a listener, the process would end.
    client.on("error", () => {
      this.#isBroken = true;
    });
    client.on("end", () => {
      this.#isBroken = true;
    });
  }

  /** @throws DatabaseUnavailable says why the server cannot be used */
  static async open(
    settings: PostgresConnection,
    access: "read" | "write",
    limits: SessionLimits,
  ): Promise<PostgresSession> {
    try {
      const session = new PostgresSession(await connect(settings, limits), access);
      await setUpInTime(session, session.#setUp(access, limits), limits);
      return session;
    } catch (error) {
      throw noSession("PostgreSQL", error, isRefusal(error));
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
      this.#noticeShutdown(error);
      throw error;
    }
  }

  async runSeries(statements: readonly Statement[]): Promise<SeriesOutcome> {
    const series = await runSeries(
      this.#client,
      statements.flatMap(({ text, parameterSets, isSteady }) =>
        parameterSets.map((parameters) => ({ text, parameters, isSteady })),
      ),
      this.#isPlannedEachTime,
    );
    if (series.failure) this.#noticeShutdown(series.failure.error);
    return outcomeOf(statements, series);
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

  async #setUp(access: "read" | "write", limits: SessionLimits): Promise<void> {
    await this.#client.query(sessionSettings(access, limits));
    const { rows } = await this.#client.query<{ server: string }>(
      "select pg_postmaster_start_time()::text as server",
    );
    this.server = rows[0]?.server ?? "";
  }

  /** The server says so before it closes the connection. */
  #noticeShutdown(error: unknown): void {
    if (error instanceof DatabaseError && error.code?.startsWith("57P")) this.#isBroken = true;
  }

  async close(): Promise<void> {
    this.#isBroken = true;
    await endInTime(this.#client.end(), this.#client.connection.stream);
  }
}

/** How many rows are held in memory of a result that is read row by row. */
const FETCHED_ROWS = 1000;

/**
 * Nothing waits for a lock without end, and the server gives up a transaction whose client has gone
 * away without a word. Changes of the schema may take their time, so statements have no limit here.
 *
 * What writes is planned each time: a plan that was made while a table was small reads all of it when it
 * has grown (a quarter of the claims a second, until the server had gathered statistics).
 */
function sessionSettings(
  access: "read" | "write",
  { lockTimeoutS, idleTransactionTimeoutS }: SessionLimits,
): string {
  return (
    `set lock_timeout = '${lockTimeoutS}s'; ` +
    `set idle_in_transaction_session_timeout = '${idleTransactionTimeoutS}s'; ` +
    (access === "write" ? "set plan_cache_mode = force_custom_plan; " : "") +
    `set client_min_messages = warning; set ${SESSION_MARK} = on`
  );
}

async function connect(settings: PostgresConnection, limits: SessionLimits): Promise<Client> {
  const { tls } = settings;
  try {
    return await connectWith(settings, limits, tls && tlsOptions(tls));
  } catch (error) {
    const isRefused = error instanceof Error && error.message.includes("does not support SSL");
    if (!isRefused || tls?.isRequired !== false) throw error;
    return connectWith(settings, limits, undefined);
  }
}

async function connectWith(
  settings: PostgresConnection,
  { connectTimeoutMs }: SessionLimits,
  ssl: ConnectionOptions | undefined,
): Promise<Client> {
  const { connectTimeoutSeconds } = settings;
  const client = new Client({
    host: settings.socketPath ?? settings.host,
    port: settings.port,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    application_name: settings.applicationName ?? "stowage",
    options: settings.options,
    connectionTimeoutMillis:
      connectTimeoutSeconds === undefined ? connectTimeoutMs : connectTimeoutSeconds * 1000,
    keepAlive: true,
    pipeline: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    ssl: ssl ?? false,
    types: { getTypeParser: parserOf },
  });
  // A server that shuts down can say so in one breath with its welcome, before anybody listens.
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

/** Counts and large ids as numbers, dates as the text that they are; the rest as `pg` does. */
const parserOf: typeof types.getTypeParser = (type, format) => {
  if (type === types.builtins.INT8 || type === types.builtins.NUMERIC) return Number;
  if (type === types.builtins.TIMESTAMP) return String;
  return types.getTypeParser(type, format) as (text: string) => unknown;
};
