import * as fc from "fast-check";
import { unsuffixedQuery, type CandidateQuery } from "../../src/domain/candidate-query.ts";
import type { Fit, FitTerms } from "../../src/domain/fit.ts";
import { answerFit, type FitAnswer, type FitQuestion } from "../../src/search/answer-fit.ts";
import {
  crowdedFleet,
  crowdedQuery as anyCrowdedQuery,
  someFleet,
  someQuery,
} from "./arbitrary.ts";
import { indexOf } from "./fast-search.ts";
import type { Fleet } from "./plain-search.ts";

/** More for a long run: `CANDIDATE_RUNS=20000 npx vitest run --project quick test/search`. */
export const NUM_RUNS = Number(process.env["CANDIDATE_RUNS"] ?? 100);
/** How much is tried before it pauses: little, so that it does. */
const BUDGET = 19;

export const EVERYTHING: FitTerms = {
  maxPerHost: Infinity,
  maxPerAggregate: { aggregates: [], max: 0 },
  byAggregate: [],
  hosts: 0,
};

/** One that asks for nothing is refused, and would fit without end. */
export const crowdedQuery = anyCrowdedQuery.filter(({ groups }) =>
  groups.some(({ resources }) => resources.size > 0),
);

/** Fleets with the queries that are made for them. */
export const ANY_TREES = [
  ["any trees", someFleet, someQuery],
  ["crowded trees", crowdedFleet, crowdedQuery],
] as const;

export const ANY_VCPU = unsuffixedQuery(new Map([["VCPU", 1]]));

export function check(
  fleets: fc.Arbitrary<Fleet>,
  queries: fc.Arbitrary<CandidateQuery>,
  holds: (fleet: Fleet, query: CandidateQuery, seed: number) => void,
): void {
  fc.assert(
    fc.property(fleets, queries, fc.nat(), (fleet, query, seed) => holds(fleet, query, seed)),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
}

export function flavor(query: CandidateQuery): FitQuestion["flavors"] {
  return new Map([["it", query]]);
}

export function fitOf(fleet: Fleet, query: CandidateQuery, terms: FitTerms = EVERYTHING): Fit {
  return ask(fleet, { flavors: flavor(query), terms }).fits.get("it")!;
}

export function ask(fleet: Fleet, question: Partial<FitQuestion>): FitAnswer {
  const index = indexOf(fleet);
  const budget = { left: BUDGET };
  const work = answerFit(
    index,
    index.time,
    { flavors: new Map(), terms: EVERYTHING, suppositions: [], held: new Map(), ...question },
    budget,
  );
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    budget.left = BUDGET;
  }
}

export function facts({ total, atMost, hostsWithRoom, ofHosts, ifEmpty, perHost, boundedBy }: Fit) {
  return {
    total,
    atMost,
    hostsWithRoom,
    ofHosts,
    ifEmpty,
    perHost,
    boundedBy: [...boundedBy].sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

export function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
