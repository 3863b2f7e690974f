import type { FeedGaps } from "../db/changes.ts";

/**
 * How long a gap in the ids may be filled before it is closed, so that transactions that are about to
 * commit are left in peace.
 */
const SETTLE_MS = 5000;

/**
 * So much at most passes between two looks. A server that stood still, or a reader, has given nobody
 * the time to commit.
 */
const LONGEST_LOOK_MS = 1000;

/** Gaps are closed to keep the part of the feed short that is looked at; so many entries are short. */
const CLOSE_FOR_ENTRIES = 250;

/** So many gaps are closed in one transaction. */
const GAPS_AT_ONCE = 2000;

/** Without gaps, too, it is told now and then how far all is settled, for those that start anew. */
const TELL_AFTER_IDS = 10_000;

/**
 * Which entries of the change feed have been seen.
 *
 * Ids are given out when a change is written and become visible when its transaction commits: out of
 * order. So "all up to N" is not enough: above the floor, below which everything is settled, each id is
 * remembered. A gap was left by a rollback, or by Galera's interleaved counters, or belongs to a
 * transaction that is still open. How old it is does not tell: a process, a server or a node may have
 * stood still between the two. So the floor passes a gap only when it was closed, see `closeGaps`.
 */
export class FeedPosition {
  #floor: number;
  /** Id to the time when it was seen; in ascending order of ids after each `settle`. */
  #seen = new Map<number, number>();
  #isAscending = true;
  #lastId: number;
  /** Up to here, gaps stay gaps. */
  #closedUpTo: number;
  /** Each process waits for another time, as one of them is enough. */
  #patienceMs = SETTLE_MS * (1 + Math.random());
  /** The time during which the feed was looked at. */
  #watchedMs = 0;
  #lookedAtMs: number | undefined;
  #restUntilMs = 0;

  constructor(floor: number) {
    this.#floor = floor;
    this.#lastId = floor;
    this.#closedUpTo = floor;
  }

  /** Everything up to here has been seen, or will never be. */
  get floor(): number {
    return this.#floor;
  }

  /** How many ids above the floor have been seen. */
  get count(): number {
    return this.#seen.size;
  }

  /** The ids above the floor that have been seen. */
  get seen(): ReadonlySet<number> {
    return new Set(this.#seen.keys());
  }

  get lastId(): number {
    return this.#lastId;
  }

  has(id: number): boolean {
    return id <= this.#floor || this.#seen.has(id);
  }

  add(id: number): void {
    if (id < this.#lastId) this.#isAscending = false;
    this.#seen.set(id, this.#watchedMs);
    this.#lastId = Math.max(this.#lastId, id);
  }

  /** Whether each id up to one has been seen, or will never be. */
  hasAllUpTo(id: number): boolean {
    if (id <= this.#floor) return true;
    let count = 0;
    for (const seen of this.#seen.keys()) if (seen <= id) count += 1;
    return count === id - this.#floor;
  }

  /** What has not been seen up to an id, with all that is visible, will never be. */
  close(upTo: number): void {
    this.#closedUpTo = Math.max(this.#closedUpTo, upTo);
    this.#restUntilMs = 0;
  }

  /**
   * Raises the floor over ids without gaps, and over gaps that are closed.
   *
   * @param nowMs on a clock that never goes back
   */
  settle(nowMs: number): void {
    this.#watchedMs += Math.min(nowMs - (this.#lookedAtMs ?? nowMs), LONGEST_LOOK_MS);
    this.#lookedAtMs = nowMs;
    if (!this.#isAscending) {
      this.#seen = new Map([...this.#seen].sort(([left], [right]) => left - right));
      this.#isAscending = true;
    }
    for (const id of this.#seen.keys()) {
      if (id !== this.#floor + 1 && id > this.#closedUpTo) break;
      this.#floor = id;
      this.#seen.delete(id);
    }
  }

  /**
   * What it is time to close, if anything; once taken, it is not given again for a while.
   *
   * @param forEntries how many entries have to wait behind gaps
   */
  takeGaps(forEntries = CLOSE_FOR_ENTRIES): FeedGaps | undefined {
    if (this.#watchedMs < this.#restUntilMs) return undefined;
    const gaps = this.#findOldGaps();
    const isWorthwhile = gaps.missing.length > 0 && this.#seen.size >= forEntries;
    if (!isWorthwhile && gaps.upTo - this.#closedUpTo < TELL_AFTER_IDS) return undefined;
    this.#patienceMs = SETTLE_MS * (1 + Math.random());
    this.#restUntilMs = this.#watchedMs + this.#patienceMs;
    return gaps;
  }

  /** Those that are old enough. */
  #findOldGaps(): FeedGaps {
    const missing: number[] = [];
    let upTo = Math.max(this.#floor, this.#closedUpTo);
    for (const [id, seenAtMs] of this.#seen) {
      if (this.#watchedMs - seenAtMs < this.#patienceMs) break;
      for (; upTo + 1 < id; upTo += 1) {
        if (missing.length === GAPS_AT_ONCE) return { missing, upTo };
        missing.push(upTo + 1);
      }
      upTo = Math.max(upTo, id);
    }
    return { missing, upTo };
  }
}
