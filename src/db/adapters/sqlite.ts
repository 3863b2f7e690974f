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

import type { SqliteConnection as SqliteSettings } from "../../config/connection-url.ts";
import type { DatabaseAdapter } from "../adapter.ts";
import { DatabaseUnavailable, TransactionConflict } from "../errors.ts";
import type { SchemaDialect } from "../migrations/ddl.ts";
import type { Schema } from "../schema.ts";
import { decodeTextDate, encodeTextDate } from "../text-date.ts";
import { translateSqliteError } from "./sqlite-errors.ts";
import { LocalSqliteSession } from "./sqlite-session.ts";
import type { SqliteOptions, SqliteSession, SqliteValue } from "./sqlite-session.ts";
import { SqliteThread } from "./sqlite-thread.ts";

/**
 * SQLite through `node:sqlite`.
 *
 * One connection writes, in a thread of its own; a few read, in this thread. In WAL mode neither
 * waits for the other, and each reader sees the database as it was when it began. A database in
 * memory has one connection for everything, in this thread.
 */
export class SqliteDatabaseAdapter implements DatabaseAdapter {
  readonly engine = "sqlite";
  readonly isShared = false;
  /** SQLITE_MAX_VARIABLE_NUMBER since SQLite 3.32. */
  readonly maxParameters = 32_766;
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
  readonly #writer: ConnectionPool;
  readonly #readers: ConnectionPool;

  /** @param isSynchronous whether a commit waits until it is on the disk */
  constructor({ file, timeoutSeconds }: SqliteSettings, isSynchronous: boolean) {
    const options = {
      file,
      isSynchronous,
      busyTimeoutMs: timeoutSeconds === undefined ? BUSY_TIMEOUT_MS : timeoutSeconds * 1000,
      isReadOnly: false,
    };
    if (file === ":memory:") {
      this.#writer = new ConnectionPool(1, () => openInMemory(options));
      this.#readers = this.#writer;
    } else {
      this.#writer = new ConnectionPool(1, () => openForWriting(options));
      this.#readers = new ConnectionPool(READERS, () => openForReading(options));
    }
  }

  createDialect(access: "read" | "write"): Dialect {
    const pool = access === "write" ? this.#writer : this.#readers;
    return {
      createAdapter: () => new KyselySqliteAdapter(),
      createDriver: () => new SqliteDriver(pool),
      createIntrospector: (query: Kysely<unknown>) => new SqliteIntrospector(query),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    };
  }

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

/** How long a write waits for one of another process. */
const BUSY_TIMEOUT_MS = 10_000;

/** A reader waits only where another process recovers the database from a crash, and blocks. */
const READER_BUSY_TIMEOUT_MS = 20;

/** A reader holds its connection only while it reads, so few are needed; they are opened lazily. */
const READERS = 8;

async function openInMemory(options: SqliteOptions): Promise<SqliteConnection> {
  return new SqliteConnection(new LocalSqliteSession(options));
}

async function openForReading(options: SqliteOptions): Promise<SqliteConnection> {
  return new SqliteConnection(
    new LocalSqliteSession({
      ...options,
      busyTimeoutMs: READER_BUSY_TIMEOUT_MS,
      isReadOnly: true,
    }),
  );
}

async function openForWriting(options: SqliteOptions): Promise<SqliteConnection> {
  const connection = new SqliteConnection(new SqliteThread(options));
  await connection.executeQuery(CompiledQuery.raw("pragma journal_mode = wal"));
  return connection;
}

/** Hands out connections, first come, first served; opens them when they are first needed. */
class ConnectionPool {
  readonly #limit: number;
  readonly #open: () => Promise<SqliteConnection>;
  readonly #idle: SqliteConnection[] = [];
  readonly #waiting: PromiseWithResolvers<SqliteConnection>[] = [];
  #opened = 0;

  constructor(limit: number, open: () => Promise<SqliteConnection>) {
    this.#limit = limit;
    this.#open = open;
  }

  async acquire(): Promise<SqliteConnection> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#opened < this.#limit) return this.#openAnother();
    const waiting = Promise.withResolvers<SqliteConnection>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  release(connection: SqliteConnection): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(connection);
    else this.#idle.push(connection);
  }

  /** Closes the connections as they come back. */
  async close(): Promise<void> {
    while (this.#opened > 0) {
      const connection = await this.acquire();
      await connection.close();
      this.#opened -= 1;
    }
  }

  async #openAnother(): Promise<SqliteConnection> {
    this.#opened += 1;
    try {
      return await this.#open();
    } catch (error) {
      this.#opened -= 1;
      const translated = translateSqliteError(error);
      // Those who wait for the connection that could not be opened would wait forever.
      for (const waiting of this.#waiting.splice(0)) waiting.reject(translated);
      throw translated;
    }
  }
}

class SqliteDriver implements Driver {
  readonly #pool: ConnectionPool;

  constructor(pool: ConnectionPool) {
    this.#pool = pool;
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
    else await this.#beginToWrite(connection);
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    await connection.executeQuery(COMMIT);
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    await connection.executeQuery(ROLLBACK);
  }

  async releaseConnection(connection: SqliteConnection): Promise<void> {
    this.#pool.release(connection);
  }

  async destroy(): Promise<void> {
    await this.#pool.close();
  }

  /**
   * Takes the lock for writing at once: a transaction that began by reading would fail instead of
   * waiting when another process has written since.
   */
  async #beginToWrite(connection: SqliteConnection): Promise<void> {
    try {
      await connection.executeQuery(BEGIN_IMMEDIATE);
    } catch (error) {
      // It has been waited for long enough, so it is not tried again.
      if (error instanceof TransactionConflict) {
        throw new DatabaseUnavailable("another process has locked the database", { cause: error });
      }
      throw error;
    }
  }
}

const BEGIN = CompiledQuery.raw("begin");
const BEGIN_IMMEDIATE = CompiledQuery.raw("begin immediate");
const COMMIT = CompiledQuery.raw("commit");
const ROLLBACK = CompiledQuery.raw("rollback");

class SqliteConnection implements DatabaseConnection {
  readonly #session: SqliteSession;

  constructor(session: SqliteSession) {
    this.#session = session;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const { rows, changes, lastInsertRowid } = await this.#session.run(
        query.sql,
        query.parameters as SqliteValue[],
      );
      return {
        rows: rows as Row[],
        numAffectedRows: BigInt(changes),
        insertId: BigInt(lastInsertRowid),
      };
    } catch (error) {
      throw translateSqliteError(error);
    }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    try {
      const rows = this.#session.iterate(query.sql, query.parameters as SqliteValue[]);
      for await (const row of rows) yield { rows: [row as Row] };
    } catch (error) {
      throw translateSqliteError(error);
    }
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
