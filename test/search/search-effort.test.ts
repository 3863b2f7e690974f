import { describe, expect, test } from "vitest";
import type { Budget } from "../../src/search/budget.ts";
import { anchors } from "../../src/search/anchoring.ts";
import { SearchNotes } from "../../src/search/failed-shapes.ts";
import { SearchPlan } from "../../src/search/search-plan.ts";
import { searchCandidates } from "../../src/search/search.ts";
import type { CandidateQuery, RequestGroup } from "../../src/domain/candidate-query.ts";
import type { InventoryRecord, ProviderRecord } from "../../src/domain/provider-record.ts";
import { RESOURCE_CLASSES, TRAITS, uuidOf } from "./arbitrary.ts";
import { indexOf } from "./fast-search.ts";
import type { Fleet } from "./plain-search.ts";

type Policy = "isolate" | "none";

/** Effort is counted in providers looked at, so that the tests do not depend on the machine. */
describe("the effort of a search", () => {
  const policies: Policy[] = ["isolate", "none"];
  const shapes = policies.flatMap((policy) =>
    [8, 16, 32, 64].flatMap((devices) => [4, 6, 8].map((groups) => ({ policy, devices, groups }))),
  );
  test.each(shapes)(
    "is linear in the candidates for $groups groups on $devices devices, $policy",
    ({ policy, devices, groups }) => {
      const { found, effort } = search(wideTrees(100, devices, 1), onDevices(groups, 1, policy));
      expect(found).toBe(1000);
      expect(effort).toBeLessThan(1000 * (devices + groups));
    },
  );

  test.each([
    { policy: "isolate" as const, devices: 7, groups: 8, size: 1, amount: 1 },
    { policy: "isolate" as const, devices: 31, groups: 32, size: 1, amount: 1 },
    { policy: "none" as const, devices: 7, groups: 8, size: 1, amount: 1 },
    { policy: "none" as const, devices: 31, groups: 32, size: 1, amount: 1 },
    { policy: "none" as const, devices: 16, groups: 17, size: 3, amount: 2 },
  ])(
    "stays small where $groups groups of $amount do not fit $devices devices of $size, $policy",
    ({ policy, devices, groups, size, amount }) => {
      const fleet = wideTrees(1, devices, size);
      const { found, effort } = search(fleet, onDevices(groups, amount, policy));
      expect(found).toBe(0);
      expect(effort).toBeLessThan(devices * groups * 20);
    },
  );

  test("is told as it is made where groups fail late, so that the search can pause", () => {
    const index = indexOf(wideTrees(1, 12, 9));
    const candidates = searchCandidates(index, index.time, packing(12), {
      strategy: "depth-first",
      maxCandidates: -1,
    });
    const overdrawn: number[] = [];
    const budget: Budget = { left: 100 };
    while (candidates.next(budget) === "paused") {
      overdrawn.push(-budget.left);
      budget.left = 100;
    }
    expect(overdrawn.length).toBeGreaterThan(20);
    // No more than what the providers of one tree take to look at.
    expect(Math.max(...overdrawn)).toBeLessThan(5 * 13);
  });

  test("has in it what it takes to see that a tree lies as the one before", () => {
    const [groups, devices] = [20, 200];
    const index = indexOf(wideTrees(3, devices, groups));
    const query = onDevices(groups, 1, "none");
    const sameSubtrees = query.groups.slice(1).map(({ suffix }) => new Set([suffix]));
    const plan = new SearchPlan(index, index.time, { ...query, sameSubtrees });
    const notes = new SearchNotes();
    for (const tree of [0, 1, 2]) {
      const budget = { left: 1e9 };
      expect(anchors(plan, tree, notes, budget).next()).toEqual({ done: true, value: true });
      // Each same_subtree has all providers of all groups before it.
      expect(1e9 - budget.left).toBeGreaterThan((groups * groups * devices) / 64);
    }
  });

  test.each([
    { devices: 192, size: 5, groups: 193, amount: 3 },
    { devices: 64, size: 7, groups: 65, amount: 4 },
  ])(
    "is one look where $groups groups of $amount want more than $devices devices of $size can take",
    ({ devices, size, groups, amount }) => {
      const { found, effort } = search(
        wideTrees(1, devices, size),
        onDevices(groups, amount, "none"),
      );
      expect(found).toBe(0);
      // The devices are looked at for all equal groups at once.
      expect(effort).toBeLessThan(devices * 4);
    },
  );

  test("is one look where the devices of a trait are too few for the groups that want them", () => {
    const fleet = wideTrees(1, 60, 1);
    for (const device of fleet.providers.slice(-20))
      Object.assign(device, { traitIds: [TRAITS.T1] });
    const query = onDevices(41, 1, "isolate");
    const groups = query.groups.map((it, number) =>
      number > 20 ? { ...it, requiredTraits: [new Set(["T1"])] } : it,
    );
    const { found, effort } = search(fleet, { ...query, groups });
    expect(found).toBe(0);
    expect(effort).toBeLessThan(60 * 5);
  });

  test.each([10, 1000])("is that of one where $0 trees of one shape cannot meet it", (trees) => {
    const one = search(wideTrees(1, 6, 9), packing(6));
    const all = search(wideTrees(trees, 6, 9), packing(6));
    expect([one.found, all.found]).toEqual([0, 0]);
    expect(one.effort).toBeGreaterThan(200);
    // A look at each, to see its shape.
    expect(all.effort).toBeLessThan(one.effort + trees * 7 * 6);
  });

  test("is not spent on trees of another shape by what was found out about one", () => {
    const fleet = wideTrees(5, 6, 9);
    const [gold] = fleet.providers.at(-1)!.inventories;
    Object.assign(gold!, { total: 18, maxUnit: 18 });
    const { found } = search(fleet, { ...packing(6), limit: 1 });
    expect(found).toBe(1);
  });

  test("does not grow with the fleet when there is a limit", () => {
    const query = onDevices(0, 1, "none");
    const small = search(wideTrees(1000, 1, 1), { ...query, limit: 100 });
    const large = search(wideTrees(10_000, 1, 1), { ...query, limit: 100 });
    expect(small.found).toBe(100);
    expect(large).toEqual(small);
  });

  test("does not grow with the fleet when a random sample is wanted", () => {
    let state = 1;
    const random = () => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state / 0x7fff_ffff;
    };
    const query = { ...onDevices(0, 1, "none"), limit: 100 };
    const { found, effort } = search(wideTrees(10_000, 1, 1), query, random);
    expect(found).toBe(100);
    expect(effort).toBeLessThan(1000);
  });

  test("is next to nothing when no provider has what is asked for", () => {
    const query: CandidateQuery = {
      ...onDevices(1, 1, "none"),
      groups: [group("", { VCPU: 1, DISK_GB: 1 })],
    };
    expect(search(wideTrees(10_000, 1, 1), query)).toEqual({ found: 0, effort: 1 });
  });
});

function search(
  fleet: Fleet,
  query: CandidateQuery,
  random?: () => number,
): { found: number; effort: number } {
  const index = indexOf(fleet);
  const budget: Budget = { left: 1e9 };
  const candidates = searchCandidates(index, index.time, query, {
    strategy: "depth-first",
    maxCandidates: -1,
    ...(random && { random }),
  });
  let found = 0;
  while (candidates.next(budget) === "found") found += 1;
  return { found, effort: 1e9 - budget.left };
}

/** Trees of a root with VCPU and some equal devices. */
function wideTrees(trees: number, devices: number, deviceSize: number): Fleet {
  const providers: ProviderRecord[] = [];
  for (let tree = 0; tree < trees; tree++) {
    const root = providers.length + 1;
    providers.push(provider(root, null, root, [inventory(RESOURCE_CLASSES.VCPU, 8)]));
    for (let device = 0; device < devices; device++) {
      const inventories = [inventory(RESOURCE_CLASSES.CUSTOM_GOLD, deviceSize)];
      providers.push(provider(providers.length + 1, root, root, inventories));
    }
  }
  return { providers, resourceClasses: RESOURCE_CLASSES, traits: TRAITS };
}

function onDevices(groups: number, amount: number, groupPolicy: Policy): CandidateQuery {
  return {
    groups: [
      group("", { VCPU: 1 }),
      ...Array.from({ length: groups }, (_, number) =>
        group(`_${number}`, { CUSTOM_GOLD: amount }),
      ),
    ],
    groupPolicy,
    limit: 1000,
    rootRequired: undefined,
    sameSubtrees: [],
    isNestedAware: true,
  };
}

/**
 * As many groups as fit the devices of 9 by count and by sum, and do not: two of 4 fill a device, and the
 * one place that is left for the two of 3 takes one.
 */
function packing(devices: number): CandidateQuery {
  const amounts = [...Array.from({ length: 2 * devices - 1 }, () => 4), 3, 3];
  const query = onDevices(amounts.length, 1, "none");
  return {
    ...query,
    groups: query.groups.map((it, number) =>
      number === 0 ? it : { ...it, resources: new Map([["CUSTOM_GOLD", amounts[number - 1]!]]) },
    ),
  };
}

function group(suffix: string, resources: Record<string, number>): RequestGroup {
  return {
    suffix,
    resources: new Map(Object.entries(resources)),
    requiredTraits: [],
    forbiddenTraits: new Set(),
    memberOf: [],
    forbiddenAggregates: new Set(),
    inTree: undefined,
  };
}

function provider(
  id: number,
  parentId: number | null,
  rootId: number,
  inventories: InventoryRecord[],
): ProviderRecord {
  return {
    id,
    uuid: uuidOf(id),
    name: `provider ${id}`,
    generation: 0,
    parentId,
    rootId,
    inventories,
    traitIds: [],
    aggregates: [],
  };
}

function inventory(resourceClassId: number, total: number): InventoryRecord {
  return {
    resourceClassId,
    total,
    reserved: 0,
    minUnit: 1,
    maxUnit: total,
    stepSize: 1,
    allocationRatio: 1,
    used: 0,
  };
}
