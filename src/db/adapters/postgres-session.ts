import type { ConnectionOptions } from "node:tls";

import { Client, DatabaseError, types } from "pg";

import type { PostgresConnection } from "../../config/postgres-connection.ts";
import { DatabaseMisconfigured } from "../errors.ts";
import { isRefusal } from "./postgres-errors.ts";
import { runSeries } from "./postgres-series.ts";
import { SESSION_MARK } from "./postgres-triggers.ts";
import { endInTime, KEEP_ALIVE_DELAY_MS, noSession, setUpInTime } from "./server-pools.ts";
import type { SessionLimits } from "../terms.ts";
import { isSearchPathFit, postgresSettings } from "./session-settings.ts";
import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import { outcomeOf } from "./statement-series.ts";
import { isTlsFailure, tlsOptions } from "./tls.ts";

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
    const settings = Object.entries(postgresSettings(access, limits));
    // Only what the release knows and what is different: to set some takes rights that few have.
    await this.#client.query(
      `select pg_catalog.set_config(s.name, wanted.setting, false)
       from pg_catalog.pg_settings as s
       join unnest($1::text[], $2::text[]) as wanted (name, setting) on wanted.name = s.name
       where s.setting is distinct from wanted.setting`,
      [settings.map(([name]) => name), settings.map(([, setting]) => setting)],
    );
    await this.#client.query(`set ${SESSION_MARK} = on`);
    const { rows } = await this.#client.query<{ server: string; path: string[] }>(
      `select pg_postmaster_start_time()::text as server,
       current_schemas(true)::text[] as path`,
    );
    const [facts] = rows;
    if (!isSearchPathFit(facts?.path ?? [])) {
      throw new DatabaseMisconfigured(
        "search_path names no schema that exists, or one before pg_catalog: set it to the schema of the tables",
      );
    }
    this.server = facts?.server ?? "";
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

/** As libpq does. */
async function connect(settings: PostgresConnection, limits: SessionLimits): Promise<Client> {
  const tls = settings.tls && tlsOptions(settings.tls);
  const [first, second] = ways(settings, tls);
  try {
    return await connectWith(settings, limits, first);
  } catch (error) {
    if (second === undefined || !isAboutEncryption(error)) throw error;
    try {
      return await connectWith(settings, limits, second.ssl);
    } catch (another) {
      // What the way says that is preferred, unless there is no such way.
      throw error instanceof DatabaseError && !(another instanceof DatabaseError) ? error : another;
    }
  }
}

type Ssl = ConnectionOptions | undefined;

function ways({ tls }: PostgresConnection, ssl: Ssl): [first: Ssl, second?: { ssl: Ssl }] {
  if (!tls || tls.isRequired) return [ssl];
  return tls.isLastResort ? [undefined, { ssl }] : [ssl, { ssl: undefined }];
}

/** Whether the server is there and may say something else to who comes encrypted, or not. */
function isAboutEncryption(error: unknown): boolean {
  if (error instanceof DatabaseError || isTlsFailure(error)) return true;
  return (
    error instanceof Error && error.message === "There was an error establishing an SSL connection"
  );
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
