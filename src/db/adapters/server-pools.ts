import { setTimeout as sleep } from "node:timers/promises";

import { DatabaseUnavailable } from "../../domain/errors.ts";
import { DatabaseMisconfigured } from "../errors.ts";
import { inTime } from "../in-time.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import { SessionPool } from "./session-pool.ts";
import type { Session } from "./session.ts";
import { isTlsFailure } from "./tls.ts";

/** The sessions with a database server. */
export interface ServerPools {
  readonly readers: SessionPool;
  readonly writer: SessionPool;
  /** How long a statement may take before its session is given up. */
  readonly statementTimeoutMs: number;
}

/** How patient a session is, and asks the server to be. */
export interface SessionLimits {
  /**
   * How long it may take to connect, unless the URL says so, and to prepare the session: whoever
   * waits for it is to be told why it does not come.
   */
  readonly connectTimeoutMs: number;
  /**
   * How long a statement waits for a lock before its transaction is begun anew: so long that this
   * can be done once or twice.
   */
  readonly lockTimeoutS: number;
  /** How long a transaction is kept, with all its locks, whose client has gone without a word. */
  readonly idleTransactionTimeoutS: number;
}

/** SQLAlchemy's, which apply where upstream's options are not set. */
const DEFAULT_POOL_SIZE = 5;
const DEFAULT_OVERFLOW = 10;
const DEFAULT_POOL_TIMEOUT_S = 30;
const DEFAULT_RECYCLE_TIME_S = 3600;

const DEFAULT_TIMEOUT_S = 30;
const DEFAULT_CONNECT_TIMEOUT_S = 10;

/** A busy process may be late with its next statement. */
const MIN_IDLE_TRANSACTION_TIMEOUT_S = 3;

/**
 * Pools of the size that the options allow. One of the sessions writes, so that the transactions of
 * a process never wait for each other's locks, and follow each other in the read model as in the
 * database; the others read.
 */
export function serverPools(
  options: ConnectionOptions,
  open: (access: "read" | "write", limits: SessionLimits) => Promise<Session>,
): ServerPools {
  const size = options.maxPoolSize ?? DEFAULT_POOL_SIZE;
  const overflow = options.maxOverflow ?? DEFAULT_OVERFLOW;
  const isUnlimited = size === 0 || overflow < 0;
  const recycleTimeS = options.connectionRecycleTime ?? DEFAULT_RECYCLE_TIME_S;
  const timeoutS = options.databaseTimeout ?? DEFAULT_TIMEOUT_S;
  const sessionLimits: SessionLimits = {
    connectTimeoutMs: Math.min(timeoutS / 2, DEFAULT_CONNECT_TIMEOUT_S) * 1000,
    lockTimeoutS: Math.max(Math.floor(timeoutS / 3), 1),
    idleTransactionTimeoutS: Math.max(Math.ceil(timeoutS), MIN_IDLE_TRANSACTION_TIMEOUT_S),
  };
  const limits = {
    acquireTimeoutMs: Math.min(options.poolTimeout ?? DEFAULT_POOL_TIMEOUT_S, timeoutS) * 1000,
    closeTimeoutMs: timeoutS * 1000,
    maxAgeMs: recycleTimeS < 0 ? Infinity : recycleTimeS * 1000,
  };
  const readers = {
    ...limits,
    most: isUnlimited ? Infinity : Math.max(size + overflow - 1, 1),
    kept: size === 0 ? Infinity : Math.max(size - 1, 1),
  };
  const openSession = async (access: "read" | "write") => {
    const session = await open(access, sessionLimits);
    if (session.server !== undefined) options.onServer?.(session.server);
    return session;
  };
  return {
    readers: new SessionPool(readers, () => openSession("read")),
    writer: new SessionPool({ ...limits, most: 1, kept: 1 }, () => openSession("write")),
    statementTimeoutMs: timeoutS * 1000,
  };
}

/** Prepares a session that has just been opened; if that does not succeed in time, it is closed. */
export async function setUpInTime(
  session: Session,
  setUp: Promise<unknown>,
  { connectTimeoutMs }: SessionLimits,
): Promise<void> {
  try {
    await inTime(setUp, performance.now() + connectTimeoutMs);
  } catch (error) {
    await session.close();
    throw error;
  }
}

/**
 * Why there is no session.
 *
 * @param isRefused whether the server will say the same as long as nobody changes anything
 */
export function noSession(server: string, error: unknown, isRefused: boolean): DatabaseUnavailable {
  const reason = error instanceof Error ? error.message : String(error);
  const isLasting =
    isRefused ||
    error instanceof DatabaseMisconfigured ||
    isUnreadableFile(error) ||
    isTlsFailure(error);
  const Reason = isLasting ? DatabaseMisconfigured : DatabaseUnavailable;
  return new Reason(`cannot connect to ${server}: ${reason}`, { cause: error });
}

/** Whether a certificate or key is not there or not to be read; a socket may be there later. */
function isUnreadableFile(error: unknown): boolean {
  const { code = "", syscall } = error as NodeJS.ErrnoException;
  return UNREADABLE.has(code) && syscall !== "connect";
}

const UNREADABLE = new Set(["ENOENT", "ENOTDIR", "EISDIR", "EACCES"]);

/** From when on a connection that nobody uses is asked whether the other end is still there. */
export const KEEP_ALIVE_DELAY_MS = 10_000;

/**
 * Says goodbye to a server, and hangs up on one that does not answer: the drivers would keep the
 * connection, and with it the process, for as long as the other end does.
 */
export async function endInTime(
  ending: Promise<void>,
  socket: { destroy(): unknown },
): Promise<void> {
  const ended = ending.catch(() => undefined);
  await Promise.race([ended, sleep(GOODBYE_TIMEOUT_MS, undefined, { ref: false })]);
  socket.destroy();
}

const GOODBYE_TIMEOUT_MS = 1000;
