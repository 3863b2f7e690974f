/**
 * How long a gap in the ids may still be filled. Ids are given out when a change is written and
 * become visible when its transaction commits; changes are written last, so that is the time that
 * a commit takes. A gap that is older was left by a rollback, or by Galera's interleaved counters.
 */
const SETTLE_MS = 10_000;

/**
 * Which entries of the change feed have been seen.
 *
 * Ids become visible out of order, so "all up to N" is not enough: above the floor, below which
 * everything is settled, each id is remembered.
 */
export class FeedPosition {
  #floor: number;
  /** Id to the time when it was seen; in ascending order of ids after each `settle`. */
  #seen = new Map<number, number>();
  #lastId: number;

  constructor(floor: number) {
    this.#floor = floor;
    this.#lastId = floor;
  }

  /** Everything up to here has been seen, or will never be. */
  get floor(): number {
    return this.#floor;
  }

  /** How many ids above the floor have been seen. */
  get count(): number {
    return this.#seen.size;
  }

  get lastId(): number {
    return this.#lastId;
  }

  has(id: number): boolean {
    return id <= this.#floor || this.#seen.has(id);
  }

  /** @param nowMs on a clock that never goes back */
  add(id: number, nowMs: number): void {
    this.#seen.set(id, nowMs);
    this.#lastId = Math.max(this.#lastId, id);
  }

  /** Raises the floor over ids without gaps, and over gaps that are too old to be filled. */
  settle(nowMs: number): void {
    const ascending = [...this.#seen].sort(([left], [right]) => left - right);
    let settled = 0;
    for (const [id, seenAtMs] of ascending) {
      if (id !== this.#floor + 1 && nowMs - seenAtMs < SETTLE_MS) break;
      this.#floor = id;
      settled += 1;
    }
    this.#seen = new Map(ascending.slice(settled));
  }
}
