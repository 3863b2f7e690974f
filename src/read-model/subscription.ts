import type { FeedEvent } from "./feed-event.ts";
import type { Position } from "./written-position.ts";

/** What a listener has not taken yet; one that has more waiting is too slow. */
const MAX_UNTAKEN = 1000;

/** What one listener gets of the tail of the feed: a bounded queue. */
export class Subscription {
  /** What had been read when this began: it is not told. */
  readonly start: Position;
  readonly wants: (event: FeedEvent) => boolean;
  readonly #leave: (subscription: Subscription) => void;
  #untaken: FeedEvent[] = [];
  #isLost = false;
  #news = Promise.withResolvers<void>();

  constructor(
    start: Position,
    wants: (event: FeedEvent) => boolean,
    leave: (subscription: Subscription) => void,
  ) {
    this.start = start;
    this.wants = wants;
    this.#leave = leave;
  }

  /** Whether it cannot go on: it was too slow, or the feed is another one. */
  get isLost(): boolean {
    return this.#isLost;
  }

  get untaken(): number {
    return this.#untaken.length;
  }

  /** Is done when there is something to take, or never will be. */
  get hasNews(): Promise<void> {
    return this.#news.promise;
  }

  /** What came, at most so many, in order. */
  take(limit: number): FeedEvent[] {
    const taken = this.#untaken.splice(0, limit);
    if (this.#untaken.length === 0 && !this.#isLost) this.#news = Promise.withResolvers();
    return taken;
  }

  /** @returns whether there was room for it; without, this is lost */
  push(event: FeedEvent): boolean {
    if (this.#untaken.length >= MAX_UNTAKEN) {
      this.lose();
      return false;
    }
    this.#untaken.push(event);
    this.#news.resolve();
    return true;
  }

  lose(): void {
    this.#untaken = [];
    this.#isLost = true;
    this.#news.resolve();
    this.close();
  }

  close(): void {
    this.#leave(this);
  }
}
