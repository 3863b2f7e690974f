import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";

export interface SqliteOptions {
  /** The path of the database file; `:memory:` for a database that lives as long as its session. */
  readonly file: string;
  /** Whether a commit waits until it is on the disk. */
  readonly isSynchronous: boolean;
  /** How long to block for a lock that another process holds. */
  readonly busyTimeoutMs: number;
  /** Whether only to read. */
  readonly isReadOnly: boolean;
}

export type SqliteValue = string | number | bigint | null | Uint8Array;

export interface SqliteResult {
  readonly rows: unknown[];
  readonly changes: number | bigint;
  readonly lastInsertRowid: number | bigint;
}

/** A connection to SQLite, in this thread or in another one. Its errors are those of SQLite. */
export interface SqliteSession {
  run(text: string, parameters: readonly SqliteValue[]): SqliteResult | Promise<SqliteResult>;
  /** Row by row, while other statements may run. */
  iterate(
    text: string,
    parameters: readonly SqliteValue[],
  ): Iterable<unknown> | AsyncIterable<unknown>;
  close(): void | Promise<void>;
}

/** More than there are statements of which the text does not depend on how many rows they take. */
const CACHED_STATEMENTS = 256;

interface PreparedStatement {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

/** A connection in this thread: each call blocks the thread until it is done. */
export class LocalSqliteSession implements SqliteSession {
  readonly #database: DatabaseSync;
  /** By text, the least recently used first. */
  readonly #prepared = new Map<string, PreparedStatement>();

  constructor(options: SqliteOptions) {
    this.#database = new DatabaseSync(options.file, { timeout: options.busyTimeoutMs });
    this.#database.exec(`PRAGMA synchronous = ${options.isSynchronous ? "FULL" : "OFF"}`);
    this.#database.exec("PRAGMA foreign_keys = ON");
    if (options.isReadOnly) this.#database.exec("PRAGMA query_only = ON");
  }

  run(text: string, parameters: readonly SqliteValue[]): SqliteResult {
    // SQLite has rolled back already after some errors, such as a full disk.
    if (text === "rollback" && !this.#database.isTransaction) return NOTHING;
    const { statement, returnsRows } = this.#prepare(text);
    if (returnsRows) return { ...NOTHING, rows: statement.all(...parameters) };
    return { ...NOTHING, ...statement.run(...parameters) };
  }

  iterate(text: string, parameters: readonly SqliteValue[]): Iterable<unknown> {
    // Not a cached statement, as it stays in use while others run.
    return this.#database.prepare(text).iterate(...parameters);
  }

  close(): void {
    this.#database.close();
  }

  #prepare(text: string): PreparedStatement {
    let prepared = this.#prepared.get(text);
    if (prepared) {
      this.#prepared.delete(text);
    } else {
      const statement = this.#database.prepare(text);
      prepared = { statement, returnsRows: statement.columns().length > 0 };
      if (this.#prepared.size >= CACHED_STATEMENTS) this.#forgetOldest();
    }
    this.#prepared.set(text, prepared);
    return prepared;
  }

  #forgetOldest(): void {
    for (const text of this.#prepared.keys()) {
      this.#prepared.delete(text);
      return;
    }
  }
}

const NOTHING: SqliteResult = { rows: [], changes: 0, lastInsertRowid: 0 };
