import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";

import {
  CompiledQuery,
  SqliteAdapter as KyselySqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type {
  DatabaseConnection,
  Dialect,
  Driver,
  Kysely,
  QueryResult,
  TransactionSettings,
} from "kysely";

import type { DatabaseAdapter } from "../adapter.ts";
import {
  DatabaseUnavailable,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
} from "../errors.ts";
import type { SchemaDialect } from "../migrations/ddl.ts";
import { uniqueConstraintOn } from "../migrations/tables.ts";
import type { Schema } from "../schema.ts";
import { decodeTextDate, encodeTextDate } from "../text-date.ts";

export interface SqliteOptions {
  /** The path of the database file; `:memory:` for a database that lives as long as this object. */
  readonly file: string;
  /** Whether a commit waits until it is on the disk. */
  readonly isSynchronous: boolean;
  /** How long a write waits for one of another process. */
  readonly busyTimeoutMs: number | undefined;
}

/**
 * SQLite through `node:sqlite`.
 *
 * One connection writes, a few read. In WAL mode neither waits for the other, and each reader sees
 * the database as it was when it began. A database in memory has one connection for everything.
 */
export class SqliteDatabaseAdapter implements DatabaseAdapter {
  readonly engine = "sqlite";
  /** SQLITE_MAX_VARIABLE_NUMBER since SQLite 3.32. */
  readonly maxParameters = 32_766;
  readonly #writer: ConnectionPool;
  readonly #readers: ConnectionPool;
  readonly #busyTimeoutMs: number;

  constructor(options: SqliteOptions) {
    this.#busyTimeoutMs = options.busyTimeoutMs ?? DEFAULT_BUSY_TIMEOUT_MS;
    const open = (access: Access) => openConnection(options, access, this.#busyTimeoutMs);
    this.#writer = new ConnectionPool(1, () => open("write"));
    this.#readers =
      options.file === ":memory:"
        ? this.#writer
        : new ConnectionPool(READER_CONNECTIONS, () => open("read"));
  }

  createDialect(access: Access): Dialect {
    const pool = access === "write" ? this.#writer : this.#readers;
    return {
      createAdapter: () => new KyselySqliteAdapter(),
      createDriver: () => new SqliteDriver(pool, this.#busyTimeoutMs),
      createIntrospector: (query: Kysely<unknown>) => new SqliteIntrospector(query),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    };
  }

  readonly schemaDialect: SchemaDialect = {
    types: {
      id: "INTEGER",
      bigId: "INTEGER",
      integer: "INTEGER",
      float: "FLOAT",
      dateTime: "DATETIME",
      preciseDateTime: "DATETIME",
    },
    remakesTables: true,
    dropIndex: (name) => `DROP INDEX ${name}`,
  };

  /** Every write transaction excludes all others, and the schema is changed within one. */
  async withSchemaLock<Result>(
    _query: Kysely<Schema>,
    work: () => Promise<Result>,
  ): Promise<Result> {
    return work();
  }

  encodeDate(date: Date): string {
    return encodeTextDate(date);
  }

  decodeDate(value: string | Date | null): Date | null {
    return typeof value === "string" ? decodeTextDate(value) : value;
  }

  translateError(error: unknown): unknown {
    return translateSqliteError(error);
  }
}

type Access = "read" | "write";

/** A reader holds its connection only while it reads, so few are needed; they are opened lazily. */
const READER_CONNECTIONS = 8;

/** How long SQLite itself may block this thread for a lock that another process holds. */
const BLOCKING_BUSY_TIMEOUT_MS = 20;

/** How long a write waits, without blocking, for one of another process. */
const DEFAULT_BUSY_TIMEOUT_MS = 10_000;

/** Result codes of SQLite, https://sqlite.org/rescode.html. */
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
const SQLITE_CONSTRAINT_FOREIGNKEY = 787;
const SQLITE_CONSTRAINT_PRIMARYKEY = 1555;
const SQLITE_CONSTRAINT_UNIQUE = 2067;

const UNAVAILABLE = new Set([
  SQLITE_READONLY,
  SQLITE_IOERR,
  SQLITE_FULL,
  SQLITE_CANTOPEN,
  SQLITE_NOTADB,
]);

async function openConnection(
  options: SqliteOptions,
  access: Access,
  busyTimeoutMs: number,
): Promise<SqliteConnection> {
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(options.file, { timeout: BLOCKING_BUSY_TIMEOUT_MS });
  } catch (error) {
    throw new DatabaseUnavailable(`cannot open the database file ${options.file}`, {
      cause: error,
    });
  }
  const connection = new SqliteConnection(database);
  if (options.file !== ":memory:" && access === "write") {
    await waitWhileBusy(busyTimeoutMs, () => database.exec("PRAGMA journal_mode = WAL"));
  }
  database.exec(`PRAGMA synchronous = ${options.isSynchronous ? "FULL" : "OFF"}`);
  database.exec("PRAGMA foreign_keys = ON");
  if (access === "read" && options.file !== ":memory:") database.exec("PRAGMA query_only = ON");
  return connection;
}

/** Repeats what another process's lock prevents, leaving the thread to others in between. */
async function waitWhileBusy(timeoutMs: number, attempt: () => unknown): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      const translated = translateSqliteError(error);
      if (!(translated instanceof TransactionConflict) || performance.now() > deadline) {
        throw translated;
      }
    }
    await sleep(5 + Math.random() * 20);
  }
}

/** Hands out connections, first come, first served; opens them when they are first needed. */
class ConnectionPool {
  readonly #limit: number;
  readonly #open: () => Promise<SqliteConnection>;
  readonly #idle: SqliteConnection[] = [];
  readonly #waiting: ((connection: SqliteConnection) => void)[] = [];
  #opened = 0;

  constructor(limit: number, open: () => Promise<SqliteConnection>) {
    this.#limit = limit;
    this.#open = open;
  }

  async acquire(): Promise<SqliteConnection> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#opened === this.#limit) {
      return new Promise((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#opened += 1;
    try {
      return await this.#open();
    } catch (error) {
      this.#opened -= 1;
      throw error;
    }
  }

  release(connection: SqliteConnection): void {
    const next = this.#waiting.shift();
    if (next) next(connection);
    else this.#idle.push(connection);
  }

  /** Closes the connections as they come back. */
  async close(): Promise<void> {
    while (this.#opened > 0) {
      const connection = await this.acquire();
      connection.close();
      this.#opened -= 1;
    }
  }
}

/** Takes connections from a pool that reading and writing may share. */
class SqliteDriver implements Driver {
  readonly #pool: ConnectionPool;
  readonly #busyTimeoutMs: number;

  constructor(pool: ConnectionPool, busyTimeoutMs: number) {
    this.#pool = pool;
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SqliteConnection> {
    return this.#pool.acquire();
  }

  async beginTransaction(
    connection: SqliteConnection,
    settings: TransactionSettings,
  ): Promise<void> {
    if (settings.accessMode === "read only") await connection.executeQuery(BEGIN);
    // Takes the write lock at once: a transaction that began by reading would fail instead of
    // waiting when another process has written since.
    else await waitWhileBusy(this.#busyTimeoutMs, () => connection.executeQuery(BEGIN_IMMEDIATE));
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    await connection.executeQuery(COMMIT);
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    // SQLite has rolled back already after some errors, such as a full disk.
    if (connection.isInTransaction) await connection.executeQuery(ROLLBACK);
  }

  async releaseConnection(connection: SqliteConnection): Promise<void> {
    this.#pool.release(connection);
  }

  async destroy(): Promise<void> {
    await this.#pool.close();
  }
}

const BEGIN = CompiledQuery.raw("begin");
const BEGIN_IMMEDIATE = CompiledQuery.raw("begin immediate");
const COMMIT = CompiledQuery.raw("commit");
const ROLLBACK = CompiledQuery.raw("rollback");

/** More than there are statements of which the text does not depend on how many rows they take. */
const CACHED_STATEMENTS = 256;

interface PreparedStatement {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  /** By text, the least recently used first. */
  readonly #prepared = new Map<string, PreparedStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get isInTransaction(): boolean {
    return this.#database.isTransaction;
  }

  // oxlint-disable-next-line require-await -- the interface is for drivers that have to wait
  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const { statement, returnsRows } = this.#prepare(query.sql);
      const parameters = query.parameters as SqliteValue[];
      if (returnsRows) return { rows: statement.all(...parameters) as Row[] };
      const { changes, lastInsertRowid } = statement.run(...parameters);
      return {
        rows: [],
        numAffectedRows: BigInt(changes),
        insertId: BigInt(lastInsertRowid),
      };
    } catch (error) {
      throw translateSqliteError(error);
    }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    try {
      // Not a cached statement: it stays in use while others run.
      const statement = this.#database.prepare(query.sql);
      for (const row of statement.iterate(...(query.parameters as SqliteValue[]))) {
        yield { rows: [row as Row] };
      }
    } catch (error) {
      throw translateSqliteError(error);
    }
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
  }

  #prepare(text: string): PreparedStatement {
    let prepared = this.#prepared.get(text);
    if (prepared) {
      this.#prepared.delete(text);
    } else {
      const statement = this.#database.prepare(text);
      prepared = { statement, returnsRows: statement.columns().length > 0 };
      const [oldest] = this.#prepared.keys();
      if (oldest !== undefined && this.#prepared.size >= CACHED_STATEMENTS) {
        this.#prepared.delete(oldest);
      }
    }
    this.#prepared.set(text, prepared);
    return prepared;
  }
}

type SqliteValue = string | number | bigint | null | Uint8Array;

function translateSqliteError(error: unknown): unknown {
  if (!isSqliteError(error)) return error;
  switch (error.errcode) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
      return new DuplicateEntry(constraintOf(error), error);
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return new ReferenceViolation(error.message, { cause: error });
    default:
  }
  // The upper bits of an extended result code tell more than is needed here.
  const primaryCode = error.errcode & 0xff;
  if (primaryCode === SQLITE_BUSY || primaryCode === SQLITE_LOCKED) {
    return new TransactionConflict(error.message, { cause: error });
  }
  if (UNAVAILABLE.has(primaryCode)) {
    return new DatabaseUnavailable(error.message, { cause: error });
  }
  return error;
}

/**
 * The name of the violated constraint. SQLite does not know it and names the columns instead:
 * `UNIQUE constraint failed: inventories.resource_provider_id, inventories.resource_class_id`.
 */
function constraintOf(error: SqliteError): string {
  const columns = error.message.slice(error.message.indexOf(": ") + 2).split(", ");
  const table = columns[0]?.split(".")[0] ?? "";
  return uniqueConstraintOn(
    table,
    columns.map((column) => column.slice(table.length + 1)),
  );
}

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number";
}
