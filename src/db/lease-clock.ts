import { databaseTime } from "./grants.ts";
import { insertMissing } from "./insert-missing.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/**
 * The time up to which leases were served: until then somebody was there to renew them, so that one that has
 * ended before has ended. It goes on with the clock of the database while somebody serves; where nobody did for
 * a while, or that clock was stepped, all leases are made longer by as much.
 */
const SERVED_UNTIL = "leases_served_until";

/** What there is to be looked at. */
interface LeaseTimes {
  readonly now: Date;
  /** Undefined where nobody ever served. */
  readonly servedUntil: Date | undefined;
  /** When the first lease ends; undefined where there is none. */
  readonly firstEnd: Date | undefined;
}

export async function readLeaseTimes(tx: ReadTransaction): Promise<LeaseTimes> {
  const { adapter } = tx;
  const row = await tx.query
    .selectNoFrom((eb) => [
      adapter.now.as("now"),
      eb
        .selectFrom("stowage_state")
        .select("value")
        .where("name", "=", SERVED_UNTIL)
        .as("served_until"),
      eb
        .selectFrom("stowage_grants as g")
        .select((max) => max.fn.min("g.expires_at").as("first_end"))
        .as("first_end"),
    ])
    .executeTakeFirstOrThrow();
  return {
    now: adapter.decodeDate(row.now) ?? new Date(),
    servedUntil: adapter.decodeDate(row.served_until) ?? undefined,
    firstEnd: adapter.decodeDate(row.first_end) ?? undefined,
  };
}

/** How far the time of leases has come, and by how much they were made longer on the way. */
export interface ServedTime {
  readonly servedUntil: Date;
  readonly outageMs: number;
}

/**
 * Brings the time of leases to that of the database.
 *
 * @param longestMs nobody having served for longer is an outage
 */
export async function serveLeases(
  tx: WriteTransaction,
  { longestMs, skewMs }: { readonly longestMs: number; readonly skewMs: number },
): Promise<ServedTime> {
  const { adapter } = tx;
  await lock(tx);
  const now = await databaseTime(tx);
  const row = await tx.query
    .selectFrom("stowage_state")
    .select("value")
    .where("name", "=", SERVED_UNTIL)
    .executeTakeFirstOrThrow();
  const before = adapter.decodeDate(row.value);
  const sinceMs = before ? now.getTime() - before.getTime() : 0;
  // The clock of another node may be ahead a little.
  if (before && sinceMs < 0 && sinceMs >= -skewMs) return { servedUntil: before, outageMs: 0 };
  const outageMs = before && sinceMs > longestMs ? await makeUpFor(tx, before, now, longestMs) : 0;
  await tx.query
    .updateTable("stowage_state")
    .set({ value: adapter.encodePreciseDate(now) })
    .where("name", "=", SERVED_UNTIL)
    .execute();
  return { servedUntil: now, outageMs };
}

/**
 * Makes leases longer by the time in which nobody served. Who was granted or renewed one was served, so that for
 * a lease that began since the time of leases stood still, nobody served from then on.
 *
 * @returns how long that was for the one that it was longest for; 0 where it was no outage
 */
async function makeUpFor(
  tx: WriteTransaction,
  before: Date,
  now: Date,
  longestMs: number,
): Promise<number> {
  const { adapter } = tx;
  const lastServed = adapter.encodePreciseDate(before);
  const { first } = await tx.query
    .selectFrom("stowage_grants as g")
    .select((eb) => eb.fn.min("g.renewed_at").as("first"))
    .where("g.expires_at", ">=", lastServed)
    .executeTakeFirstOrThrow();
  const began = adapter.decodeDate(first);
  if (!began) return 0;
  const outageMs = now.getTime() - Math.max(began.getTime(), before.getTime());
  if (outageMs <= longestMs) return 0;
  const gapSeconds = (now.getTime() - before.getTime()) / 1000;
  const lasting = tx.query.updateTable("stowage_grants").where("expires_at", ">=", lastServed);
  await lasting
    .set((eb) => ({ expires_at: adapter.later(eb.ref("expires_at"), eb.val(gapSeconds)) }))
    .where("renewed_at", "<=", lastServed)
    .execute();
  await lasting
    .set((eb) => ({ expires_at: adapter.later(adapter.now, eb.ref("lease_seconds")) }))
    .where("renewed_at", ">", lastServed)
    .execute();
  return outageMs;
}

/** Keeps others from doing the same until the transaction ends. */
async function lock(tx: WriteTransaction): Promise<void> {
  const { numUpdatedRows } = await tx.query
    .updateTable("stowage_state")
    .set((eb) => ({ value: eb.ref("value") }))
    .where("name", "=", SERVED_UNTIL)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows > 0n) return;
  const value = tx.adapter.encodePreciseDate(await databaseTime(tx));
  await insertMissing(() =>
    tx.query.insertInto("stowage_state").values({ name: SERVED_UNTIL, value }).execute(),
  );
}
