import { RoundRobin } from "../../domain/round-robin.ts";

/** Someone whose turn came too late for it to matter: there were too many. */
export class QueueFull extends Error {}

interface QueueLimits {
  /** How many may be under way at once. */
  readonly running: number;
  /** How many of one peer's, so that there is always a place for another one. */
  readonly runningOfPeer: number;
  /** How many may wait. */
  readonly waiting: number;
}

interface Waiter {
  readonly peer: string;
  readonly start: () => void;
  readonly refuse: () => void;
}

/**
 * A bounded queue that is fair (round robin) between peers, and sheds load. Whoever is preferred goes before
 * all of them. When it is full, the peer with the most in it gives way.
 */
export class FairQueue {
  readonly #limits: QueueLimits;
  readonly #preferred: Waiter[] = [];
  readonly #waiting = new RoundRobin<Waiter>();
  #waiters = 0;
  #running = 0;
  readonly #runningOf = new Map<string, number>();

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** @throws QueueFull */
  async run<Result>(
    peer: string,
    isPreferred: boolean,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await this.#admit(peer, isPreferred);
    try {
      return await work();
    } finally {
      this.#running -= 1;
      this.#count(peer, -1);
      this.#startNext();
    }
  }

  #admit(peer: string, isPreferred: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { peer, start: resolve, refuse: () => reject(new QueueFull()) };
    this.#waiters += 1;
    if (isPreferred) this.#preferred.push(waiter);
    else this.#waiting.add(peer, waiter);
    this.#startNext();
    if (this.#waiters > this.#limits.waiting) this.#refuseOne();
    return promise;
  }

  #startNext(): void {
    while (this.#running < this.#limits.running) {
      const next =
        this.#preferred.shift() ?? this.#waiting.take((peer) => this.#mayStartOneOf(peer));
      if (next === undefined) return;
      this.#waiters -= 1;
      this.#running += 1;
      this.#count(next.peer, 1);
      next.start();
    }
  }

  #mayStartOneOf(peer: string): boolean {
    return (this.#runningOf.get(peer) ?? 0) < this.#limits.runningOfPeer;
  }

  /** The last to come of the peer that has the most. */
  #refuseOne(): void {
    const refused = this.#waiting.takeLastOfLongest() ?? this.#preferred.pop();
    if (refused === undefined) return;
    this.#waiters -= 1;
    refused.refuse();
  }

  #count(peer: string, change: 1 | -1): void {
    const count = (this.#runningOf.get(peer) ?? 0) + change;
    if (count === 0) this.#runningOf.delete(peer);
    else this.#runningOf.set(peer, count);
  }
}
