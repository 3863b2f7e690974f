import { TooManySearches } from "../domain/errors.ts";
import { RoundRobin } from "../domain/round-robin.ts";

/** Whoever comes is served at once as long as the others of one round of the event loop took no longer. */
const ROUND_MS = 3;

/**
 * How many searches may be under way beyond their first slice: each keeps some megabytes of what it found
 * and has yet to try. Nobody may have all of them, so that there is one for the next who comes.
 */
const MAX_SEARCHES = 128;
const MAX_OF_ONE_CLIENT = 96;

/** Work to be done in one piece, which takes some milliseconds at most. */
type Slice = () => void;

/**
 * Gives turns to slices of long work, so that the event loop is free for others in between: in each round
 * of it, some begin, since most work is done with its first slice, and then one slice of work that goes on.
 */
class Turns {
  /** By client: who has fifty searches under way holds others up no longer than who has one. */
  readonly #first = new RoundRobin<Slice>();
  readonly #further = new RoundRobin<Slice>();
  #isScheduled = false;
  /** How long the slices of this round took so far. */
  #spentMs = 0;

  /**
   * Whether work may begin at once. Otherwise its turn to begin is to be waited for, before anything is
   * looked at, so that nothing has to be kept as it is meanwhile; and as the last thing that is waited for:
   * what many wait for at once is there for all of them in one round.
   */
  canBegin(): boolean {
    return this.#spentMs < ROUND_MS && this.#first.isEmpty;
  }

  waitToBegin(client: string): Promise<void> {
    return this.#wait(this.#first, client, () => {});
  }

  /** Runs the first slice of some work. */
  begin<Result>(slice: () => Result): Result {
    return this.#run(slice);
  }

  /** Runs a further slice when it is the client's turn. */
  goOn<Result>(client: string, slice: () => Result): Promise<Result> {
    return this.#wait(this.#further, client, () => this.#run(slice));
  }

  #wait<Result>(queue: RoundRobin<Slice>, client: string, work: () => Result): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    queue.add(client, () => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
    this.#schedule();
    return promise;
  }

  #run<Result>(slice: () => Result): Result {
    const startedAtMs = performance.now();
    try {
      return slice();
    } finally {
      this.#spentMs += performance.now() - startedAtMs;
      this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#giveTurns());
  }

  #giveTurns(): void {
    this.#isScheduled = false;
    this.#spentMs = 0;
    this.#further.take()?.();
    this.#letBegin();
    if (!this.#further.isEmpty) this.#schedule();
  }

  /** As many as the round has time for, each when it is known how long the one before took. */
  #letBegin(): void {
    if (this.#first.isEmpty) return;
    if (this.#spentMs >= ROUND_MS) {
      this.#schedule();
      return;
    }
    this.#first.take()?.();
    // It runs in microtasks that follow from this, and what is to be done next tick comes after all of them.
    queueMicrotask(() => process.nextTick(() => this.#letBegin()));
  }
}

export const turns = new Turns();

/** Searches under way beyond their first slice, by client. */
const underWay = new Map<string, number>();
let searches = 0;

/** How many searches are under way that did not end with their first slice. */
export function searchesUnderWay(): number {
  return searches;
}

/**
 * Counts one more search that goes on.
 *
 * @returns what to call, once or more often, when it has ended
 * @throws TooManySearches
 */
export function enterSearch(client: string): () => void {
  const ofClient = underWay.get(client) ?? 0;
  if (searches >= MAX_SEARCHES || ofClient >= MAX_OF_ONE_CLIENT) throw new TooManySearches();
  searches += 1;
  underWay.set(client, ofClient + 1);
  let isUnderWay = true;
  return () => {
    if (!isUnderWay) return;
    isUnderWay = false;
    searches -= 1;
    const left = underWay.get(client)! - 1;
    if (left === 0) underWay.delete(client);
    else underWay.set(client, left);
  };
}
