import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { HeldResources, Supposition } from "../../src/domain/fit.ts";
import type { ProviderRecord } from "../../src/domain/provider-record.ts";
import { RESOURCE_CLASSES, someFleet, uuidOf } from "./arbitrary.ts";
import { claimed, emptied } from "./claimed.ts";
import { ANY_TREES, ANY_VCPU, ask, facts, fitOf, flavor, NUM_RUNS } from "./fits.ts";
import { canonicalAllocations, type Fleet, plainAnchors, plainSearch } from "./plain-search.ts";

for (const [name, fleets, queries] of ANY_TREES) {
  test(`what fits into a supposed fleet is what fits into such a fleet: ${name}`, () => {
    fc.assert(
      fc.property(
        fleets,
        queries,
        fc.array(someChange, { maxLength: 3 }),
        (fleet, query, changes) => {
          const made = changes.reduce<Made>(makeSo, { fleet, suppositions: [] });
          const supposed = ask(fleet, { flavors: flavor(query), suppositions: made.suppositions });
          const fit = supposed.fits.get("it")!;
          const real = fitOf(made.fleet, query);
          // Who is in an aggregate, or in a tree, that is not there any more is not known any more.
          expect(facts(fit)).toEqual(facts(real));
        },
      ),
      { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
    );
  });
}

test("what a drained host's consumers are moved to can be claimed", () => {
  let moved = 0;
  let left = 0;
  fc.assert(
    fc.property(
      someFleet,
      fc.nat(20),
      fc.array(someHeld, { maxLength: 5 }),
      (fleet, host, held) => {
        const roots = fleet.providers.filter(({ parentId }) => parentId === null);
        const root = roots[host % roots.length]!;
        const consumers = held.map((resources, number): HeldResources => {
          return { consumerUuid: uuidOf(1000 + number), resources };
        });
        const drain: Supposition = {
          kind: "drain",
          provider: root.name,
          requiredTraits: [],
          forbiddenTraits: new Set(["T1"]),
        };
        const { drained, fits } = ask(fleet, {
          flavors: flavor(ANY_VCPU),
          suppositions: [drain],
          held: new Map([[0, consumers]]),
        });
        const { moves, notPlaced } = drained.get(root.name)!;
        expect(moves.length + notPlaced.length).toBe(consumers.length);
        let present: Fleet = {
          ...fleet,
          providers: fleet.providers.filter((it) => it.rootId !== root.id),
        };
        const queryOf = (consumerUuid: string) => ({
          ...ANY_VCPU,
          groups: [
            {
              ...ANY_VCPU.groups[0]!,
              resources: consumers.find((it) => it.consumerUuid === consumerUuid)!.resources,
              forbiddenTraits: new Set(["T1"]),
            },
          ],
        });
        for (const { consumerUuid, allocations } of moves) {
          const candidate = {
            allocations: Object.fromEntries(
              Array.from(allocations, ([uuid, amounts]) => [uuid, Object.fromEntries(amounts)]),
            ),
            mappings: {},
          };
          const possible = plainSearch(present, queryOf(consumerUuid)).candidates;
          expect(possible.map(canonicalAllocations)).toContain(canonicalAllocations(candidate));
          present = claimed(present, candidate);
        }
        for (const { consumerUuid } of notPlaced) {
          expect(plainAnchors(present, queryOf(consumerUuid)).size).toBe(0);
        }
        expect(facts(fits.get("it")!)).toEqual(facts(fitOf(present, ANY_VCPU)));
        moved += moves.length;
        left += notPlaced.length;
      },
    ),
    { numRuns: NUM_RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
  expect(Math.min(moved, left)).toBeGreaterThan(0);
});

// Suppositions, and the same done to the fleet.

interface Made {
  readonly fleet: Fleet;
  readonly suppositions: readonly Supposition[];
}

type SomeChange = (fleet: Fleet) => Made | undefined;

const someAmounts = fc.record(
  {
    total: fc.integer({ min: 1, max: 8 }),
    allocationRatio: fc.constantFrom(0.5, 1, 2),
    maxUnit: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: ["total"] },
);

const someChange: fc.Arbitrary<SomeChange> = fc
  .record({
    kind: fc.constantFrom("without", "empty", "add", "set", "set all"),
    which: fc.nat(20),
    count: fc.integer({ min: 1, max: 2 }),
    amounts: someAmounts,
    resourceClass: fc.constantFrom("VCPU" as const, "CUSTOM_GOLD" as const),
  })
  .map(({ kind, which, count, amounts, resourceClass }) => (fleet) => {
    const { providers } = fleet;
    const provider = providers[which % providers.length];
    if (provider === undefined) return undefined;
    const done = (changed: readonly ProviderRecord[], supposition: Supposition): Made => {
      return { fleet: { ...fleet, providers: changed }, suppositions: [supposition] };
    };
    const below = idsBelow(providers, provider.id);
    if (kind === "without") {
      return done(
        providers.filter(({ id }) => !below.has(id)),
        { kind, provider: provider.name },
      );
    }
    if (kind === "empty") {
      const changed = emptied(fleet).providers;
      return done(
        providers.map((it, number) => (below.has(it.id) ? changed[number]! : it)),
        { kind, provider: provider.uuid },
      );
    }
    if (kind === "add") {
      return done(addAlike(fleet, provider.rootId, count), {
        kind,
        provider: provider.name,
        count,
      });
    }
    const isAll = kind === "set all";
    const changed = providers.map((it) => {
      const has = it.inventories.some(
        ({ resourceClassId }) => resourceClassId === RESOURCE_CLASSES[resourceClass],
      );
      return (isAll ? has : it === provider) ? withAmounts(it, resourceClass, amounts) : it;
    });
    if (
      changed.some(({ inventories }) => inventories.some(({ reserved, total }) => reserved > total))
    ) {
      return undefined;
    }
    return done(changed, {
      kind: "set",
      provider: isAll ? undefined : provider.uuid,
      resourceClass,
      amounts,
    });
  });

/** Does what is supposed, where that makes sense. */
function makeSo(made: Made, change: SomeChange): Made {
  const next = change(made.fleet);
  // What was added has other names where it is only supposed.
  if (next === undefined || made.suppositions.some(({ kind }) => kind === "add")) return made;
  return { fleet: next.fleet, suppositions: [...made.suppositions, ...next.suppositions] };
}

function idsBelow(providers: readonly ProviderRecord[], id: number): ReadonlySet<number> {
  const found = new Set([id]);
  for (const it of found) {
    for (const child of providers) if (child.parentId === it) found.add(child.id);
  }
  return found;
}

function addAlike(fleet: Fleet, rootId: number, count: number): ProviderRecord[] {
  const alike = emptied(fleet).providers.filter((it) => it.rootId === rootId);
  const added = Array.from({ length: count }, (_, copy) => {
    const idOf = (id: number) => 2000 + copy * 100 + id;
    return alike.map((it) => ({
      ...it,
      id: idOf(it.id),
      uuid: uuidOf(idOf(it.id)),
      name: `added ${idOf(it.id)}`,
      parentId: it.parentId === null ? null : idOf(it.parentId),
      rootId: idOf(it.rootId),
    }));
  });
  return [...fleet.providers, ...added.flat()];
}

function withAmounts(
  record: ProviderRecord,
  resourceClass: keyof typeof RESOURCE_CLASSES,
  amounts: Readonly<Record<string, number>>,
): ProviderRecord {
  const resourceClassId = RESOURCE_CLASSES[resourceClass];
  const present = record.inventories.find((it) => it.resourceClassId === resourceClassId) ?? {
    resourceClassId,
    total: 1,
    reserved: 0,
    minUnit: 1,
    maxUnit: 2 ** 31 - 1,
    stepSize: 1,
    allocationRatio: 1,
    used: 0,
  };
  const others = record.inventories.filter((it) => it.resourceClassId !== resourceClassId);
  return {
    ...record,
    inventories: [...others, { ...present, ...amounts }].sort(
      (a, b) => a.resourceClassId - b.resourceClassId,
    ),
  };
}

const someHeld = fc
  .dictionary(fc.constantFrom("VCPU", "DISK_GB"), fc.integer({ min: 1, max: 4 }), { minKeys: 1 })
  .map((amounts) => new Map(Object.entries(amounts)) as ReadonlyMap<string, number>);
