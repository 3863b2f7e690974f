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
 * A bounded queue that is fair (round robin) between peers. Whoever is preferred goes before all of them.
 * When it is full, the peer with the most in it gives way.
 */
export class FairQueue {
  readonly #limits: QueueLimits;
  readonly #preferred: Waiter[] = [];
  /** By peer, in the order of their turns. */
  readonly #waiting = new Map<string, Waiter[]>();
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
    else {
      const others = this.#waiting.get(peer);
      if (others === undefined) this.#waiting.set(peer, [waiter]);
      else others.push(waiter);
    }
    this.#startNext();
    if (this.#waiters > this.#limits.waiting) this.#refuseOne();
    return promise;
  }

  #startNext(): void {
    while (this.#running < this.#limits.running) {
      const next = this.#preferred.shift() ?? this.#takeInTurn();
      if (next === undefined) return;
      this.#waiters -= 1;
      this.#running += 1;
      this.#count(next.peer, 1);
      next.start();
    }
  }

  #takeInTurn(): Waiter | undefined {
    for (const [peer, waiters] of this.#waiting) {
      if ((this.#runningOf.get(peer) ?? 0) >= this.#limits.runningOfPeer) continue;
      const waiter = waiters.shift();
      this.#waiting.delete(peer);
      if (waiters.length > 0) this.#waiting.set(peer, waiters);
      return waiter;
    }
    return undefined;
  }

  /** The last to come of the peer that has the most. */
  #refuseOne(): void {
    let longest = this.#preferred;
    for (const waiters of this.#waiting.values()) {
      if (waiters.length > longest.length || longest === this.#preferred) longest = waiters;
    }
    const refused = longest.pop();
    if (refused === undefined) return;
    if (longest.length === 0) this.#waiting.delete(refused.peer);
    this.#waiters -= 1;
    refused.refuse();
  }

  #count(peer: string, change: 1 | -1): void {
    const count = (this.#runningOf.get(peer) ?? 0) + change;
    if (count === 0) this.#runningOf.delete(peer);
    else this.#runningOf.set(peer, count);
  }
}
