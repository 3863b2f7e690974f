import { messageOf } from "../../config/operator-error.ts";
import { setTimeout as sleep } from "node:timers/promises";

import { DatabaseUnavailable } from "../../domain/errors.ts";
import { DatabaseMisconfigured } from "../errors.ts";
import { inTime } from "../in-time.ts";
import type { ConnectionOptions } from "../connection-options.ts";
import { serverLimits, type SessionLimits } from "../terms.ts";
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

/** SQLAlchemy's, which apply where upstream's options are not set. */
const DEFAULT_POOL_SIZE = 5;
const DEFAULT_OVERFLOW = 10;

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
  const limits = serverLimits(options);
  const readers = {
    ...limits,
    most: isUnlimited ? Infinity : Math.max(size + overflow - 1, 1),
    kept: size === 0 ? Infinity : Math.max(size - 1, 1),
  };
  const openSession = async (access: "read" | "write") => {
    const session = await open(access, limits);
    if (session.server !== undefined) options.onServer?.(session.server);
    return session;
  };
  return {
    readers: new SessionPool(readers, () => openSession("read")),
    writer: new SessionPool({ ...limits, most: 1, kept: 1 }, () => openSession("write")),
    statementTimeoutMs: limits.statementTimeoutMs,
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
  const reason = messageOf(error);
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
