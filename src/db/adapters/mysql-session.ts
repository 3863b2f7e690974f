import { connect, type Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";

import mysql from "mysql2/promise";

import type { MysqlConnection } from "../../config/mysql-connection.ts";
import { isRefusal } from "./mysql-errors.ts";
import { SESSION_MARK } from "./mysql-triggers.ts";
import { endInTime, KEEP_ALIVE_DELAY_MS, noSession, setUpInTime } from "./server-pools.ts";
import type { SessionLimits } from "../terms.ts";
import { fitSqlMode, mysqlSettings } from "./session-settings.ts";
import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import { runInTurn } from "./statement-series.ts";
import { tlsOptions } from "./tls.ts";

interface MysqlSessionSettings {
  readonly connection: MysqlConnection;
  /** The value of `mysql_sql_mode`; empty for the server's own. */
  readonly sqlMode: string;
  readonly isolationLevel: "repeatable read" | "read committed";
  readonly limits: SessionLimits;
}

/** A connection to MySQL or MariaDB. Statements are prepared on the server, and kept by their text. */
export class MysqlSession implements Session {
  readonly runsInTurn = true;
  server = "";
  readonly #connection: mysql.Connection;
  /** Never rejects. */
  #lastSeries: Promise<unknown> = Promise.resolve();
  #isBroken = false;
  /** How many statements are not answered yet. */
  #running = 0;

  private constructor(connection: mysql.Connection) {
    this.#connection = connection;
    // The statement that is running is told as well; without a listener, the process would end.
    connection.on("error", () => {
      this.#isBroken = true;
    });
    connection.on("end", () => {
      this.#isBroken = true;
    });
  }

  /** @throws DatabaseUnavailable says why the server cannot be used */
  static async open(settings: MysqlSessionSettings): Promise<MysqlSession> {
    try {
      const session = new MysqlSession(await openConnection(settings));
      await setUpInTime(session, session.#setUp(settings), settings.limits);
      return session;
    } catch (error) {
      throw noSession("MySQL", error, isRefusal(error));
    }
  }

  get isBroken(): boolean {
    return this.#isBroken;
  }

  async run(text: string, parameters: readonly unknown[]): Promise<SessionResult> {
    this.#running += 1;
    try {
      // What begins and ends transactions cannot be prepared, and nothing else is without parameters.
      const [result, fields] =
        parameters.length === 0
          ? await this.#connection.query<Result>(text)
          : await this.#connection.execute<Result>(text, parameters.map(typed));
      if (!Array.isArray(result)) {
        return { rows: [], affectedRows: result.affectedRows, insertId: result.insertId };
      }
      if (parameters.length > 0) roundFloats(result, fields);
      return { rows: result, affectedRows: 0, insertId: 0 };
    } catch (error) {
      if (endsConnection(error)) this.#isBroken = true;
      throw error;
    } finally {
      this.#running -= 1;
    }
  }

  /**
   * The protocol allows no statement before the one before it is answered. So a series that is asked for
   * meanwhile waits for the whole of this one: what it is to see is written by then.
   */
  runSeries(statements: readonly Statement[]): Promise<SeriesOutcome> {
    const series = this.#lastSeries.then(() => runInTurn(this, statements));
    this.#lastSeries = series;
    return series;
  }

  /** All rows at once. */
  async *iterate(text: string, parameters: readonly unknown[]): AsyncIterable<unknown> {
    const { rows } = await this.run(text, parameters);
    yield* rows;
  }

  async close(): Promise<void> {
    const canSayGoodbye = !this.#isBroken && this.#running === 0;
    this.#isBroken = true;
    if (canSayGoodbye) await endInTime(this.#connection.end(), socketOf(this.#connection));
    else socketOf(this.#connection).destroy();
  }

  async #setUp({ sqlMode, isolationLevel, limits }: MysqlSessionSettings): Promise<void> {
    // What the server is to make of the option, it says itself, and all that is asked for below.
    await this.run(
      "set session sql_select_limit = 18446744073709551615, sql_mode = if(? = '', @@sql_mode, ?)",
      [sqlMode, sqlMode],
    );
    const { rows } = await this.run("show session variables", []);
    const shown = new Map((rows as Variable[]).map((row) => [row.Variable_name, row.Value]));
    const settings = {
      ...mysqlSettings(limits),
      sql_mode: fitSqlMode(shown.get("sql_mode") ?? ""),
    };
    const different = Object.entries(settings).filter(
      ([name, value]) => (shown.get(name) ?? value) !== value,
    );
    await this.run(`set ${[`${SESSION_MARK} = 1`, ...different.map(settingOf)].join(", ")}`, []);
    await this.run(`set session transaction isolation level ${isolationLevel}`, []);
    this.server = `${shown.get("hostname")}:${shown.get("port")} since ${await this.#findStartTime()}`;
  }

  /** In seconds, by the server's clock, which is the same whenever it is asked for. */
  async #findStartTime(): Promise<number> {
    for (;;) {
      const now = await this.#readClock();
      const { rows } = await this.run("show global status like 'Uptime'", []);
      const uptime = Number((rows as Variable[])[0]?.Value);
      if ((await this.#readClock()) === now) return now - uptime;
    }
  }

  async #readClock(): Promise<number> {
    const { rows } = await this.run("select unix_timestamp() as now", []);
    return (rows as { readonly now: number }[])[0]?.now ?? 0;
  }
}

/** Numbers as such, names and modes as texts; all of them are our own. */
function settingOf([name, value]: readonly [name: string, value: string]): string {
  return `session ${name} = ${/^[\d.]+$/.test(value) ? value : `'${value}'`}`;
}

interface Variable {
  readonly Variable_name: string;
  readonly Value: string;
}

/** The driver's own way to hang up waits for the other end to do so, too. */
function socketOf(connection: mysql.Connection): Socket {
  return (connection as unknown as { connection: { stream: Socket } }).connection.stream;
}

/** Whether the driver has lost the server, or the server says that it is about to hang up. */
function endsConnection(error: unknown): boolean {
  const { fatal, errno } = error as { readonly fatal?: boolean; readonly errno?: number };
  return fatal === true || errno === SHUTDOWN_IN_PROGRESS || errno === CONNECTION_KILLED;
}

const SHUTDOWN_IN_PROGRESS = 1053;
const CONNECTION_KILLED = 1927;

// The driver looks for the modules that have these each time that it is asked for them.
const { LONGLONG } = mysql.TypedParameter;
const { FLOAT } = mysql.Types;

/**
 * Integers as such: the driver's default for a number is DOUBLE, which `LIMIT` and others refuse. One
 * that is too large to be exact can only be an allocation ratio, which is a float.
 */
function typed(value: unknown): mysql.ExecuteValues {
  return (Number.isSafeInteger(value) ? LONGLONG(value as number) : value) as mysql.ExecuteValues;
}

type Result = mysql.RowDataPacket[] | mysql.ResultSetHeader;

/** How many statements a session keeps prepared; a server allows some 16,000 for all sessions. */
const PREPARED_STATEMENTS = 250;

async function openConnection(settings: MysqlSessionSettings): Promise<mysql.Connection> {
  const { tls } = settings.connection;
  try {
    return await openWith(settings, tls && tlsOptions(tls));
  } catch (error) {
    const isRefused =
      error instanceof Error && "code" in error && error.code === "HANDSHAKE_NO_SSL_SUPPORT";
    if (!isRefused || tls?.isRequired !== false) throw error;
    return openWith(settings, undefined);
  }
}

async function openWith(
  { connection: settings, limits }: MysqlSessionSettings,
  ssl: ConnectionOptions | undefined,
): Promise<mysql.Connection> {
  const { connectTimeoutSeconds } = settings;
  const options = {
    host: settings.host,
    port: settings.port,
    stream: () => connectSocket(settings),
    user: settings.user,
    password: settings.password,
    database: settings.database,
    charset: "utf8mb4",
    connectTimeout:
      connectTimeoutSeconds === undefined ? limits.connectTimeoutMs : connectTimeoutSeconds * 1000,
    ssl: ssl as mysql.SslOptions | undefined,
    dateStrings: true,
    decimalNumbers: true,
    maxPreparedStatements: PREPARED_STATEMENTS,
    // The stack of each call would be captured, in case that it fails.
    trace: false,
  };
  // The driver tells options that are undefined from those that are not given.
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return mysql.createConnection(Object.fromEntries(given));
}

function connectSocket({ socketPath, host, port, localAddress }: MysqlConnection): Socket {
  if (socketPath !== undefined) return connect(socketPath);
  const socket = connect({
    host,
    port,
    ...(localAddress !== undefined && { localAddress }),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  });
  // What a certificate must be for. Node sets it where it looks up a name, and else takes `localhost`.
  return Object.assign(socket, { _host: host });
}

/**
 * Prepared statements give a FLOAT as the nearest double, such as 1.100000023841858; the text
 * protocol, which upstream uses, gives the six digits that are sure.
 */
function roundFloats(rows: mysql.RowDataPacket[], fields: mysql.FieldPacket[]): void {
  for (const { name } of fields.filter(({ columnType }) => columnType === FLOAT)) {
    for (const row of rows) {
      const value: unknown = row[name];
      if (typeof value === "number") row[name] = Number(value.toPrecision(FLOAT_DIGITS));
    }
  }
}

export const FLOAT_DIGITS = 6;
