import type { CandidateQuery } from "../domain/candidate-query.ts";
import { PlacementError } from "../domain/errors.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { type Explained, explainOn } from "./explaining.ts";
import { turns } from "./turns.ts";

/** An empty answer is explained so often at most; it is more than anybody reads. */
const MAX_PER_SECOND = 10;
/** The part of the time of the process that explaining may take, which others have asked for nothing. */
const SHARE = 0.05;
/** Of a time in which nothing was explained, so much may be made up for at once. */
const CREDIT_MS = 1000;
/** So many of the nearest hosts are noted. */
const NEAREST = 3;

/** Takes turns as one more client. */
const CLIENT = "empty answers";

/**
 * Explains queries that found nothing, unasked, for whoever asks afterwards: in slices between the requests of
 * others, one after the other, and no more than a share of the time (rate limiting by a token bucket).
 */
export class EmptyAnswers {
  readonly #index: () => ProviderIndex;
  readonly #maxSearchEffort: number;
  readonly #share = new ShareOfTime();
  #before: Promise<unknown> = Promise.resolve();

  /** @param index the read model as far as it is known; nobody is asked whether there is more */
  constructor(index: () => ProviderIndex, maxSearchEffort: number) {
    this.#index = index;
    this.#maxSearchEffort = maxSearchEffort;
  }

  /**
   * Explains a query, soon.
   *
   * @returns undefined where there is no time for it; it becomes undefined where that is found out later, and
   *   is rejected for a defect
   */
  explain(query: CandidateQuery): Promise<Explained | undefined> | undefined {
    if (!this.#share.take(performance.now())) return undefined;
    const explained = this.#before.then(() => this.#explain(query));
    this.#before = explained.catch(() => {});
    return explained;
  }

  async #explain(query: CandidateQuery): Promise<Explained | undefined> {
    await turns.waitToBegin(CLIENT);
    try {
      const question = { query, nearest: NEAREST, host: undefined, ifEmpty: true };
      return await explainOn(this.#index(), CLIENT, question, this.#maxSearchEffort, (tookMs) =>
        this.#share.spend(tookMs, performance.now()),
      );
    } catch (error) {
      // Nobody has asked: what takes too long, or is told to come back later, is left out.
      if (error instanceof PlacementError) return undefined;
      throw error;
    }
  }
}

/** Who may take a share of the time, and so many turns a second. */
class ShareOfTime {
  #second = 0;
  #taken = 0;
  /** When all that was spent is within the share. */
  #paidAtMs = 0;

  take(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) [this.#second, this.#taken] = [second, 0];
    if (this.#taken >= MAX_PER_SECOND || this.#paidAtMs > nowMs) return false;
    this.#taken += 1;
    return true;
  }

  spend(tookMs: number, nowMs: number): void {
    this.#paidAtMs = Math.max(this.#paidAtMs, nowMs - CREDIT_MS) + tookMs / SHARE;
  }
}
