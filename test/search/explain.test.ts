import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CandidateQuery } from "../../src/domain/candidate-query.ts";
import type { Explanation, Relaxation } from "../../src/domain/explanation.ts";
import {
  constraintsOf,
  leaveOut,
  MAX_CONSTRAINTS,
  type NamedConstraint,
} from "../../src/domain/query-constraints.ts";
import { explainCandidates } from "../../src/search/explain.ts";
import {
  alikeFleets,
  crowdedFleet,
  crowdedQuery,
  someFleet,
  someQuery,
  TRAITS,
} from "./arbitrary.ts";
import { indexOf } from "./fast-search.ts";
import { type Fleet, plainAnchors } from "./plain-search.ts";

/** More for a long run: `CANDIDATE_RUNS=20000 npx vitest run test/search/explain.test.ts`. */
const NUM_RUNS = Number(process.env["CANDIDATE_RUNS"] ?? 60);
/** How much is tried before an explanation under test pauses: little, so that it does. */
const BUDGET = 23;

/** Hosts of one provider each, as in most clouds. */
const flatFleet = someFleet.map((fleet) => ({
  ...fleet,
  providers: fleet.providers.map((it) => ({ ...it, parentId: null, rootId: it.id })),
}));
const alikeTrees = alikeFleets.map((fleets): Fleet => {
  return { ...fleets[0]!, providers: fleets.flatMap((fleet) => fleet.providers) };
});

/** Every kind of fleet with the queries that are made for it. */
const cases: readonly (readonly [string, fc.Arbitrary<Fleet>, fc.Arbitrary<CandidateQuery>])[] = [
  ["any trees", someFleet, someQuery],
  ["trees of one provider", flatFleet, someQuery],
  ["crowded trees", crowdedFleet, crowdedQuery],
  ["alike trees", alikeTrees, crowdedQuery],
];

for (const [name, fleets, queries] of cases) {
  test(`what would fit without a constraint is what the plain search finds without it: ${name}`, () => {
    check(fleets, queries, (fleet, query, { explanation, anchorsWithout }) => {
      const fitting = anchorsWithout([]);
      expect(explanation.hosts.fit).toBe(fitting.size);
      expect(explanation.hosts.total).toBe(
        fleet.providers.filter(({ parentId }) => parentId === null).length,
      );
      expect(explanation.constraints.map(({ constraint }) => constraint)).toEqual(
        constraintsOf(query),
      );
      for (const { constraint, only } of explanation.constraints) {
        const gained = [...anchorsWithout([constraint])].filter((uuid) => !fitting.has(uuid));
        expect([constraint.id, only]).toEqual([constraint.id, gained.length]);
      }
    });
  });

  test(`constraints eliminate in order all that does not fit: ${name}`, () => {
    check(fleets, queries, (_fleet, _query, { explanation }) => {
      const { total, fit } = explanation.hosts;
      let left = total;
      for (const it of explanation.constraints) {
        left -= it.eliminated;
        expect(it.left).toBe(left);
        if (it.causes === undefined) continue;
        const causes = Object.values(it.causes).reduce((sum, count) => sum + count, 0);
        expect(causes, "each failure has a cause").toBe(it.failed);
      }
      expect(left).toBe(fit);
    });
  });

  test(`relaxations are the smallest ones, and bring what the plain search finds: ${name}`, () => {
    check(fleets, queries, (_fleet, query, { explanation, anchorsWithout, anchorsOf }) => {
      const { relaxations, hosts } = explanation;
      const dropping = relaxations.filter(({ lower }) => lower === undefined);
      for (const { drop, hosts: brought } of dropping) {
        expect(anchorsWithout(drop).size, ids(drop)).toBe(brought);
      }
      for (const it of relaxations) {
        if (it.lower === undefined) continue;
        const { query: less, ignoresSharedCapacity } = leaveOut(lowered(query, it), it.drop);
        expect(anchorsOf(less, ignoresSharedCapacity).size, ids(it.drop)).toBe(it.hosts);
      }
      if (hosts.fit > 0) expect(relaxations).toEqual([]);
      if (hosts.fit > 0 || hosts.total === 0 || !explanation.isExact) return;
      // A group that asks for nothing is met by nobody, whatever else is left out.
      const size = dropping[0]?.drop.length ?? Infinity;
      expect(dropping.map(({ drop }) => drop.length)).toEqual(dropping.map(() => size));
      const constraints = constraintsOf(query);
      if (constraints.length > 6) return;
      for (const smaller of subsets(constraints).filter((it) => it.length < size)) {
        expect(anchorsWithout(smaller).size, ids(smaller)).toBe(0);
      }
    });
  });

  test(`full is what the plain search fits where nothing is used: ${name}`, () => {
    check(fleets, queries, (fleet, query, { explanation }) => {
      const providers = fleet.providers.map((it) => ({
        ...it,
        inventories: it.inventories.map((inventory) => ({ ...inventory, used: 0 })),
      }));
      const empty = plainAnchors({ ...fleet, providers }, query).size;
      const { verdict, hosts } = explanation;
      expect(hosts.fitIfEmpty).toBe(empty);
      expect(verdict).toBe(hosts.fit > 0 ? "fits" : empty > 0 ? "full" : "never");
    });
  });
}

test("in trees of one provider, what eliminates a host or would bring it alone has failed there", () => {
  check(flatFleet, someQuery, (fleet, query, { explanation }) => {
    if (constraintsOf(query).some(({ kind }) => kind === "capacity" || kind === "isolate")) return;
    if (query.groups.some(({ resources }) => resources.size === 0)) return;
    if (
      fleet.providers.some(({ traitIds }) => traitIds.includes(TRAITS.MISC_SHARES_VIA_AGGREGATE))
    ) {
      return;
    }
    for (const { constraint, failed, eliminated, only } of explanation.constraints) {
      expect(failed).toBeGreaterThanOrEqual(eliminated);
      const group = query.groups.find(({ suffix }) => suffix === constraint.suffix);
      // Without the last of its classes the group is gone, with all that it fails besides.
      const isLastClass = constraint.kind === "resource" && group?.resources.size === 1;
      if (!isLastClass) expect(failed).toBeGreaterThanOrEqual(only);
    }
  });
});

test("the order of groups changes nothing but what eliminates", () => {
  check(someFleet, someQuery, (fleet, query, { explanation }) => {
    const reversed = { ...query, groups: query.groups.toReversed() };
    const facts = (it: Explanation) =>
      it.constraints
        .map(({ constraint, failed, only, causes, largest }) =>
          JSON.stringify([constraint.id, failed, only, causes, largest]),
        )
        .sort();
    expect(facts(explain(fleet, reversed))).toEqual(facts(explanation));
  });
});

interface Told {
  readonly explanation: Explanation;
  readonly anchorsWithout: (constraints: readonly NamedConstraint[]) => ReadonlySet<string>;
  readonly anchorsOf: (query: CandidateQuery, ignoresShared: boolean) => ReadonlySet<string>;
}

function check(
  fleets: fc.Arbitrary<Fleet>,
  queries: fc.Arbitrary<CandidateQuery>,
  holds: (fleet: Fleet, query: CandidateQuery, told: Told) => void,
): void {
  fc.assert(
    fc.property(fleets, queries, (fleet, query) => {
      // More are refused, and no request is without any: one that names no resources is refused as well.
      const { length } = constraintsOf(query);
      fc.pre(length > 0 && length <= MAX_CONSTRAINTS);
      holds(fleet, query, {
        explanation: explain(fleet, query),
        anchorsOf: (other, ignoresShared) => plainAnchors(fleet, other, ignoresShared),
        anchorsWithout: (constraints) => {
          const { query: less, ignoresSharedCapacity } = leaveOut(query, constraints);
          return plainAnchors(fleet, less, ignoresSharedCapacity);
        },
      });
    }),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
}

function explain(fleet: Fleet, query: CandidateQuery): Explanation {
  const index = indexOf(fleet);
  const budget = { left: BUDGET };
  const work = explainCandidates(index, index.time, query, { nearest: 3, ifEmpty: true }, budget);
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    budget.left = BUDGET;
  }
}

function lowered(query: CandidateQuery, { lower }: Relaxation): CandidateQuery {
  const constraint = lower!.constraint;
  if (constraint.kind !== "resource") throw new Error("only amounts are lowered");
  return {
    ...query,
    groups: query.groups.map((group) =>
      group.suffix === constraint.suffix
        ? {
            ...group,
            resources: new Map(group.resources).set(constraint.resourceClass, lower!.amount),
          }
        : group,
    ),
  };
}

function subsets<T>(items: readonly T[]): T[][] {
  const all: T[][] = [[]];
  for (const item of items) all.push(...all.map((some) => [...some, item]));
  return all;
}

function ids(constraints: readonly NamedConstraint[]): string {
  return constraints.map(({ id }) => id).join(" ");
}
