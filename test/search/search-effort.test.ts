import { describe, expect, test } from "vitest";
import type { Budget } from "../../src/search/budget.ts";
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
    const fleet = wideTrees(20, 12, 3);
    const index = indexOf(fleet);
    const candidates = searchCandidates(index, index.time, onDevices(13, 2, "none"), {
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
    // No more than what one tree takes to look at.
    expect(Math.max(...overdrawn)).toBeLessThan(13 * 14);
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
