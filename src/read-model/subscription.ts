import type { FeedEvent } from "./feed-event.ts";
import type { Position } from "./written-position.ts";

/** What a listener has not taken yet; one that has more waiting is too slow. */
const MAX_UNTAKEN = 1000;

/** What a listener wants to hear of. */
export interface Interest {
  /** Each that is given has to hold, one of its values at least: they tell whom to ask. */
  readonly kinds?: ReadonlySet<string> | undefined;
  /** UUIDs, canonical, as those of the next two. */
  readonly consumers?: ReadonlySet<string> | undefined;
  readonly providers?: ReadonlySet<string> | undefined;
  /** Of any providers of the trees. */
  readonly trees?: ReadonlySet<string> | undefined;
  /** Of consumers. */
  readonly projects?: ReadonlySet<string> | undefined;
  /** Is asked of each change that may be meant, in order. */
  readonly wants: (event: FeedEvent) => boolean;
}

/** What one listener gets of the tail of the feed: a bounded queue. */
export class Subscription {
  /** What had been read when this began: it is not told. */
  readonly start: Position;
  readonly interest: Interest;
  readonly #leave: (subscription: Subscription) => void;
  #untaken: FeedEvent[] = [];
  #isLost = false;
  #wake: (() => void) | undefined;

  constructor(start: Position, interest: Interest, leave: (subscription: Subscription) => void) {
    this.start = start;
    this.interest = interest;
    this.#leave = leave;
  }

  /** Whether it cannot go on: it was too slow, or the feed is another one. */
  get isLost(): boolean {
    return this.#isLost;
  }

  get untaken(): number {
    return this.#untaken.length;
  }

  /**
   * Waits until there is something to take or never will be, for so long at most, or until nobody wants it any more.
   * It leaves nothing behind, as a race between promises would: who hears of nothing for days waits again and
   * again.
   */
  async waitForNews(waitMs: number, signal: AbortSignal): Promise<void> {
    if (waitMs <= 0 || signal.aborted || this.#untaken.length > 0 || this.#isLost) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    this.#wake = wake;
    const timer = setTimeout(wake, waitMs);
    signal.addEventListener("abort", wake);
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    this.#wake = undefined;
  }

  /** What came, at most so many, in order. */
  take(limit: number): FeedEvent[] {
    return this.#untaken.splice(0, limit);
  }

  /** @returns whether there was room for it; without, this is lost */
  push(event: FeedEvent): boolean {
    if (this.#untaken.length >= MAX_UNTAKEN) {
      this.lose();
      return false;
    }
    this.#untaken.push(event);
    this.#wake?.();
    return true;
  }

  lose(): void {
    this.#untaken = [];
    this.#isLost = true;
    this.#wake?.();
    this.close();
  }

  close(): void {
    this.#leave(this);
  }
}
