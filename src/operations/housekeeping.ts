import { setTimeout as sleep } from "node:timers/promises";

import { collectChanges } from "../db/change-feed.ts";
import { deleteOlder } from "../db/delete-older.ts";
import { deleteEndedGrants, endForgottenGrants, listForgottenGrants } from "../db/grants.ts";
import { deleteOldHistory, findBeginning, readHistoryState } from "../db/history.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import { DatabaseUnavailable } from "../domain/errors.ts";
import { internalContext } from "../db/change.ts";
import { KEPT_MS } from "./idempotency.ts";
import type { Service } from "./service.ts";

const INTERVAL_MS = 60_000;
/** So many changes are deleted in one transaction: claims must not wait for long. */
const BATCH = 1000;

const HOUSEKEEPING = internalContext("housekeeping");

/**
 * Every minute, looks for changes that the feed does not tell of, and deletes those in it, and refusals, that are
 * older than `[stowage] change_retention`, and idempotency keys and leases that have ended after a day, until
 * `signal` is aborted. A failure is reported, and tried again the next time; that the database is away is said
 * elsewhere.
 */
export async function keepHouse(
  service: Service,
  signal: AbortSignal,
  report: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await service.checkIndex(HOUSEKEEPING);
      await deleteOldChanges(service, new Date());
      await deleteOldRefusals(service, new Date());
      await deleteOldReceipts(service, new Date());
      await forgetReleased(service, new Date());
      await deleteOlderHistory(service, new Date());
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) report(error);
    }
    await sleep(INTERVAL_MS, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** Deletes the refusals that have passed their retention, which is that of changes; returns how many. */
export async function deleteOldRefusals(service: Service, now: Date): Promise<number> {
  const before = new Date(now.getTime() - service.config.stowage.changeRetention * 1000);
  return deleteAll(service, (tx) => deleteOlder(tx, "stowage_refusals", { before, limit: BATCH }));
}

/** Deletes what was answered to claims that may not be repeated any more; returns how many there were. */
export async function deleteOldReceipts(service: Service, now: Date): Promise<number> {
  const before = new Date(now.getTime() - KEPT_MS);
  return deleteAll(service, (tx) => deleteOlder(tx, "stowage_claims", { before, limit: BATCH }));
}

/**
 * Notes that consumers with a lease, or of a gang, are gone, where nobody here has released them, and deletes
 * after a day what tells of those that were released; returns how many of these there were.
 */
export async function forgetReleased(service: Service, now: Date): Promise<number> {
  for (let after = 0, isDone = false; !isDone;) {
    const found = await service.database.readOnce(HOUSEKEEPING, (tx) =>
      listForgottenGrants(tx, after, BATCH),
    );
    if (found.forgotten.length > 0) {
      await write(service, (tx) => endForgottenGrants(tx, found.forgotten));
    }
    ({ lastId: after, isDone } = found);
  }
  const before = new Date(now.getTime() - KEPT_MS);
  return deleteAll(service, (tx) => deleteEndedGrants(tx, { before, limit: BATCH }));
}

/**
 * Deletes the changes that have passed their retention; returns how many. What is not in the history yet is kept
 * for twice as long: whatever keeps the history from being made, the feed has an end.
 */
export async function deleteOldChanges(service: Service, now: Date): Promise<number> {
  const { changeRetention, history } = service.config.stowage;
  const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);
  // What this process has written, too, counts as read when the feed has told of it.
  await service.freshIndex(HOUSEKEEPING);
  const collect = (time: Date, upTo?: number) =>
    deleteAll(service, (tx) =>
      collectChanges(tx, { now, time, limit: BATCH, ...(upTo !== undefined && { upTo }) }),
    );
  if (!history) return collect(before(changeRetention));
  const collectProjected = async () => {
    const { floor } = await service.database.readOnce(HOUSEKEEPING, readHistoryState);
    return collect(before(changeRetention), floor);
  };
  let count = await collectProjected();
  const { oldestAt } = await service.database.reader(HOUSEKEEPING, findBeginning);
  if (oldestAt && oldestAt < before(changeRetention)) {
    // Why it fails is said by whoever makes the history all the time.
    await service.history.catchUp(HOUSEKEEPING, { isAll: true }).catch(() => 0);
    count += await collectProjected();
  }
  return count + (await collect(before(2 * changeRetention)));
}

/** Deletes the history that has passed its retention, also where none is made any more; returns how many rows. */
export async function deleteOlderHistory(service: Service, now: Date): Promise<number> {
  const before = new Date(now.getTime() - service.config.stowage.historyRetention * 1000);
  return deleteAll(service, (tx) => deleteOldHistory(tx, { now, before, limit: BATCH }));
}

/** Deletes some in one transaction after the other, until there are none left; returns how many there were. */
async function deleteAll(
  service: Service,
  deleteSome: (tx: WriteTransaction) => Promise<number>,
): Promise<number> {
  let total = 0;
  for (;;) {
    const deleted = await write(service, deleteSome);
    if (deleted === 0) return total;
    total += deleted;
  }
}

function write<Result>(
  service: Service,
  work: (tx: WriteTransaction) => Promise<Result>,
): Promise<Result> {
  const deadlineMs = performance.now() + service.config.stowage.databaseTimeout * 1000;
  return service.database.writer({ ...HOUSEKEEPING, deadlineMs }, work);
}
