import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FoundCandidates } from "../../src/search/found-candidates.ts";
import { type CandidateSearch, searchCandidates } from "../../src/search/search.ts";
import type { CandidateQuery } from "../../src/domain/candidate-query.ts";
import type { ProviderIndex } from "../../src/index/provider-index.ts";
import type { IndexView } from "../../src/index/reader.ts";
import { RESOURCE_CLASSES, someFleet, someQuery, TRAITS } from "./arbitrary.ts";
import { indexOf } from "./fast-search.ts";
import type { Fleet } from "./plain-search.ts";

const NUM_RUNS = Number(process.env["CANDIDATE_RUNS"] ?? 3000);

type Change = (index: ProviderIndex) => void;

/** Ids in fleets are small. */
const someId = fc.integer({ min: 1, max: 12 });

const someUsage = fc
  .tuple(someId, fc.constantFrom(...Object.values(RESOURCE_CLASSES)), fc.nat(6))
  .map(([id, classId, used]): Change => (index) => {
    index.applyUsage(id, 1, new Map([[classId, used]]));
  });

const someRemoval = someId.map(
  (id): Change =>
    (index) =>
      index.remove(id),
);

/** Some providers become what they are in another fleet, where they may be in another tree. */
const someReplacement = fc
  .tuple(someFleet, fc.integer({ min: 1, max: 3 }))
  .map(([{ providers }, count]): Change => (index) => {
    for (const record of providers.slice(0, count)) index.put(record);
  });

/** Another provider in the place of one, and of all below it. */
const someSuccessor = someId.map((id): Change => (index) => {
  const record = index.getById(id);
  if (!record || record.id !== record.rootId) return;
  index.remove(id);
  index.put({ ...record, id: id + 100, rootId: id + 100, uuid: `${record.uuid.slice(0, -3)}fff` });
});

const someNaming = fc
  .constantFrom(RESOURCE_CLASSES, TRAITS)
  .chain((names) => {
    const all = Object.keys(names);
    return fc.tuple(fc.constant(names), fc.shuffledSubarray(all, { minLength: all.length }));
  })
  .map(([names, order]): Change => (index) => {
    const ids: readonly number[] = Object.values(names);
    const registry = names === TRAITS ? index.traits : index.resourceClasses;
    registry.replaceAll(
      order.map((name, at) => ({ id: ids[at]!, name, createdAt: null, updatedAt: null })),
    );
  });

const someView = fc.constant<Change>((index) => {
  views.get(index)?.close();
  views.set(index, index.openView());
});
const views = new WeakMap<ProviderIndex, IndexView>();

const someChange = fc.oneof(
  { weight: 8, arbitrary: someUsage },
  { weight: 2, arbitrary: someRemoval },
  { weight: 3, arbitrary: someReplacement },
  { weight: 1, arbitrary: someSuccessor },
  { weight: 1, arbitrary: someNaming },
  { weight: 1, arbitrary: someView },
);

test("candidates that are said to be found again are, in the same order", () => {
  const counts = { same: 0, sameWithCandidates: 0, others: 0 };
  fc.assert(
    fc.property(
      someFleet,
      someQuery,
      fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      fc.array(someChange, { minLength: 1, maxLength: 6 }),
      (fleet: Fleet, someOtherQuery: CandidateQuery, limit, changes) => {
        const query = { ...someOtherQuery, limit };
        const index = indexOf(fleet);
        let { found, candidates } = find(index, query);
        for (const change of changes) {
          change(index);
          const isSame = found?.isFoundBy(searchFor(index, query));
          const present = find(index, query);
          if (isSame) {
            counts.same += 1;
            if (candidates.length > 0) counts.sameWithCandidates += 1;
            expect(present.candidates).toEqual(candidates);
            continue;
          }
          counts.others += 1;
          ({ found, candidates } = present);
        }
      },
    ),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
  // Without these it could hold because nothing is ever found again, or nothing ever changes.
  expect(counts.sameWithCandidates).toBeGreaterThan(NUM_RUNS / 20);
  expect(counts.others).toBeGreaterThan(NUM_RUNS / 20);
});

test("nothing is said to be found again where the order depends on more than the trees", () => {
  for (const options of [
    { strategy: "breadth-first", maxCandidates: -1 },
    { strategy: "depth-first", maxCandidates: -1, random: Math.random },
  ] as const) {
    const [fleet] = fc.sample(someFleet, { numRuns: 1, seed: 1 });
    const [query] = fc.sample(someQuery, { numRuns: 1, seed: 1 });
    const index = indexOf(fleet!);
    expect(FoundCandidates.of(searchCandidates(index, index.time, query!, options))).toBe(
      undefined,
    );
  }
});

test("changes that are too many to look at have everything searched anew", () => {
  const [fleet] = fc.sample(someFleet, { numRuns: 1, seed: 1 });
  const index = indexOf(fleet!);
  const { position } = index.journal;
  const change = () => index.applyUsage(fleet!.providers[0]!.id, 1, new Map());
  for (let count = 0; count < 1024; count += 1) change();
  expect(index.journal.since(position)?.size).toBe(1);
  change();
  expect(index.journal.since(position)).toBe(undefined);
});

/** What is found, by UUIDs, one list for each candidate. */
function find(index: ProviderIndex, query: CandidateQuery) {
  const candidates: string[][] = [];
  const search = searchFor(index, query);
  const found = FoundCandidates.of(search);
  while (search.next({ left: Infinity }) === "found") {
    candidates.push(search.rows.map((row) => index.uuidOf(row)));
    found?.add(search.rows);
  }
  found?.end(search.isLimited);
  return { found, candidates };
}

function searchFor(index: ProviderIndex, query: CandidateQuery): CandidateSearch {
  return searchCandidates(index, index.time, query, { strategy: "depth-first", maxCandidates: -1 });
}
