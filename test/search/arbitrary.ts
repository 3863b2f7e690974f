import * as fc from "fast-check";
import type { CandidateQuery, RequestGroup } from "../../src/domain/candidate-query.ts";
import type { InventoryRecord, ProviderRecord } from "../../src/domain/provider-record.ts";
import type { Fleet } from "./plain-search.ts";

export const RESOURCE_CLASSES = { VCPU: 0, DISK_GB: 2, CUSTOM_GOLD: 10_000 } as const;
export const TRAITS = { T1: 1, T2: 2, T3: 3, MISC_SHARES_VIA_AGGREGATE: 4 } as const;

const CLASS_NAMES = Object.keys(RESOURCE_CLASSES);
const PLAIN_TRAITS = ["T1", "T2", "T3"];
const AGGREGATES = [91, 92, 93].map(uuidOf);
const UNKNOWN_UUID = uuidOf(99);
const MAX_PROVIDERS = 10;

const PLAIN_GROUP: Omit<RequestGroup, "suffix"> = {
  resources: new Map([["VCPU", 1]]),
  requiredTraits: [],
  forbiddenTraits: new Set(),
  memberOf: [],
  forbiddenAggregates: new Set(),
  inTree: undefined,
};

/** Something that is there in one of a few cases. */
function seldom<T>(arbitrary: fc.Arbitrary<T>, absent: T): fc.Arbitrary<T> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(absent) }, { weight: 1, arbitrary });
}

// Fleets.

const inventory: fc.Arbitrary<Omit<InventoryRecord, "resourceClassId">> = fc.record({
  total: fc.integer({ min: 1, max: 8 }),
  reserved: seldom(fc.integer({ min: 1, max: 9 }), 0),
  allocationRatio: fc.oneof(
    { weight: 4, arbitrary: fc.constant(1) },
    { weight: 1, arbitrary: fc.constantFrom(0.1, 0.5, 1.5, 16) },
  ),
  minUnit: seldom(fc.integer({ min: 2, max: 3 }), 1),
  maxUnit: seldom(fc.integer({ min: 1, max: 5 }), 10),
  stepSize: seldom(fc.integer({ min: 2, max: 3 }), 1),
  used: seldom(fc.integer({ min: 1, max: 10 }), 0),
});

const provider = fc.record({
  /** Which of the providers before it is the parent; a root where it points nowhere. */
  parent: fc.integer({ min: -2, max: MAX_PROVIDERS - 1 }),
  inventories: fc.record(
    { VCPU: inventory, DISK_GB: inventory, CUSTOM_GOLD: inventory },
    { requiredKeys: [] },
  ),
  traits: fc.subarray(PLAIN_TRAITS),
  isSharing: seldom(fc.constant(true), false),
  aggregates: fc.subarray(AGGREGATES),
});

/** Trees deep and wide, sharing providers anywhere, ids in no particular order. */
export const someFleet: fc.Arbitrary<Fleet> = fc
  .record({
    providers: fc.array(provider, { minLength: 1, maxLength: MAX_PROVIDERS }),
    ids: fc.shuffledSubarray(
      Array.from({ length: MAX_PROVIDERS }, (_, number) => number + 1),
      { minLength: MAX_PROVIDERS },
    ),
  })
  .map(({ providers, ids }) => {
    const records: ProviderRecord[] = [];
    providers.forEach((it, number) => {
      const id = ids[number]!;
      const parent = records[it.parent];
      const traits = [
        ...it.traits.map((name) => TRAITS[name as keyof typeof TRAITS]),
        ...(it.isSharing ? [TRAITS.MISC_SHARES_VIA_AGGREGATE] : []),
      ];
      records.push({
        id,
        uuid: uuidOf(id),
        name: `provider ${id}`,
        generation: 0,
        parentId: parent?.id ?? null,
        rootId: parent?.rootId ?? id,
        inventories: CLASS_NAMES.flatMap((name) => {
          const amounts = it.inventories[name as keyof typeof RESOURCE_CLASSES];
          const resourceClassId = RESOURCE_CLASSES[name as keyof typeof RESOURCE_CLASSES];
          return amounts === undefined ? [] : [{ resourceClassId, ...amounts }];
        }),
        traitIds: traits,
        aggregates: it.aggregates,
      });
    });
    return { providers: records, resourceClasses: RESOURCE_CLASSES, traits: TRAITS };
  });

// Queries.

const amount = fc.oneof(
  { weight: 3, arbitrary: fc.constant(1) },
  { weight: 2, arbitrary: fc.integer({ min: 2, max: 6 }) },
);
const anyOf = (names: string[]) =>
  fc.subarray(names, { minLength: 1 }).map((some) => new Set(some) as ReadonlySet<string>);
const setsOf = (names: string[]) =>
  seldom(fc.array(anyOf(names), { minLength: 1, maxLength: 2 }), []);
const someOf = (names: string[]) => seldom(anyOf(names), new Set<string>() as ReadonlySet<string>);

const conditions = fc.record({
  requiredTraits: setsOf(PLAIN_TRAITS),
  forbiddenTraits: someOf(PLAIN_TRAITS),
  memberOf: setsOf([...AGGREGATES, UNKNOWN_UUID]),
  forbiddenAggregates: someOf(AGGREGATES),
  inTree: seldom(
    seldom(fc.integer({ min: 1, max: MAX_PROVIDERS + 1 }).map(uuidOf), undefined),
    undefined,
  ),
});

const someResources = fc
  .dictionary(fc.constantFrom(...CLASS_NAMES), amount, { minKeys: 1, maxKeys: 3 })
  .map((amounts) => new Map(Object.entries(amounts)) as ReadonlyMap<string, number>);

const unsuffixed: fc.Arbitrary<RequestGroup> = fc
  .record({ conditions, resources: someResources })
  .map(({ conditions: more, resources }) => ({ suffix: "", resources, ...more }));

const suffixed = fc
  .record({
    conditions,
    resources: fc.oneof(
      { weight: 5, arbitrary: someResources },
      { weight: 1, arbitrary: fc.constant<ReadonlyMap<string, number>>(new Map()) },
    ),
  })
  .map(({ conditions: more, resources }) => ({ resources, ...more }));

/** Only what the parser lets through: at least one group with resources, a subtree of real groups. */
export const someQuery: fc.Arbitrary<CandidateQuery> = fc
  .record({
    unsuffixed: fc.option(unsuffixed, { nil: undefined, freq: 3 }),
    suffixed: fc.array(suffixed, { maxLength: 3 }),
    groupPolicy: fc.constantFrom("none", "isolate"),
    rootRequired: seldom(
      fc.record({ required: someOf(PLAIN_TRAITS), forbidden: someOf(PLAIN_TRAITS) }),
      undefined,
    ),
    subtrees: seldom(
      fc.array(fc.subarray([0, 1, 2], { minLength: 1 }), { minLength: 1, maxLength: 2 }),
      [],
    ),
    isNestedAware: fc.oneof(
      { weight: 4, arbitrary: fc.constant(true) },
      { weight: 1, arbitrary: fc.constant(false) },
    ),
  })
  .map((it) => {
    const numbered = it.suffixed.map((group, number) => ({ suffix: `_${number}`, ...group }));
    const groups = it.unsuffixed === undefined ? numbered : [it.unsuffixed, ...numbered];
    return {
      groups: groups.some(({ resources }) => resources.size > 0)
        ? groups
        : [...groups, { ...PLAIN_GROUP, suffix: "_VCPU" }],
      groupPolicy: it.groupPolicy,
      limit: undefined,
      rootRequired: it.rootRequired,
      sameSubtrees: it.subtrees
        .map(
          (numbers) => new Set(numbers.filter((it2) => it2 < numbered.length).map((n) => `_${n}`)),
        )
        .filter((suffixes) => suffixes.size > 0),
      isNestedAware: it.isNestedAware,
    };
  });

// Crowds: more groups than fit comfortably, so that a search runs into dead ends all the time.

const MAX_CROWD = 5;

/** One tree, and perhaps a sharing provider beside it, of providers that look much the same. */
export const crowdedFleet: fc.Arbitrary<Fleet> = fc
  .array(
    fc.record({
      parent: fc.nat(MAX_CROWD),
      devices: fc.integer({ min: 1, max: 3 }),
      traits: fc.subarray(["T1", "T2"]),
      isSharing: seldom(fc.constant(true), false),
    }),
    { minLength: 3, maxLength: MAX_CROWD },
  )
  .map((providers) => {
    const amounts = { reserved: 0, minUnit: 1, stepSize: 1, allocationRatio: 1, used: 0 };
    const records = providers.map((it, number): ProviderRecord => {
      const isOutside = it.isSharing && number === providers.length - 1;
      const isRoot = number === 0 || isOutside;
      return {
        id: number + 1,
        uuid: uuidOf(number + 1),
        name: `provider ${number + 1}`,
        generation: 0,
        parentId: isRoot ? null : 1 + (it.parent % number),
        rootId: isOutside ? number + 1 : 1,
        inventories: [RESOURCE_CLASSES.VCPU, RESOURCE_CLASSES.CUSTOM_GOLD].map((id) => ({
          resourceClassId: id,
          total: it.devices,
          maxUnit: it.devices,
          ...amounts,
        })),
        traitIds: [
          ...it.traits.map((name) => TRAITS[name as keyof typeof TRAITS]),
          ...(it.isSharing ? [TRAITS.MISC_SHARES_VIA_AGGREGATE] : []),
        ],
        aggregates: isRoot ? AGGREGATES.slice(0, 1) : [],
      };
    });
    return { providers: records, resourceClasses: RESOURCE_CLASSES, traits: TRAITS };
  });

/**
 * Fleets of one shape, of which some have a little more room: what fails in one may do in another. They share
 * nothing, so what is found in all of them is what is found in each.
 */
export const alikeFleets: fc.Arbitrary<Fleet[]> = fc
  .record({
    fleet: crowdedFleet,
    more: fc.array(fc.nat(2), { minLength: 2, maxLength: 4 }),
  })
  .map(({ fleet, more }) =>
    [0, ...more].map((extra, copy) => {
      const idOf = (id: number) => id + copy * (MAX_CROWD + 1);
      const providers = fleet.providers.map((record) => ({
        ...record,
        id: idOf(record.id),
        uuid: uuidOf(idOf(record.id)),
        name: `provider ${idOf(record.id)}`,
        parentId: record.parentId === null ? null : idOf(record.parentId),
        rootId: idOf(record.rootId),
        inventories: record.inventories.map((it, number) =>
          number === 1 && record.id === fleet.providers.length
            ? { ...it, total: it.total + extra, maxUnit: it.maxUnit + extra }
            : it,
        ),
        aggregates: record.aggregates.map(() => uuidOf(100 + copy)),
      }));
      return { ...fleet, providers };
    }),
  );

const crowdedGroup = fc
  .record({
    devices: fc.integer({ min: 0, max: 3 }),
    requiredTraits: setsOf(["T1", "T2"]),
  })
  .map(({ devices, requiredTraits }) => ({
    ...PLAIN_GROUP,
    resources: new Map(devices > 0 ? [["CUSTOM_GOLD", devices]] : []),
    requiredTraits,
  }));

export const crowdedQuery: fc.Arbitrary<CandidateQuery> = fc
  .record({
    unsuffixed: seldom(
      fc.record({ devices: fc.integer({ min: 1, max: 3 }), requiredTraits: setsOf(["T1", "T2"]) }),
      undefined,
    ),
    suffixed: fc.array(crowdedGroup, { minLength: 3, maxLength: MAX_CROWD }),
    groupPolicy: fc.constantFrom("none", "isolate"),
    subtrees: seldom(
      fc.array(fc.subarray([0, 1, 2, 3, 4], { minLength: 2 }), { minLength: 1, maxLength: 2 }),
      [],
    ),
    isNestedAware: fc.oneof(
      { weight: 5, arbitrary: fc.constant(true) },
      { weight: 1, arbitrary: fc.constant(false) },
    ),
  })
  .map(({ unsuffixed: more, suffixed: numbered, groupPolicy, subtrees, isNestedAware }) => ({
    groups: [
      ...numbered.map((group, number) => ({ ...group, suffix: `_${number}` })),
      ...(more === undefined
        ? []
        : [
            {
              ...PLAIN_GROUP,
              suffix: "",
              resources: new Map([
                ["VCPU", 1],
                ["CUSTOM_GOLD", more.devices],
              ]),
              requiredTraits: more.requiredTraits,
            },
          ]),
    ],
    groupPolicy,
    limit: undefined,
    rootRequired: undefined,
    sameSubtrees: subtrees
      .map((numbers) => numbers.filter((it) => it < numbered.length).map((it) => `_${it}`))
      .map((suffixes) => new Set(suffixes))
      .filter((suffixes) => suffixes.size > 0),
    isNestedAware,
  }));

export function uuidOf(id: number): string {
  return `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`;
}
