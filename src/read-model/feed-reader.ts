import {
  findNewestChange,
  findSettledChangeId,
  listChangesAfter,
  lookAtFeed,
  readFeed,
  summarizeChangesAfter,
  type FeedEntry,
  type FeedLook,
} from "../db/change-feed.ts";
import type { CommitMark } from "../db/change.ts";
import type { FeedGaps } from "../db/changes.ts";
import { readFeedState, type FeedState } from "../db/feed-state.ts";
import { tableNames } from "../db/migrations/schema-parts.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import { FeedContinuity, type FeedMark } from "./feed-continuity.ts";
import { FeedPosition } from "./feed-position.ts";
import { markNewest, writePosition, type Position } from "./written-position.ts";

/** Up to so many entries of the feed are listed without counting them first. */
const LISTED_AT_ONCE = 100;

/** What the feed tells that was not read before, or why it cannot be followed any more. */
type FeedNews =
  | { readonly breach: string }
  | {
      readonly breach?: never;
      readonly entries: readonly FeedEntry[];
      /** To be called when whoever reads has made of the entries what there is to make. */
      readonly remember: () => void;
    };

/**
 * Reads the change feed: a cursor, which knows how far it was read, and of which feed that was. What the entries
 * are about is up to whoever reads them.
 */
export class FeedReader {
  readonly #position: FeedPosition;
  readonly #continuity: FeedContinuity;

  private constructor(floor: number, state: FeedState) {
    this.#position = new FeedPosition(floor);
    this.#continuity = new FeedContinuity(this.#position, state);
  }

  /** Where there is no feed, or it was not looked at yet. */
  static ofNothing(): FeedReader {
    return new FeedReader(0, { epoch: undefined, collectedUpTo: 0, collections: 0 });
  }

  /** Begins after all that the feed tells by now. */
  static async atEnd(tx: ReadTransaction): Promise<FeedReader> {
    if (!tx.adapter.isShared) return FeedReader.ofNothing();
    const state = await readFeedState(tx);
    const reader = new FeedReader(await findSettledChangeId(tx), state);
    reader.#remember(await listChangesAfter(tx, reader.floor), state);
    return reader;
  }

  /** The same where one process writes: ids become visible in their order. */
  static async atNewest(tx: ReadTransaction): Promise<FeedReader> {
    const newest = await findNewestChange(tx);
    const reader = new FeedReader(newest?.id ?? 0, await readFeedState(tx));
    if (newest) reader.#continuity.remember(newest);
    return reader;
  }

  get floor(): number {
    return this.#position.floor;
  }

  /** How far the feed was read. */
  get position(): Position {
    const { newest, epoch } = this.#continuity;
    const { floor, seen } = this.#position;
    return { epoch, floor, seen, newest: newest && markNewest(newest) };
  }

  /** How many entries were read above the floor. */
  get openEntries(): number {
    return this.#position.count;
  }

  /** To be taken before a transaction begins in which the feed is read. */
  get newest(): FeedMark | undefined {
    return this.#continuity.newest;
  }

  /** How far the feed was read, as a text. */
  writePosition(): string {
    return writePosition(this.position);
  }

  /**
   * Whether there is nothing to be read, with one statement, so that asking costs little when that is so.
   *
   * @param takeAll whether entries tell nothing that is not known; if not, they are to be read
   */
  async hasNothingNew(
    tx: ReadTransaction,
    newest: FeedMark | undefined,
    takeAll: (entries: readonly FeedEntry[]) => boolean,
  ): Promise<boolean> {
    const [position, continuity] = [this.#position, this.#continuity];
    if (position.count > LISTED_AT_ONCE) {
      const seen = await summarizeChangesAfter(tx, position.floor, newest?.id ?? 0);
      if (continuity.findBreach(seen, newest) !== undefined) return false;
      const isUpToDate = seen.count === position.count && seen.lastId === position.lastId;
      if (isUpToDate) continuity.accept(seen.state);
      return isUpToDate;
    }
    const look = await lookAtFeed(tx, this.#firstIdFor(newest));
    if (!look.isComplete || this.#findBreach(look, newest) !== undefined) return false;
    const unseen = look.entries.filter(({ id }) => !position.has(id));
    if (!takeAll(unseen)) return false;
    this.#remember(unseen, look.state);
    return true;
  }

  async read(tx: ReadTransaction, newest: FeedMark | undefined): Promise<FeedNews> {
    const look = await readFeed(tx, this.#firstIdFor(newest));
    const breach = this.#findBreach(look, newest);
    if (breach !== undefined) return { breach };
    const entries = look.entries.filter(({ id }) => !this.#position.has(id));
    return { entries, remember: () => this.#remember(entries, look.state) };
  }

  /** What this process has written itself is part of the feed, too. */
  noteWritten({ id, kind, subject, ...row }: CommitMark): void {
    const providerId = row.resource_provider_id ?? null;
    this.#continuity.remember({ id, kind, subject, providerId, requestId: row.request_id });
  }

  /** @param nowMs when the feed was looked at, on a clock that never goes back */
  settle(nowMs: number): FeedGaps | undefined {
    this.#position.settle(nowMs);
    return this.#position.takeGaps();
  }

  /** See `FeedPosition.takeGaps`. */
  takeGaps(forEntries: number): FeedGaps | undefined {
    return this.#position.takeGaps(forEntries);
  }

  #remember(entries: readonly FeedEntry[], state: FeedState): void {
    for (const entry of entries) {
      this.#position.add(entry.id);
      if (entry.settled !== undefined) this.#position.close(entry.settled);
      this.#continuity.remember(entry);
    }
    this.#continuity.accept(state);
  }

  /** From where the feed has to be looked at to tell whether it still is the same. */
  #firstIdFor(newest: FeedMark | undefined): number {
    return Math.min(this.#position.floor, newest?.id ?? Infinity);
  }

  /** @param look all of the feed from there */
  #findBreach({ state, entries }: FeedLook, newest: FeedMark | undefined): string | undefined {
    const found = entries.find(({ id }) => id === newest?.id);
    return this.#continuity.findBreach({ state, found, lastId: entries.at(-1)?.id ?? 0 }, newest);
  }
}

/** Where one process writes, ids become visible in their order. */
export async function readPositionAlone(tx: ReadTransaction): Promise<string> {
  const { epoch } = await readFeedState(tx);
  const newest = await findNewestChange(tx);
  return writePosition({
    epoch,
    floor: newest?.id ?? 0,
    seen: new Set(),
    newest: newest && markNewest(newest),
  });
}

/** How far the feed tells, where there is one; empty where there is none, as in a database of Placement. */
export async function positionIfAny(tx: ReadTransaction): Promise<string> {
  const tables = await tableNames(tx);
  if (!FEED_TABLES.every((name) => tables.has(name))) return "";
  if (!tx.adapter.isShared) return readPositionAlone(tx);
  return (await FeedReader.atEnd(tx)).writePosition();
}

const FEED_TABLES = ["stowage_changes", "stowage_state"];
