import * as fc from "fast-check";
import { expect, test } from "vitest";
import { unsuffixedQuery } from "../../src/domain/candidate-query.ts";
import type { FitTerms } from "../../src/domain/fit.ts";
import type { ProviderRecord } from "../../src/domain/provider-record.ts";
import {
  alikeFleets,
  RESOURCE_CLASSES,
  someFleet,
  someQuery,
  TRAITS,
  uuidOf,
} from "./arbitrary.ts";
import { claimAtBest, claimAtRandom, emptied } from "./claimed.ts";
import { indexOf } from "./fast-search.ts";
import {
  ANY_TREES,
  ANY_VCPU,
  check,
  crowdedQuery,
  EVERYTHING,
  fitOf,
  NUM_RUNS,
  sum,
} from "./fits.ts";
import { type Fleet, plainAnchors } from "./plain-search.ts";

const AGGREGATES = [91, 92].map(uuidOf);

function withoutSharing(fleet: Fleet): Fleet {
  const providers = fleet.providers.map((it) => ({
    ...it,
    traitIds: it.traitIds.filter((id) => id !== TRAITS.MISC_SHARES_VIA_AGGREGATE),
  }));
  return { ...fleet, providers };
}

/** Hosts of one provider each, of which none shares anything: as in most clouds. */
const flatFleet = someFleet.map((fleet) =>
  withoutSharing({
    ...fleet,
    providers: fleet.providers.map((it) => ({ ...it, parentId: null, rootId: it.id })),
  }),
);

test("claiming any candidate until there is none gives the number told for hosts of one provider", () => {
  let withRoom = 0;
  check(flatFleet, someQuery, (fleet, query, seed) => {
    const { total, atMost, ifEmpty } = fitOf(fleet, query);
    const claims = claimAtRandom(fleet, query, randomFrom(seed));
    expect([total, atMost]).toEqual([claims, claims]);
    expect(ifEmpty.total).toBe(claimAtRandom(emptied(fleet), query, randomFrom(seed)));
    if (claims > 1) withRoom += 1;
  });
  expect(withRoom).toBeGreaterThan(0);
});

for (const [name, fleets, queries] of ANY_TREES) {
  test(`something fits on the hosts that the plain search finds, and no more than the sums allow: ${name}`, () => {
    check(fleets, queries, (fleet, query) => {
      const fit = fitOf(fleet, query);
      const anchors = plainAnchors(fleet, query);
      expect(fit.hostsWithRoom).toBe(anchors.size);
      expect(fit.ofHosts).toBe(fleet.providers.filter(({ parentId }) => parentId === null).length);
      expect(fit.total > 0).toBe(anchors.size > 0);
      expect(fit.total).toBeLessThanOrEqual(fit.atMost);
      expect(sum(fit.perHost)).toBe(fit.ofHosts);
      expect(fit.perHost[0]).toBe(fit.ofHosts - fit.hostsWithRoom);
      expect(sum(fit.boundedBy.values())).toBe(fit.hostsWithRoom);
    });
  });

  test(`what fits if nothing were claimed is what fits where nothing is: ${name}`, () => {
    check(fleets, queries, (fleet, query) => {
      const { total, hostsWithRoom } = fitOf(emptied(fleet), query);
      expect(fitOf(fleet, query).ifEmpty).toEqual({ total, hostsWithRoom });
    });
  });

  test(`the best that can be done lies between the two numbers told: ${name}`, () => {
    let compared = 0;
    check(fleets, queries, (fleet, query) => {
      const best = claimAtBest(fleet, query, 200);
      if (best === undefined) return;
      const { total, atMost } = fitOf(fleet, query);
      expect(total).toBeLessThanOrEqual(best);
      expect(best).toBeLessThanOrEqual(atMost);
      if (best > 0) compared += 1;
    });
    expect(compared).toBeGreaterThan(0);
  });
}

test("what is told of many alike trees is the sum of what is told of each", () => {
  fc.assert(
    fc.property(alikeFleets, crowdedQuery, (fleets, query) => {
      const each = fleets.map((fleet) => fitOf(fleet, query));
      const providers = fleets.flatMap((fleet) => fleet.providers);
      const all = fitOf({ ...fleets[0]!, providers }, query);
      expect(all.total).toBe(sum(each.map(({ total }) => total)));
      expect(all.ifEmpty.total).toBe(sum(each.map(({ ifEmpty }) => ifEmpty.total)));
      expect(all.hostsWithRoom).toBe(sum(each.map(({ hostsWithRoom }) => hostsWithRoom)));
    }),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
});

test("spreading limits what fits on a host and in an aggregate, and nothing else", () => {
  check(flatFleet, someQuery, (fleet, query) => {
    const terms: FitTerms = {
      maxPerHost: 2,
      maxPerAggregate: { aggregates: AGGREGATES.slice(0, 1), max: 3 },
      byAggregate: AGGREGATES,
      hosts: 100,
    };
    const index = indexOf(fleet);
    fc.pre(AGGREGATES.every((uuid) => index.aggregateNumber(uuid) !== undefined));
    const free = fitOf(fleet, query, { ...EVERYTHING, byAggregate: AGGREGATES, hosts: 100 });
    const fit = fitOf(fleet, query, terms);
    const isIn = (uuid: string, aggregate: string) =>
      fleet.providers.some((it) => it.uuid === uuid && it.aggregates.includes(aggregate));
    const most = sum(
      free.hosts.map(({ root, count }) =>
        isIn(root.uuid, AGGREGATES[0]!) ? 0 : Math.min(count, 2),
      ),
    );
    const limited = sum(
      free.hosts.map(({ root, count }) =>
        isIn(root.uuid, AGGREGATES[0]!) ? Math.min(count, 2) : 0,
      ),
    );
    expect(fit.total).toBe(most + Math.min(3, limited));
    expect(fit.atMost).toBe(fit.total);
    expect(fit.byAggregate.get(AGGREGATES[0]!)).toBe(Math.min(3, limited));
    for (const aggregate of AGGREGATES) {
      const expected = free.hosts.filter(({ root }) => isIn(root.uuid, aggregate));
      expect(free.byAggregate.get(aggregate)).toBe(sum(expected.map(({ count }) => count)));
    }
    expect(fit.hosts.map(({ count }) => count)).toEqual(
      free.hosts.map(({ count }) => Math.min(count, 2)).sort((a, b) => b - a),
    );
    expect(sum(free.hosts.map(({ count }) => count))).toBe(free.total);
  });
});

/** Where os-capacity is wrong: it takes reserved from what the ratio makes of the total. */
test("what is reserved is not multiplied by the allocation ratio", () => {
  const host = providerOf({ total: 10, reserved: 4, allocationRatio: 4 });
  const fit = fitOf(
    { providers: [host], resourceClasses: RESOURCE_CLASSES, traits: TRAITS },
    ANY_VCPU,
  );
  expect([fit.total, fit.atMost]).toEqual([24, 24]);
});

test("less fits than the sums allow where what is free is in the wrong places", () => {
  const tree = [
    { ...providerOf({ total: 1 }), inventories: [] },
    providerOf({ total: 4 }, { id: 2, parent: 1 }),
    {
      ...providerOf({ total: 1 }, { id: 3, parent: 1, resourceClass: "CUSTOM_GOLD" }),
      parentId: 2,
    },
    providerOf({ total: 1 }, { id: 4, parent: 1 }),
    {
      ...providerOf({ total: 4 }, { id: 5, parent: 1, resourceClass: "CUSTOM_GOLD" }),
      parentId: 4,
    },
  ];
  const [group] = ANY_VCPU.groups;
  const query = {
    ...ANY_VCPU,
    groups: [
      { ...group!, suffix: "_CPU" },
      { ...group!, suffix: "_NIC", resources: new Map([["CUSTOM_GOLD", 1]]) },
    ],
    groupPolicy: "none" as const,
    sameSubtrees: [new Set(["_CPU", "_NIC"])],
  };
  const fleet = { providers: tree, resourceClasses: RESOURCE_CLASSES, traits: TRAITS };
  expect(fitOf(fleet, query)).toMatchObject({ total: 2, atMost: 5, ifEmpty: { total: 2 } });
});

test("children of a host are no hosts, and a shared pool is counted once", () => {
  const pool = {
    ...providerOf({ total: 6 }, { resourceClass: "DISK_GB", id: 1 }),
    traitIds: [TRAITS.MISC_SHARES_VIA_AGGREGATE],
    aggregates: [uuidOf(91)],
  };
  const hosts = [2, 4].flatMap((id) => [
    { ...providerOf({ total: 5 }, { id }), aggregates: [uuidOf(91)] },
    providerOf({ total: 1 }, { id: id + 1, parent: id, resourceClass: "CUSTOM_GOLD" }),
  ]);
  const fleet = { providers: [pool, ...hosts], resourceClasses: RESOURCE_CLASSES, traits: TRAITS };
  const query = unsuffixedQuery(
    new Map([
      ["VCPU", 1],
      ["DISK_GB", 1],
    ]),
  );
  const fit = fitOf(fleet, query, { ...EVERYTHING, hosts: 10 });
  expect(fit).toMatchObject({ total: 6, atMost: 6, hostsWithRoom: 2, ofHosts: 3 });
  expect(fit.hosts.map(({ count }) => count)).toEqual([5, 5]);
});

function providerOf(
  amounts: {
    readonly total: number;
    readonly reserved?: number;
    readonly allocationRatio?: number;
  },
  more: {
    readonly id?: number;
    readonly parent?: number;
    readonly resourceClass?: keyof typeof RESOURCE_CLASSES;
  } = {},
): ProviderRecord {
  const { id = 1, parent, resourceClass = "VCPU" } = more;
  return {
    id,
    uuid: uuidOf(id),
    name: `host ${id}`,
    generation: 0,
    parentId: parent ?? null,
    rootId: parent ?? id,
    inventories: [
      {
        resourceClassId: RESOURCE_CLASSES[resourceClass],
        reserved: 0,
        allocationRatio: 1,
        minUnit: 1,
        maxUnit: 100,
        stepSize: 1,
        used: 0,
        ...amounts,
      },
    ],
    traitIds: [],
    aggregates: [],
  };
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
