import { setTimeout as sleep } from "node:timers/promises";

import { internalContext } from "../db/change.ts";
import { listEndedLeases, type StoredGrant } from "../db/grants.ts";
import { readLeaseTimes, serveLeases, type ServedTime } from "../db/lease-clock.ts";
import { releaseOf, type Claim } from "../domain/claim.ts";
import { DatabaseUnavailable, PlacementError, TransactionConflict } from "../domain/errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { shuffled } from "../domain/shuffled.ts";
import type { Service } from "./service.ts";

/** How often each process looks for leases that have ended. */
const LOOK_MS = 1000;
/** So often the time of leases is brought forward at least, while there are any. */
const SERVE_MS = 2000;
/**
 * Nobody having served for longer is an outage, for which leases are made longer: shorter than the shortest
 * lease, by the time of a look, and longer than a busy machine lets a look wait.
 */
const LONGEST_GAP_MS = 8000;
/** So many are ended between two looks at the clock. */
const BATCH = 500;

/** The change feed tells an expiry by it. */
const CAUSE = "lease";

const EXPIRY: RequestContext = {
  ...internalContext(CAUSE),
  cause: CAUSE,
  globalRequestId: undefined,
  userId: undefined,
  projectId: undefined,
  roles: [],
};

interface ExpiryReports {
  /** Nobody has served for so long, so all leases are longer by that. */
  readonly onOutage?: (outageMs: number) => void;
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Takes back what leases have granted once they have ended, until `signal` is aborted. Each process does: what
 * one takes back the others find gone, as the claim that does it is guarded by the lease itself.
 */
export async function expireLeases(
  service: Service,
  signal: AbortSignal,
  reports: ExpiryReports = {},
): Promise<void> {
  while (!signal.aborted) {
    try {
      await takeBackEnded(service, reports);
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) reports.onFailure?.(error);
    }
    await sleep(LOOK_MS, undefined, { signal, ref: false }).catch(() => {});
  }
}

/**
 * Looks once, and takes back what has ended.
 *
 * @returns how many consumers were released
 */
export async function takeBackEnded(
  service: Service,
  { onOutage }: ExpiryReports = {},
): Promise<number> {
  let released = 0;
  for (;;) {
    const served = await serve(service);
    if (!served) return released;
    if (served.outageMs > 0) onOutage?.(served.outageMs);
    const before = new Date(served.servedUntil.getTime() - service.database.adapter.clockSkewMs);
    const ended = await service.database.reader(context(service), (tx) =>
      listEndedLeases(tx, before, BATCH),
    );
    const grants = Map.groupBy(ended, ({ grantUuid }) => grantUuid)
      .values()
      .toArray();
    // Other processes look at the same: each begins elsewhere.
    const outcomes = await Promise.all(
      shuffled(grants, Math.random).map((consumers) => takeBack(service, consumers, before)),
    );
    const count = outcomes.reduce((sum, each) => sum + each, 0);
    released += count;
    // What could not be taken back is looked at again the next time.
    if (count < ended.length || ended.length < BATCH) return released;
  }
}

/** @returns undefined where there is no lease that might have ended */
async function serve(service: Service): Promise<ServedTime | undefined> {
  const { database } = service;
  const { now, servedUntil, firstEnd } = await database.readOnce(context(service), readLeaseTimes);
  if (!firstEnd) return undefined;
  const sinceMs = servedUntil ? Math.abs(now.getTime() - servedUntil.getTime()) : Infinity;
  const isDue = firstEnd < now;
  if (!isDue && sinceMs < SERVE_MS) return undefined;
  const served = await database.writer(context(service), (tx) =>
    serveLeases(tx, { longestMs: LONGEST_GAP_MS, skewMs: database.adapter.clockSkewMs }),
  );
  return isDue ? served : undefined;
}

/** Releases those that share a lease, unless it goes on after all. */
async function takeBack(
  service: Service,
  consumers: readonly StoredGrant[],
  before: Date,
): Promise<number> {
  const claim: Claim = {
    context: context(service),
    consumers: consumers.map(({ consumerUuid, generation }) => releaseOf(consumerUuid, generation)),
    endsLease: { before },
  };
  const { metrics } = service.database;
  try {
    await service.claims.submit(claim);
    for (const _ of consumers) metrics.increment("stowage_leases_total", { outcome: "expired" });
    return consumers.length;
  } catch (error) {
    // It was renewed, or is released, or others are in the way: the next look tells.
    if (error instanceof PlacementError || error instanceof TransactionConflict) return 0;
    throw error;
  }
}

function context(service: Service): RequestContext {
  const deadlineMs = performance.now() + service.config.stowage.databaseTimeout * 1000;
  return { ...EXPIRY, claimAttempts: 2, deadlineMs };
}
