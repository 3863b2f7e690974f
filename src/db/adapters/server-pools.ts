import { setTimeout as sleep } from "node:timers/promises";

import type { ConnectionOptions } from "../open-adapter.ts";
import { SessionPool } from "./session-pool.ts";
import type { Session } from "./session.ts";

/** The sessions with a database server. */
export interface ServerPools {
  readonly readers: SessionPool;
  readonly writer: SessionPool;
}

/** SQLAlchemy's, which apply where upstream's options are not set. */
const DEFAULT_POOL_SIZE = 5;
const DEFAULT_OVERFLOW = 10;
const DEFAULT_POOL_TIMEOUT_S = 30;
const DEFAULT_RECYCLE_TIME_S = 3600;

/** How long a statement may take before its session is given up. */
export const STATEMENT_TIMEOUT_MS = 30_000;

/** How long a statement waits for a lock before its transaction is begun anew. */
export const LOCK_TIMEOUT_S = 10;

/** How long a transaction that has written may stand still before the server gives it up. */
export const IDLE_TIMEOUT_S = 60;

/**
 * Pools of the size that the options allow. One of the sessions writes, so that the transactions of
 * a process never wait for each other's locks, and follow each other in the read model as in the
 * database; the others read.
 */
export function serverPools(
  options: ConnectionOptions,
  open: (access: "read" | "write") => Promise<Session>,
): ServerPools {
  const size = options.maxPoolSize ?? DEFAULT_POOL_SIZE;
  const overflow = options.maxOverflow ?? DEFAULT_OVERFLOW;
  const isUnlimited = size === 0 || overflow < 0;
  const recycleTimeS = options.connectionRecycleTime ?? DEFAULT_RECYCLE_TIME_S;
  const limits = {
    acquireTimeoutMs: (options.poolTimeout ?? DEFAULT_POOL_TIMEOUT_S) * 1000,
    maxAgeMs: recycleTimeS < 0 ? Infinity : recycleTimeS * 1000,
  };
  const readers = {
    ...limits,
    most: isUnlimited ? Infinity : Math.max(size + overflow - 1, 1),
    kept: size === 0 ? Infinity : Math.max(size - 1, 1),
  };
  return {
    readers: new SessionPool(readers, () => open("read")),
    writer: new SessionPool({ ...limits, most: 1, kept: 1 }, () => open("write")),
  };
}

/** Says goodbye to a server, but does not wait for one that does not answer. */
export async function endInTime(ending: Promise<void>): Promise<void> {
  await Promise.race([ending, sleep(GOODBYE_TIMEOUT_MS, undefined, { ref: false })]);
}

const GOODBYE_TIMEOUT_MS = 1000;
