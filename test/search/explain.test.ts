import * as fc from "fast-check";
import { expect, test } from "vitest";
import { unsuffixedQuery, type CandidateQuery } from "../../src/domain/candidate-query.ts";
import type { Explanation, Relaxation } from "../../src/domain/explanation.ts";
import type { ProviderRecord } from "../../src/domain/provider-record.ts";
import {
  constraintsOf,
  leaveOut,
  type NamedConstraint,
} from "../../src/domain/query-constraints.ts";
import {
  constraintsIn,
  MAX_TOLD,
  type ToldConstraint,
  toldConstraints,
} from "../../src/domain/told-constraints.ts";
import { explainCandidates } from "../../src/search/explain.ts";
import {
  alikeFleets,
  crowdedFleet,
  crowdedQuery,
  RESOURCE_CLASSES,
  someFleet,
  someQuery,
  TRAITS,
  uuidOf,
} from "./arbitrary.ts";
import { emptied } from "./claimed.ts";
import { indexOf } from "./fast-search.ts";
import { type Fleet, plainAnchors } from "./plain-search.ts";

/** More for a long run: `CANDIDATE_RUNS=20000 npx vitest run --project quick test/search/explain.test.ts`. */
const NUM_RUNS = Number(process.env["CANDIDATE_RUNS"] ?? 60);
/** To go on elsewhere than where another run began. */
const SEED = process.env["CANDIDATE_SEED"];
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

/** How many constraints are told apart: as many as there are mostly, or fewer, so that some are taken together. */
const toldApart = fc.oneof(
  { weight: 3, arbitrary: fc.constant(MAX_TOLD) },
  { weight: 2, arbitrary: fc.integer({ min: 2, max: 12 }) },
);

/** A query with what is told of it, and the plain search to compare with. */
interface Told {
  readonly fleet: Fleet;
  readonly query: CandidateQuery;
  readonly most: number;
  readonly explanation: Explanation;
  readonly anchorsWithout: (told: readonly ToldConstraint[]) => ReadonlySet<string>;
  readonly anchorsOf: (query: CandidateQuery, ignoresShared: boolean) => ReadonlySet<string>;
}

/** What holds of each explanation. All are judged on each case: to make one takes longer than to judge it. */
const properties: Readonly<Record<string, (told: Told) => void>> = {
  "what would fit without a constraint is what the plain search finds without it"(told) {
    const { fleet, query, most, explanation, anchorsWithout } = told;
    const fitting = anchorsWithout([]);
    expect(explanation.hosts.fit).toBe(fitting.size);
    expect(explanation.hosts.total).toBe(rootsOf(fleet).length);
    expect(explanation.constraints.map(({ constraint }) => constraint)).toEqual(
      toldConstraints(query, most),
    );
    for (const { constraint, only } of explanation.constraints) {
      const gained = [...anchorsWithout([constraint])].filter((uuid) => !fitting.has(uuid));
      expect([constraint.id, only]).toEqual([constraint.id, gained.length]);
    }
  },

  "constraints eliminate in order all that does not fit"({ explanation }) {
    const { total, fit } = explanation.hosts;
    let left = total;
    for (const it of explanation.constraints) {
      expect(it.eliminated).toBeGreaterThanOrEqual(0);
      left -= it.eliminated;
      expect(it.left).toBe(left);
      if (it.causes === undefined) continue;
      const causes = Object.values(it.causes).reduce((sum, count) => sum + count, 0);
      expect(causes, "each failure has a cause").toBe(it.failed);
    }
    expect(left).toBe(fit);
  },

  "relaxations are the smallest ones, and bring what the plain search finds"(told) {
    const { query, most, explanation, anchorsWithout, anchorsOf } = told;
    const { relaxations, hosts } = explanation;
    const dropping = relaxations.filter(({ lower }) => lower === undefined);
    for (const { drop, hosts: brought } of dropping) {
      expect(anchorsWithout(drop).size, ids(drop)).toBe(brought);
    }
    for (const it of relaxations) {
      if (it.lower === undefined) continue;
      const drop = it.drop.flatMap(constraintsIn);
      const { query: less, ignoresSharedCapacity } = leaveOut(lowered(query, it), drop);
      expect(anchorsOf(less, ignoresSharedCapacity).size, ids(it.drop)).toBe(it.hosts);
    }
    if (hosts.fit > 0) expect(relaxations).toEqual([]);
    if (hosts.fit > 0 || hosts.total === 0 || !explanation.isExact) return;
    // A group that asks for nothing is met by nobody, whatever else is left out.
    const size = dropping[0]?.drop.length ?? Infinity;
    expect(dropping.map(({ drop }) => drop.length)).toEqual(dropping.map(() => size));
    const constraints = toldConstraints(query, most);
    if (constraints.length > 6) return;
    for (const smaller of subsets(constraints).filter((it) => it.length < size)) {
      expect(anchorsWithout(smaller).size, ids(smaller)).toBe(0);
    }
  },

  "full is what the plain search fits where nothing is used"({ fleet, query, explanation }) {
    const empty = plainAnchors(emptied(fleet), query).size;
    const { verdict, hosts } = explanation;
    expect(hosts.fitIfEmpty).toBe(empty);
    expect(verdict).toBe(hosts.fit > 0 ? "fits" : empty > 0 ? "full" : "never");
  },

  "the order of groups changes nothing but what eliminates"({ fleet, query, most, explanation }) {
    // Which groups are taken together depends on their order.
    if (constraintsOf(query).length > most) return;
    const reversed = { ...query, groups: query.groups.toReversed() };
    const facts = (it: Explanation) =>
      it.constraints
        .map(({ constraint, failed, only, causes, largest }) =>
          JSON.stringify([constraint.id, failed, only, causes, largest]),
        )
        .sort();
    expect(facts(explain(fleet, reversed))).toEqual(facts(explanation));
  },

  "what is told of constraints together is no less than what is told of each"(told) {
    const { fleet, query, most, explanation } = told;
    if (constraintsOf(query).length <= most) return;
    const apart = explain(fleet, query);
    expect(explanation.hosts).toEqual(apart.hosts);
    const failedOf = new Map(apart.constraints.map((it) => [it.constraint.id, it.failed]));
    for (const { constraint, failed } of explanation.constraints) {
      const parts = constraintsIn(constraint);
      if (parts.every(({ kind, suffix }) => kind === "required_trait" && suffix === "")) {
        // Several providers may have one of the traits each.
        const ofEach = parts.reduce((sum, { id }) => sum + failedOf.get(id)!, 0);
        expect(failed).toBeLessThanOrEqual(ofEach);
      }
      for (const { id } of parts) {
        const atLeast = failedOf.get(id) ?? 0;
        if (constraint.kind === "together") expect(failed).toBeGreaterThanOrEqual(atLeast);
        else expect([id, failed]).toEqual([id, atLeast]);
      }
    }
  },
};

/** What holds where the only provider of each tree has to do for everything. */
const propertiesOfLoneHosts: typeof properties = {
  ...properties,
  "what eliminates a host or would bring it alone has failed there"(told) {
    const { fleet, query, explanation } = told;
    if (constraintsOf(query).some(({ kind }) => kind === "capacity" || kind === "isolate")) return;
    if (query.groups.some(({ resources }) => resources.size === 0)) return;
    const sharing = TRAITS.MISC_SHARES_VIA_AGGREGATE;
    if (fleet.providers.some(({ traitIds }) => traitIds.includes(sharing))) return;
    for (const { constraint, failed, eliminated, only } of explanation.constraints) {
      expect(failed).toBeGreaterThanOrEqual(eliminated);
      // Without the last of its classes a group is gone with all that it asks for: one of that has failed.
      const all = explanation.constraints.filter(
        (it) => isLastClass(query, constraint) && it.constraint.suffix === constraint.suffix,
      );
      const failedWithIt = all.reduce((sum, it) => sum + it.failed, 0);
      expect(Math.max(failed, failedWithIt)).toBeGreaterThanOrEqual(only);
    }
  },
};

/** Every kind of fleet with the queries that are made for it. */
const cases: readonly (readonly [
  string,
  fc.Arbitrary<Fleet>,
  fc.Arbitrary<CandidateQuery>,
  typeof properties,
])[] = [
  ["any trees", someFleet, someQuery, properties],
  ["trees of one provider", flatFleet, someQuery, propertiesOfLoneHosts],
  ["crowded trees", crowdedFleet, crowdedQuery, properties],
  ["alike trees", alikeTrees, crowdedQuery, properties],
];

for (const [name, fleets, queries, all] of cases) {
  test(`an explanation says what the plain search finds: ${name}`, () => {
    fc.assert(
      fc.property(fleets, queries, toldApart, (fleet, query, most) => {
        // No request is without any: one that names no resources is refused.
        fc.pre(constraintsOf(query).length > 0);
        const told = tell(fleet, query, most);
        for (const [property, holds] of Object.entries(all)) {
          try {
            holds(told);
          } catch (error) {
            throw new Error(`not so: ${property}`, { cause: error });
          }
        }
      }),
      {
        numRuns: NUM_RUNS,
        verbose: fc.VerbosityLevel.Verbose,
        ...(SEED !== undefined && { seed: Number(SEED) }),
      },
    );
  });
}

test("a provider in one aggregate below a root in the other is in neither of both", () => {
  const [red, blue] = [uuidOf(91), uuidOf(92)];
  const tree = (id: number, aggregates: readonly string[]): ProviderRecord[] => [
    { ...providerOf(id), aggregates: [red], inventories: [] },
    { ...providerOf(id + 1), parentId: id, rootId: id, aggregates: [...aggregates] },
  ];
  const fleet: Fleet = {
    providers: [...tree(1, [blue]), ...tree(3, [red, blue])],
    resourceClasses: RESOURCE_CLASSES,
    traits: TRAITS,
  };
  const anyVcpu = unsuffixedQuery(new Map([["VCPU", 1]]));
  const [group] = anyVcpu.groups;
  const query = {
    ...anyVcpu,
    groups: [{ ...group!, memberOf: [new Set([red]), new Set([blue])] }],
  };
  const { hosts, constraints } = explain(fleet, query);
  expect(hosts).toEqual({ total: 2, fit: 1, fitIfEmpty: 1 });
  expect(constraints.map(({ eliminated }) => eliminated)).toEqual([0, 1, 0]);
});

function providerOf(id: number): ProviderRecord {
  const amounts = {
    total: 4,
    reserved: 0,
    allocationRatio: 1,
    minUnit: 1,
    maxUnit: 4,
    stepSize: 1,
  };
  return {
    id,
    uuid: uuidOf(id),
    name: `provider ${id}`,
    generation: 0,
    parentId: null,
    rootId: id,
    inventories: [{ resourceClassId: RESOURCE_CLASSES.VCPU, used: 0, ...amounts }],
    traitIds: [],
    aggregates: [],
  };
}

function tell(fleet: Fleet, query: CandidateQuery, most: number): Told {
  const known = new Map<string, ReadonlySet<string>>();
  return {
    fleet,
    query,
    most,
    explanation: explain(fleet, query, most),
    anchorsOf: (other, ignoresShared) => plainAnchors(fleet, other, ignoresShared),
    anchorsWithout(told) {
      const key = ids(told);
      const before = known.get(key);
      if (before !== undefined) return before;
      const constraints: NamedConstraint[] = told.flatMap(constraintsIn);
      const { query: less, ignoresSharedCapacity } = leaveOut(query, constraints);
      const anchors = plainAnchors(fleet, less, ignoresSharedCapacity);
      known.set(key, anchors);
      return anchors;
    },
  };
}

function explain(fleet: Fleet, query: CandidateQuery, toldApartAtMost = MAX_TOLD): Explanation {
  const index = indexOf(fleet);
  const budget = { left: BUDGET };
  const options = { nearest: 3, ifEmpty: true, toldApart: toldApartAtMost };
  const work = explainCandidates(index, index.time, query, options, budget);
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    budget.left = BUDGET;
  }
}

function rootsOf(fleet: Fleet): ProviderRecord[] {
  return fleet.providers.filter(({ parentId }) => parentId === null);
}

/** Whether without it nothing is asked of the group's provider. */
function isLastClass(query: CandidateQuery, told: ToldConstraint): boolean {
  const { query: less } = leaveOut(query, constraintsIn(told));
  return less.groups.length < query.groups.length;
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

function ids(constraints: readonly ToldConstraint[]): string {
  return constraints.map(({ id }) => id).join(" ");
}
