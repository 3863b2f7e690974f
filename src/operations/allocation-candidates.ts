import type { Progress } from "../search/anchor-search.ts";
import type { Budget } from "../search/budget.ts";
import { allocationsOf, mappingsOf } from "../search/candidate.ts";
import { FoundCandidates } from "../search/found-candidates.ts";
import { type CandidateSearch, searchCandidates } from "../search/search.ts";
import type { DatabaseContext } from "../db/change.ts";
import type { CandidateQuery } from "../domain/candidate-query.ts";
import { SearchEffortExceeded } from "../domain/errors.ts";
import type { IndexReader } from "../index/reader.ts";
import { lineageOf, resourceOf, summarize } from "../index/summarize.ts";
import type { Effort, RequestContext } from "../domain/request-context.ts";
import { HeldIndex } from "./held-index.ts";
import type { Service } from "./service.ts";
import { turns } from "./turns.ts";

export { lineageOf, resourceOf, summarize };
export type { FoundCandidates };

/**
 * The rows of the read model that candidates consist of. A row stands for the same provider as long
 * as the listing is used without waiting, or held.
 */
export type ProviderRows = IndexReader;

/**
 * Searches for allocation candidates among all providers as they are now.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export async function listAllocationCandidates(
  service: Service,
  context: DatabaseContext & Pick<RequestContext, "userId">,
  query: CandidateQuery,
): Promise<CandidateListing> {
  const { placement } = service.config;
  const index = await service.freshIndex(context);
  if (!turns.canBegin()) await turns.waitToBegin(context.userId ?? "");
  const search = turns.begin(() =>
    searchCandidates(index, index.time, query, {
      strategy: placement.allocationCandidatesGenerationStrategy,
      maxCandidates: placement.maxAllocationCandidates,
      ...(placement.randomizeAllocationCandidates && { random: Math.random }),
    }),
  );
  return new CandidateListing(
    index,
    search,
    service.config.stowage.maxSearchEffort,
    context.effort,
  );
}

/** Candidates one after the other, found on demand. */
export class CandidateListing extends HeldIndex {
  readonly providers: ProviderRows;
  readonly #search: CandidateSearch;
  readonly #maxEffort: number;
  readonly #requestEffort: Effort | undefined;
  #effort = 0;

  /**
   * @param maxEffort how many providers may be looked at before the search is given up
   * @param requestEffort takes note of how many there were
   */
  constructor(
    index: IndexReader,
    search: CandidateSearch,
    maxEffort = Infinity,
    requestEffort?: Effort,
  ) {
    super(index);
    this.#requestEffort = requestEffort;
    this.#maxEffort = maxEffort;
    this.providers = index;
    this.#search = search;
  }

  /** Per choice, what one provider is chosen for: a request group and amounts of it. */
  get choices(): CandidateSearch["plan"]["choices"] {
    return this.#search.plan.choices;
  }

  /** Per choice, the row of the provider, of the candidate found last. */
  get rows(): readonly number[] {
    return this.#search.rows;
  }

  /** What is found from here on, to be told of it; undefined where `wouldFind` could not be told. */
  beginToNote(): FoundCandidates | undefined {
    return FoundCandidates.of(this.#search);
  }

  /** Whether more candidates than were asked for may be there. */
  get isLimited(): boolean {
    return this.#search.isLimited;
  }

  /** Before the first candidate: whether all of them are what was found for the same query before. */
  wouldFind(found: FoundCandidates): boolean {
    return found.isFoundBy(this.#search);
  }

  /**
   * Looks for the next candidate; pauses when the budget is used up.
   *
   * @throws SearchEffortExceeded
   */
  next(budget: Budget): Progress {
    const before = budget.left;
    const progress = this.#search.next(budget);
    this.#effort += before - budget.left;
    if (this.#requestEffort) this.#requestEffort.lookedAt = this.#effort;
    if (this.#effort > this.#maxEffort) throw new SearchEffortExceeded(this.#maxEffort);
    return progress;
  }

  /** Amounts by row and resource class, with rows of providers or anything that stands for them. */
  allocationsOf(rows: readonly number[]): Map<number, Map<string, number>> {
    return allocationsOf(this.choices, rows);
  }

  /** Rows by the suffix of the request group that they meet. */
  mappingsOf(rows: readonly number[]): Map<string, Set<number>> {
    return mappingsOf(this.choices, rows);
  }
}
