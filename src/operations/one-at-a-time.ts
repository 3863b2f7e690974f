import { CandidatesOutdated, TooManySearches } from "../domain/errors.ts";

/** So many may wait: what comes after them would wait for too long. */
const MAX_WAITING = 4;

/** Work that takes so much memory that one is enough at a time (a mutex with a bounded queue). */
export class OneAtATime {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /**
   * @param signal aborted when nobody waits for the result any more
   * @throws TooManySearches, and CandidatesOutdated when its turn comes and nobody waits for it
   */
  async run<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    if (this.#waiting >= MAX_WAITING) throw new TooManySearches();
    this.#waiting += 1;
    const before = this.#last;
    const mine = Promise.withResolvers<void>();
    this.#last = mine.promise;
    try {
      await before;
      if (signal.aborted) throw new CandidatesOutdated();
      return await work();
    } finally {
      this.#waiting -= 1;
      mine.resolve();
    }
  }
}
