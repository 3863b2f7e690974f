import { randomBytes } from "node:crypto";

import { insertMissing } from "./insert-missing.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** What `stowage_state` says of the change feed. */
export interface FeedState {
  /** Tells the feed from every other: one made in its place has another. Undefined when it has none. */
  readonly epoch: string | undefined;
  /** Changes up to this id were collected, that is, deleted for their age. */
  readonly collectedUpTo: number;
  /** How often some were. */
  readonly collections: number;
}

const EPOCH = "feed_epoch";
const COLLECTED = "feed_collected";

/** The rows of `stowage_state` that `toFeedState` takes the values of. */
export const FEED_STATE_NAMES = [EPOCH, COLLECTED] as const;

export function toFeedState(epoch: string | undefined, collected: string | undefined): FeedState {
  const [collectedUpTo = 0, collections = 0] = collected?.split(" ").map(Number) ?? [];
  return { epoch, collectedUpTo, collections };
}

export async function readFeedState(tx: ReadTransaction): Promise<FeedState> {
  const rows = await tx.query
    .selectFrom("stowage_state as ss")
    .select(["ss.name", "ss.value"])
    .where("ss.name", "in", FEED_STATE_NAMES)
    .execute();
  const values = new Map(rows.map(({ name, value }) => [name, value]));
  return toFeedState(values.get(EPOCH), values.get(COLLECTED));
}

export async function hasFeedEpoch(tx: ReadTransaction): Promise<boolean> {
  return (await readFeedState(tx)).epoch !== undefined;
}

/** Gives the feed an epoch if it has none. */
export async function ensureFeedEpoch(tx: WriteTransaction): Promise<void> {
  if (await hasFeedEpoch(tx)) return;
  await insertState(tx, EPOCH, makeEpoch());
}

/** Forgets all that is known of a feed, because it is not there any more. */
export async function forgetFeed(tx: WriteTransaction): Promise<void> {
  await tx.query.deleteFrom("stowage_state").where("name", "in", FEED_STATE_NAMES).execute();
}

/** Keeps others from collecting changes until the transaction ends. */
export async function lockFeedState(tx: WriteTransaction): Promise<FeedState> {
  const { numUpdatedRows } = await tx.query
    .updateTable("stowage_state")
    .set((eb) => ({ value: eb.ref("value") }))
    .where("name", "=", COLLECTED)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows === 0n) await insertState(tx, COLLECTED, "0 0");
  return readFeedState(tx);
}

/**
 * @param state what was so far, locked
 * @param newestId of the feed: where it was emptied, and its ids begin anew, it is another feed
 */
export async function markCollected(
  tx: WriteTransaction,
  state: FeedState,
  upTo: number,
  newestId: number,
): Promise<void> {
  const { collectedUpTo, collections } = state;
  const beginsAnew = newestId < collectedUpTo;
  if (beginsAnew) await setState(tx, EPOCH, makeEpoch());
  const mark = beginsAnew ? upTo : Math.max(collectedUpTo, upTo);
  await setState(tx, COLLECTED, `${mark} ${collections + 1}`);
}

function makeEpoch(): string {
  return randomBytes(8).toString("hex");
}

async function setState(tx: WriteTransaction, name: string, value: string): Promise<void> {
  await tx.query.updateTable("stowage_state").set({ value }).where("name", "=", name).execute();
}

async function insertState(tx: WriteTransaction, name: string, value: string): Promise<void> {
  await insertMissing(() => tx.query.insertInto("stowage_state").values({ name, value }).execute());
}
