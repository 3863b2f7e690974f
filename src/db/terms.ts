import type { ConnectionOptions } from "./connection-options.ts";

// On which terms transactions run: what they see, how they begin, and when what takes too long is given up.
// What a session sets besides is in adapters/session-settings.ts; how often something is done again, in
// repeating.ts.

/** The statements that begin a transaction. */
export interface Beginnings {
  readonly beginToRead: string;
  readonly beginToWrite: string;
}

/**
 * Readers see one snapshot. Writers see what was committed before each statement: what they rely on they
 * guard by a generation in the statement that changes it, so a stricter level would add nothing but
 * transactions that have to be begun anew. On MySQL, it also locks no gaps between rows, which is what most
 * deadlocks come from.
 */
export const ISOLATION_LEVELS = { read: "repeatable read", write: "read committed" } as const;

export const BEGINNINGS: Readonly<Record<"postgres" | "mysql" | "sqlite", Beginnings>> = {
  postgres: {
    beginToRead: `begin isolation level ${ISOLATION_LEVELS.read} read only`,
    // Not "read write": that would override what an administrator has set to keep writers out.
    beginToWrite: `begin isolation level ${ISOLATION_LEVELS.write}`,
  },
  // The level is set once for each session.
  mysql: {
    beginToRead: "start transaction with consistent snapshot, read only",
    beginToWrite: "start transaction",
  },
  sqlite: {
    beginToRead: "begin",
    // Takes the lock at once: a transaction that began by reading would fail instead of waiting when
    // another process has written since.
    beginToWrite: "begin immediate",
  },
};

/** How long anything may take with a database server. */
export interface ServerLimits {
  /**
   * How long it may take to connect, unless the URL says so, and to prepare the session: whoever
   * waits for it is to be told why it does not come.
   */
  readonly connectTimeoutMs: number;
  /** How long a transaction waits for a session, where no other may be opened. */
  readonly acquireTimeoutMs: number;
  /** How long a statement may take before its session is given up. */
  readonly statementTimeoutMs: number;
  /**
   * How long a statement waits for a lock before its transaction is begun anew: so long that this
   * can be done once or twice.
   */
  readonly lockTimeoutS: number;
  /** How long a transaction is kept, with all its locks, whose client has gone without a word. */
  readonly idleTransactionTimeoutS: number;
  /** How long those that are under way are waited for at the end. */
  readonly closeTimeoutMs: number;
  /** From which age on a session is replaced before it is used again. */
  readonly maxAgeMs: number;
}

/** What of it a session keeps itself, and asks the server to. */
export type SessionLimits = Pick<
  ServerLimits,
  "connectTimeoutMs" | "lockTimeoutS" | "idleTransactionTimeoutS"
>;

/** SQLAlchemy's, which apply where upstream's options are not set. */
const DEFAULT_POOL_TIMEOUT_S = 30;
const DEFAULT_RECYCLE_TIME_S = 3600;

const DEFAULT_TIMEOUT_S = 30;
const MOST_CONNECT_TIMEOUT_S = 10;

/** A busy process may be late with its next statement. */
const MIN_IDLE_TRANSACTION_TIMEOUT_S = 3;

/** All of them follow from the time that a request may take, `[stowage] database_timeout`. */
export function serverLimits({
  databaseTimeout = DEFAULT_TIMEOUT_S,
  poolTimeout = DEFAULT_POOL_TIMEOUT_S,
  connectionRecycleTime = DEFAULT_RECYCLE_TIME_S,
}: ConnectionOptions): ServerLimits {
  return {
    connectTimeoutMs: Math.min(databaseTimeout / 2, MOST_CONNECT_TIMEOUT_S) * 1000,
    acquireTimeoutMs: Math.min(poolTimeout, databaseTimeout) * 1000,
    statementTimeoutMs: databaseTimeout * 1000,
    lockTimeoutS: Math.max(Math.floor(databaseTimeout / 3), 1),
    idleTransactionTimeoutS: Math.max(Math.ceil(databaseTimeout), MIN_IDLE_TRANSACTION_TIMEOUT_S),
    closeTimeoutMs: databaseTimeout * 1000,
    maxAgeMs: connectionRecycleTime < 0 ? Infinity : connectionRecycleTime * 1000,
  };
}

/** The same with a file of SQLite. */
export const FILE_LIMITS = {
  /** How long a write waits for one of another process, unless the URL says so. */
  busyTimeoutMs: 10_000,
  /** A reader waits only where another process recovers the database from a crash, and blocks. */
  readerBusyTimeoutMs: 20,
  /** How long a transaction waits for its turn before the request is given up. */
  acquireTimeoutMs: 30_000,
  closeTimeoutMs: 30_000,
  maxAgeMs: Infinity,
};

/** How long MySQL waits for another process that changes the schema: shorter than a statement may take. */
export const SCHEMA_LOCK_TIMEOUT_S = 20;
