import type { FeedEntry } from "../db/change-feed.ts";
import type { FeedState } from "../db/feed-state.ts";
import type { FeedPosition } from "./feed-position.ts";

/** What tells one entry from another under the same id. */
export type FeedMark = Pick<FeedEntry, "id" | "kind" | "providerId" | "subject" | "requestId">;

/** What the feed is when it is looked at. */
interface FeedSight {
  readonly state: FeedState;
  /** What it has under the id of the newest entry of before; undefined if that is gone. */
  readonly found: FeedMark | undefined;
  /** The greatest id. */
  readonly lastId: number;
}

/**
 * Tells whether the feed still is the one that was read so far, and has lost nothing that was not.
 *
 * It may be another feed: of a database that was made anew, or of a backup of it, with the same ids for
 * other changes. And changes may be gone that were never read: collected for their age, or deleted by
 * hand. No clock has a say in it: they differ, and a process may stand still for any time.
 */
export class FeedContinuity {
  readonly #position: FeedPosition;
  #state: FeedState;
  #newest: FeedMark | undefined;

  constructor(position: FeedPosition, state: FeedState) {
    this.#position = position;
    this.#state = state;
  }

  /**
   * The entry with the greatest id that was read here, or written: to be taken before a look at the feed
   * begins, which is to find it there.
   */
  get newest(): FeedMark | undefined {
    return this.#newest;
  }

  /** Of the feed that was read. */
  get epoch(): string | undefined {
    return this.#state.epoch;
  }

  remember(entry: FeedMark): void {
    if (entry.id > (this.#newest?.id ?? 0)) this.#newest = entry;
  }

  /** To be called after each look that found no breach, once what it showed is remembered. */
  accept(state: FeedState): void {
    this.#state = state;
  }

  /**
   * Why what was read so far does not go with the feed any more; undefined if it does.
   *
   * @param newest as it was before the look began
   */
  findBreach(
    { state, found, lastId }: FeedSight,
    newest: FeedMark | undefined,
  ): string | undefined {
    const { epoch, collectedUpTo, collections } = state;
    const newestId = newest?.id ?? 0;
    if (epoch !== this.#state.epoch) return "is another one than before";
    if (collections < this.#state.collections || lastId < newestId) return GOES_BACK;
    const wasCollected = collections > this.#state.collections;
    if (wasCollected && !this.#position.hasAllUpTo(collectedUpTo)) {
      return "has lost changes that were not read, because they were old";
    }
    // What was collected is gone, and right so.
    if (!newest || newestId <= collectedUpTo) return undefined;
    if (!found) return "has lost changes";
    return isSame(found, newest) ? undefined : GOES_BACK;
  }
}

const GOES_BACK = "tells of other changes than before, as after the restoration of a backup";

function isSame(left: FeedMark, right: FeedMark): boolean {
  return (
    left.kind === right.kind &&
    left.subject === right.subject &&
    left.requestId === right.requestId &&
    left.providerId === right.providerId
  );
}
