import { allocationsOf, mappingsOf } from "../../src/search/candidate.ts";
import { type SearchOptions, searchCandidates } from "../../src/search/search.ts";
import type { CandidateQuery } from "../../src/domain/candidate-query.ts";
import { ProviderIndex } from "../../src/index/provider-index.ts";
import type { Fleet, PlainCandidate } from "./plain-search.ts";

/** How much is tried before a search under test pauses: little, so that it does. */
const BUDGET = 7;

export function indexOf(fleet: Fleet, maxRetiredBytes?: number): ProviderIndex {
  const index = new ProviderIndex(maxRetiredBytes);
  const named = ([name, id]: [string, number]) => ({ id, name, createdAt: null, updatedAt: null });
  index.resourceClasses.replaceAll(Object.entries(fleet.resourceClasses).map(named));
  index.traits.replaceAll(Object.entries(fleet.traits).map(named));
  for (const record of fleet.providers) index.put(record);
  return index;
}

/** The candidates that the search finds, in the form of the plain one; pauses now and then. */
export function fastSearch(
  index: ProviderIndex,
  query: CandidateQuery,
  options: SearchOptions,
  time: number = index.time,
  onPause: () => void = () => {},
): PlainCandidate[] {
  const search = searchCandidates(index, time, query, options);
  const candidates: PlainCandidate[] = [];
  for (;;) {
    const progress = search.next({ left: BUDGET });
    if (progress === "done") return candidates;
    if (progress === "paused") {
      onPause();
      continue;
    }
    const uuidOf = (row: number) => index.uuidOf(row);
    candidates.push({
      allocations: Object.fromEntries(
        Array.from(allocationsOf(search.plan.choices, search.rows), ([row, amounts]) => [
          uuidOf(row),
          Object.fromEntries(amounts),
        ]),
      ),
      mappings: Object.fromEntries(
        Array.from(mappingsOf(search.plan.choices, search.rows), ([suffix, rows]) => [
          suffix,
          Array.from(rows, uuidOf).sort(),
        ]),
      ),
    });
  }
}
