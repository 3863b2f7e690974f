import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { Explanation, UnknownName } from "../domain/explanation.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "../search/budget.ts";
import { explainCandidates } from "../search/explain.ts";
import { unknownNames } from "../search/unknown-names.ts";
import { findTrees } from "./host-trees.ts";
import { searchInSlices } from "./search-in-slices.ts";

export interface ExplainQuestion {
  readonly query: CandidateQuery;
  /** How many of the nearest hosts are told about. */
  readonly nearest: number;
  /** Whether to find out what would fit if nothing were claimed. */
  readonly ifEmpty: boolean;
  /** UUID or name of any provider of the only tree to explain. */
  readonly host: string | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/** What a query finds and why not more; or the names in it that do not exist. */
export type Explained =
  | { readonly explanation: Explanation }
  | { readonly unknownNames: readonly UnknownName[] };

/**
 * Explains a query for allocation candidates, of all providers that a read model has at this moment, in slices.
 *
 * @param client with whom others take turns
 * @param onSliceMs is told how long the processor was kept
 * @throws HostNotFound, SearchEffortExceeded, TooManySearches, CandidatesOutdated
 */
export async function explainOn(
  index: ProviderIndex,
  client: string,
  question: ExplainQuestion,
  maxSearchEffort: number,
  onSliceMs: (tookMs: number) => void = () => {},
): Promise<Explained> {
  const names = unknownNames(index, question.query);
  if (names.length > 0) return { unknownNames: names };
  const terms = { client, maxEffort: maxSearchEffort, signal: question.signal };
  const explanation = await searchInSlices(index, terms, (budget) =>
    timed(explainHosts(index, index.time, question, budget), onSliceMs),
  );
  return { explanation };
}

function timed<Result>(
  work: Iterator<void, Result>,
  onStepMs: (tookMs: number) => void,
): Iterator<void, Result> {
  return {
    next() {
      const startedAtMs = performance.now();
      try {
        return work.next();
      } finally {
        onStepMs(performance.now() - startedAtMs);
      }
    },
  };
}

function* explainHosts(
  index: IndexReader,
  time: number,
  { query, nearest, host, ifEmpty }: ExplainQuestion,
  budget: Budget,
): Generator<void, Explanation> {
  const trees = host === undefined ? [] : yield* findTrees(index, time, [host], budget);
  const [tree] = trees;
  const only = tree === undefined ? {} : { tree };
  return yield* explainCandidates(index, time, query, { nearest, ifEmpty, ...only }, budget);
}
