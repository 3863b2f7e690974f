import { SearchEffortExceeded } from "../domain/errors.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import type { Budget } from "../search/budget.ts";
import { inSlices } from "./in-slices.ts";
import { enterSearch } from "./turns.ts";

/** The clock is looked at after so many steps. */
const STEPS_BY_CLOCK = 512;

interface SearchTerms {
  /** With whom others take turns. */
  readonly client: string;
  /** `[stowage] max_search_effort`: so many steps it may take. */
  readonly maxEffort: number;
  /** Aborted when nobody waits for the result any more. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Searches the read model as it is now, in slices, and within the bound on effort.
 *
 * @param search is given a budget, and pauses when that is used up
 * @throws SearchEffortExceeded, TooManySearches, CandidatesOutdated
 */
export function searchInSlices<Result>(
  index: ProviderIndex,
  { client, maxEffort, signal }: SearchTerms,
  search: (budget: Budget) => Iterator<void, Result>,
): Promise<Result> {
  const budget = { left: STEPS_BY_CLOCK };
  let effort = 0;
  return inSlices(index, client, search(budget), {
    ...(signal && { signal }),
    enter: () => enterSearch(client),
    onPause: () => {
      effort += STEPS_BY_CLOCK - budget.left;
      if (effort > maxEffort) throw new SearchEffortExceeded(maxEffort);
      budget.left = STEPS_BY_CLOCK;
    },
  });
}
