import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { SearchOptions } from "../../src/search/search.ts";
import { alikeFleets, crowdedFleet, crowdedQuery, someFleet, someQuery } from "./arbitrary.ts";
import { fastSearch, indexOf } from "./fast-search.ts";
import { canonical, canonicalAllocations, plainSearch } from "./plain-search.ts";

/** More for a long run: `CANDIDATE_RUNS=50000 npx vitest run test/search`. */
const NUM_RUNS = Number(process.env["CANDIDATE_RUNS"] ?? 1500);
const EVERYTHING: SearchOptions = { strategy: "depth-first", maxCandidates: -1 };

test("the search finds what the plain search finds, as often", () => {
  let withCandidates = 0;
  fc.assert(
    fc.property(someFleet, someQuery, (fleet, query) => {
      const expected = plainSearch(fleet, query).candidates;
      const found = fastSearch(indexOf(fleet), query, EVERYTHING);
      if (expected.length > 0) withCandidates += 1;
      expect(found.map(canonical).sort()).toEqual(expected.map(canonical).sort());
      expect(found.map(canonicalAllocations).sort()).toEqual(
        expected.map(canonicalAllocations).sort(),
      );
    }),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
  // Without this the property could hold because nothing is ever found.
  expect(withCandidates).toBeGreaterThan(NUM_RUNS / 10);
});

test("the search finds what the plain search finds where most combinations fail", () => {
  fc.assert(
    fc.property(crowdedFleet, crowdedQuery, (fleet, query) => {
      const expected = plainSearch(fleet, query).candidates.map(canonical).sort();
      const found = fastSearch(indexOf(fleet), query, EVERYTHING).map(canonical).sort();
      expect(found).toEqual(expected);
    }),
    { numRuns: Math.ceil(NUM_RUNS / 3), verbose: fc.VerbosityLevel.Verbose },
  );
});

test("the search finds what the plain search finds where trees are alike and most of them fail", () => {
  fc.assert(
    fc.property(alikeFleets, crowdedQuery, (fleets, query) => {
      const expected = fleets
        .flatMap((fleet) => plainSearch(fleet, query).candidates.map(canonical))
        .sort();
      const providers = fleets.flatMap((fleet) => fleet.providers);
      const fleet = { ...fleets[0]!, providers };
      for (const strategy of ["depth-first", "breadth-first"] as const) {
        const options = { strategy, maxCandidates: -1 };
        expect(fastSearch(indexOf(fleet), query, options).map(canonical).sort()).toEqual(expected);
      }
    }),
    { numRuns: Math.ceil(NUM_RUNS / 3), verbose: fc.VerbosityLevel.Verbose },
  );
});

test("any order and any limit yields candidates of the plain search, each once", () => {
  fc.assert(
    fc.property(
      someFleet,
      someQuery,
      fc.constantFrom("depth-first" as const, "breadth-first" as const),
      fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
      fc.integer({ min: -1, max: 12 }),
      fc.option(fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })), {
        nil: undefined,
      }),
      (fleet, query, strategy, limit, maxCandidates, numbers) => {
        const expected = new Set(plainSearch(fleet, query).candidates.map(canonical));
        const options = { strategy, maxCandidates, ...randomFrom(numbers) };
        const found = fastSearch(indexOf(fleet), { ...query, limit }, options).map(canonical);
        expect(new Set(found).size).toBe(found.length);
        expect(found.filter((it) => !expected.has(it))).toEqual([]);
        const most = Math.min(
          limit ?? Infinity,
          maxCandidates < 0 ? Infinity : Math.max(1, maxCandidates),
        );
        expect(found.length).toBe(Math.min(most, expected.size));
      },
    ),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
});

test("a search over a view does not see what changes meanwhile", () => {
  fc.assert(
    fc.property(
      someFleet,
      someQuery,
      fc.array(someFleet, { minLength: 1, maxLength: 3 }),
      (fleet, query, others) => {
        const expected = plainSearch(fleet, query).candidates.map(canonical).sort();
        const index = indexOf(fleet);
        const view = index.openView();
        const changes = others.flatMap((it) => it.providers);
        const found = fastSearch(index, query, EVERYTHING, view.time, () => {
          const record = changes.pop();
          if (record === undefined) return;
          if (record.traitIds.length === 3) index.remove(record.id);
          else if (index.getById(record.id) === undefined) index.put(record);
          else index.applyUsage(record.id, 7, new Map([[0, 5]]));
        });
        view.close();
        expect(found.map(canonical).sort()).toEqual(expected);
      },
    ),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
});

function randomFrom(numbers: Iterator<number> | undefined): Pick<SearchOptions, "random"> {
  if (numbers === undefined) return {};
  return { random: () => numbers.next().value as number };
}
