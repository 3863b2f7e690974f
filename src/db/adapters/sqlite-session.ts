import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";

import { BoundedMap } from "../../domain/bounded-map.ts";
import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import { runAtOnce } from "./statement-series.ts";

export interface SqliteOptions {
  /** The path of the database file; `:memory:` for a database that lives as long as its session. */
  readonly file: string;
  /** Whether a commit waits until it is on the disk. */
  readonly isSynchronous: boolean;
  /** How long to block for a lock that another process holds. */
  readonly busyTimeoutMs: number;
  /**
   * After a commit that leaves so many pages in the write-ahead log, they are copied into the file and the
   * log begins anew; 0 for never.
   */
  readonly checkpointAfterPages: number;
  /**
   * Whether to write, or only to read. Of a file that is to stay untouched, nothing is changed by closing it
   * either, as it is when the last session leaves a write-ahead log.
   */
  readonly access: "write" | "read" | "untouched";
}

/** What a parameter has to be. */
type SqliteValue = string | number | bigint | null | Uint8Array;

/** More than there are statements of which the text does not depend on how many rows they take. */
const CACHED_STATEMENTS = 256;

interface PreparedStatement {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

/** A connection in this thread: each call blocks the thread until it is done. */
export class LocalSqliteSession implements Session {
  readonly isBroken = false;
  readonly runsInTurn = true;
  readonly #database: DatabaseSync;
  /** The prepared statement cache, by text. */
  readonly #prepared = new BoundedMap<string, PreparedStatement>({ entries: CACHED_STATEMENTS });

  constructor(options: SqliteOptions) {
    this.#database = new DatabaseSync(options.file, {
      timeout: options.busyTimeoutMs,
      readOnly: options.access === "untouched",
    });
    this.#database.exec(`PRAGMA synchronous = ${options.isSynchronous ? "FULL" : "OFF"}`);
    this.#database.exec("PRAGMA foreign_keys = ON");
    this.#database.exec(`PRAGMA wal_autocheckpoint = ${options.checkpointAfterPages}`);
    if (options.access === "read") this.#database.exec("PRAGMA query_only = ON");
  }

  run(text: string, parameters: readonly unknown[]): SessionResult {
    // SQLite has rolled back already after some errors, such as a full disk.
    if (text === "rollback" && !this.#database.isTransaction) return NOTHING;
    const { statement, returnsRows } = this.#prepare(text);
    if (returnsRows) return { ...NOTHING, rows: statement.all(...(parameters as SqliteValue[])) };
    const { changes, lastInsertRowid } = statement.run(...(parameters as SqliteValue[]));
    return { rows: [], affectedRows: changes, insertId: lastInsertRowid };
  }

  runSeries(statements: readonly Statement[]): SeriesOutcome {
    return runAtOnce(this, statements);
  }

  /** A number that is another one whenever some other connection has committed since it was asked last. */
  dataVersion(): number {
    const { rows } = this.run("pragma data_version", []);
    return (rows as { readonly data_version: number }[])[0]?.data_version ?? 0;
  }

  iterate(text: string, parameters: readonly unknown[]): Iterable<unknown> {
    // Not a cached statement, as it stays in use while others run.
    return this.#database.prepare(text).iterate(...(parameters as SqliteValue[]));
  }

  close(): void {
    this.#database.close();
  }

  #prepare(text: string): PreparedStatement {
    const known = this.#prepared.use(text);
    if (known) return known;
    const statement = this.#database.prepare(text);
    const prepared = { statement, returnsRows: statement.columns().length > 0 };
    this.#prepared.set(text, prepared);
    return prepared;
  }
}

const NOTHING: SessionResult = { rows: [], affectedRows: 0, insertId: 0 };

/** Whether what is asked for ends with a commit. */
export function isCommit(statements: readonly Statement[] | "close"): boolean {
  return statements !== "close" && statements.at(-1)?.text === "commit";
}
