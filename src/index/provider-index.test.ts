import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ResourceClassNotFound, TraitNotFound } from "../domain/errors.ts";
import type { ProviderFilter } from "../domain/provider-filter.ts";
import type { InventoryRecord, ProviderRecord } from "../domain/provider-record.ts";
import { searchProviders } from "./find-providers.ts";
import { ProviderIndex } from "./provider-index.ts";

const VCPU = 0;
const MEMORY_MB = 1;
const CUSTOM_GOLD = 10_000;

describe("ProviderIndex", () => {
  test("returns a provider as it was put, by UUID and by id", () => {
    const index = emptyIndex();
    const record = provider(7, {
      inventories: [inventory(VCPU, { total: 8, used: 3 }), inventory(CUSTOM_GOLD)],
      traitIds: [1, 3],
      aggregates: [uuid(100), uuid(101)],
    });
    index.put(record);
    expect(index.get(uuid(7))).toEqual(record);
    expect(index.getById(7)).toEqual(record);
    expect(index.size).toBe(1);
    expect(index.get(uuid(8))).toBeUndefined();
    expect(index.getById(8)).toBeUndefined();
  });

  test("forgets aggregates and traits that nobody has any more, and uses their numbers again", () => {
    const index = emptyIndex();
    index.put(provider(1, { aggregates: [uuid(500)], traitIds: [1] }));
    const view = index.openView();
    const first = index.aggregateNumber(uuid(500))!;
    index.put(provider(1));
    expect(index.aggregateNumber(uuid(500)), "a view still sees it").toBe(first);
    view.close();
    for (let number = 501; number < 1500; number += 1) {
      index.put(provider(1, { aggregates: [uuid(number)] }));
      expect(index.aggregateNumber(uuid(number))).toBeLessThan(3);
    }
    expect(index.aggregateNumber(uuid(500))).toBeUndefined();
    expect(index.treesOfTrait(1)).toBeUndefined();
    expect(findProviders(index, filter({ memberOf: [[uuid(1499)]] }))).toEqual([1]);
    expect(findProviders(index, filter({ memberOf: [[uuid(500)]] }))).toEqual([]);
  });

  test("forgets the inventories of a class that nobody has any more", () => {
    const index = emptyIndex();
    index.put(provider(1, { inventories: [inventory(VCPU)] }));
    index.put(provider(2, { inventories: [inventory(VCPU)] }));
    index.put(provider(2));
    expect(index.column(VCPU), "another has it").toBeDefined();
    const view = index.openView();
    index.put(provider(1));
    expect(index.column(VCPU), "a view still sees it").toBeDefined();
    view.close();
    index.put(provider(1, { generation: 2 }));
    expect(index.column(VCPU)).toBeUndefined();
    index.put(provider(1, { inventories: [inventory(VCPU)] }));
    expect(findProviders(index, filter({ resources: { VCPU: 1 } }))).toEqual([1]);
    index.remove(1);
    expect(index.column(VCPU)).toBeUndefined();
  });

  test("replaces everything of a provider", () => {
    const index = emptyIndex();
    index.put(
      provider(1, { inventories: [inventory(VCPU)], traitIds: [1], aggregates: [uuid(9)] }),
    );
    const record = provider(1, {
      name: "other",
      generation: 5,
      inventories: [inventory(MEMORY_MB)],
    });
    index.put(record);
    expect(index.getById(1)).toEqual(record);
    expect(findProviders(index, filter({ resources: { VCPU: 1 } }))).toEqual([]);
    expect(findProviders(index, filter({ resources: { MEMORY_MB: 1 } }))).toEqual([1]);
    expect(findProviders(index, filter({ required: [["T1"]] }))).toEqual([]);
    expect(findProviders(index, filter({ memberOf: [[uuid(9)]] }))).toEqual([]);
  });

  test("takes over the outcome of a claim and leaves other classes alone", () => {
    const index = emptyIndex();
    index.put(provider(1, { inventories: [inventory(VCPU), inventory(MEMORY_MB, { used: 4 })] }));
    index.applyUsage(1, 9, new Map([[VCPU, 10]]));
    expect(index.getById(1)).toMatchObject({
      generation: 9,
      inventories: [{ used: 10 }, { used: 4 }],
    });
    expect(findProviders(index, filter({ resources: { VCPU: 1 } }))).toEqual([]);
  });

  test("finds a UUID that was deleted and created anew, whichever is told first", () => {
    const index = emptyIndex();
    index.put(provider(1));
    index.put({ ...provider(2), uuid: uuid(1) });
    index.remove(1);
    expect(index.get(uuid(1))?.id).toBe(2);
  });

  test("refuses names that do not exist", () => {
    const index = emptyIndex();
    expect(() => findProviders(index, filter({ resources: { NOPE: 1 } }))).toThrow(
      new ResourceClassNotFound("NOPE"),
    );
    expect(() => findProviders(index, filter({ required: [["NOPE"]] }))).toThrow(
      new TraitNotFound("NOPE"),
    );
    expect(() => findProviders(index, filter({ forbidden: ["NOPE"] }))).toThrow(
      new TraitNotFound("NOPE"),
    );
  });

  test("filters by units, step and what is left of the capacity", () => {
    const index = emptyIndex();
    index.put(provider(1, { inventories: [inventory(VCPU, { total: 10, used: 7 })] }));
    index.put(provider(2, { inventories: [inventory(VCPU, { maxUnit: 2 })] }));
    index.put(provider(3, { inventories: [inventory(VCPU, { minUnit: 4 })] }));
    index.put(provider(4, { inventories: [inventory(VCPU, { stepSize: 2 })] }));
    index.put(provider(5, { inventories: [inventory(VCPU, { total: 2, allocationRatio: 1.5 })] }));
    index.put(provider(6, { inventories: [inventory(VCPU, { total: 9, reserved: 7 })] }));
    expect(findProviders(index, filter({ resources: { VCPU: 3 } }))).toEqual([1, 5]);
  });

  test("filters by the tree of any of its providers", () => {
    const index = emptyIndex();
    index.put(provider(3, { parentId: 2, rootId: 1 }));
    index.put(provider(2, { parentId: 1, rootId: 1 }));
    index.put(provider(4));
    index.put(provider(1));
    expect(findProviders(index, filter({ inTree: uuid(3) }))).toEqual([1, 2, 3]);
    expect(findProviders(index, filter({ inTree: uuid(4) }))).toEqual([4]);
    expect(findProviders(index, filter({ inTree: uuid(5) }))).toEqual([]);
    expect(index.rootOf(index.treeOf(index.findRow(uuid(3))!))).toBe(index.findRow(uuid(1)));
    expect(index.parentOf(index.findRow(uuid(3))!)).toBe(index.findRow(uuid(2)));
  });

  test("shows an open view the trees as they were when it was opened", () => {
    const index = emptyIndex();
    index.put(provider(1, { inventories: [inventory(VCPU, { used: 1 })] }));
    index.put(provider(2, { parentId: 1, rootId: 1, traitIds: [1] }));
    index.put(provider(3));
    const before = [index.getById(1), index.getById(2), index.getById(3)];
    const view = index.openView();
    index.applyUsage(1, 2, new Map([[VCPU, 5]]));
    index.applyUsage(1, 3, new Map([[VCPU, 6]]));
    index.remove(3);
    index.put(provider(4));
    expect(viewOf(index, view.time)).toEqual(before);
    expect(viewOf(index, index.time).map((it) => it?.id)).toEqual([1, 2, 4]);
    expect(findProviders(index, filter({}))).toEqual([1, 2, 4]);
    expect(index.getById(1)?.inventories[0]?.used).toBe(6);
    view.close();
    view.close();
    expect(viewOf(index, index.time).map((it) => it?.id)).toEqual([1, 2, 4]);
  });

  test("closes the oldest view when too much would have to be kept for it", () => {
    const index = emptyIndex(1000);
    for (let id = 1; id <= 20; id++) index.put(provider(id, { inventories: [inventory(VCPU)] }));
    const oldest = index.openView();
    index.applyUsage(1, 1, new Map([[VCPU, 1]]));
    const newest = index.openView();
    for (let id = 2; id <= 5; id++) index.applyUsage(id, 1, new Map([[VCPU, 1]]));
    expect([oldest.isOpen, newest.isOpen]).toEqual([true, true]);
    for (let id = 6; id <= 7; id++) index.applyUsage(id, 1, new Map([[VCPU, 1]]));
    expect([oldest.isOpen, newest.isOpen]).toEqual([false, true]);
    expect(viewOf(index, newest.time).map((it) => it!.generation)).toEqual(
      Array.from({ length: 20 }, (_, number) => (number === 0 ? 1 : 0)),
    );
    for (let id = 8; id <= 20; id++) index.applyUsage(id, 1, new Map([[VCPU, 1]]));
    expect(newest.isOpen).toBe(false);
    expect(viewOf(index, index.time)).toHaveLength(20);
  });

  test("forgets what a view has left behind bit by bit, faster than more is left", () => {
    const index = emptyIndex();
    for (let id = 1; id <= 100; id++) index.put(provider(id));
    const view = index.openView();
    for (let id = 1; id <= 100; id++) index.applyUsage(id, 1, new Map());
    expect(index.trees.end).toBe(200);
    view.close();
    for (let id = 1; id <= 30; id++) index.applyUsage(id, 2, new Map());
    expect(index.trees.firstRetired).toBe(-1);
    for (let id = 101; id <= 200; id++) index.put(provider(id));
    expect(index.trees.end, "the numbers are used again").toBe(200);
  });

  test("holds after any sequence of changes what an index built anew holds, and views what they saw", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const index = emptyIndex();
        const records = new Map<number, ProviderRecord>();
        const views: { view: ReturnType<ProviderIndex["openView"]>; expected: string }[] = [];
        for (const step of changes) {
          if (step.kind === "put") {
            index.put(step.record);
            records.set(step.record.id, step.record);
          } else if (step.kind === "remove") {
            index.remove(step.id);
            records.delete(step.id);
          } else if (step.kind === "use") {
            index.applyUsage(step.id, step.used, new Map([[VCPU, step.used]]));
            const record = records.get(step.id);
            if (record !== undefined) records.set(step.id, withUsage(record, step.used));
          } else if (step.kind === "open") {
            views.push({ view: index.openView(), expected: contentsOf(records.values()) });
          } else {
            views.splice(step.id % (views.length + 1), 1)[0]?.view.close();
          }
          for (const { view, expected: seen } of views) {
            expect(contentsOf(viewOf(index, view.time))).toBe(seen);
          }
        }
        expect(contentsOf(viewOf(index, index.time))).toBe(contentsOf(records.values()));
        expectSameAnswers(index, rebuilt(records.values()));
        for (const { view } of views) view.close();
        index.clear();
        expect(index.size).toBe(0);
        expect(viewOf(index, index.time)).toEqual([]);
        expect(findProviders(index, filter({ resources: { VCPU: 1 } }))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

// Changes are about a handful of providers, so that they meet; rows of a tree come in any order,
// and change their parent and root one by one, as they do when a subtree is moved.
const someId = fc.integer({ min: 1, max: 6 });
const someRecord = fc
  .record({
    id: someId,
    rootId: someId,
    parentId: someId,
    classes: fc.subarray([VCPU, MEMORY_MB, CUSTOM_GOLD]),
    total: fc.integer({ min: 1, max: 9 }),
    traitIds: fc.subarray([1, 2, 3]),
    aggregates: fc.subarray([uuid(100), uuid(101)]),
  })
  .map(({ id, rootId, parentId, classes, total, traitIds, aggregates }) =>
    provider(id, {
      rootId,
      parentId: rootId === id ? null : parentId,
      inventories: classes.map((resourceClassId) => inventory(resourceClassId, { total })),
      traitIds,
      aggregates,
    }),
  );
const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put" as const), record: someRecord }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), id: someId }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("use" as const),
      id: someId,
      used: fc.integer({ min: 0, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("open" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), id: fc.nat(5) }) },
);

function expectSameAnswers(index: ProviderIndex, other: ProviderIndex): void {
  for (const asked of [
    filter({}),
    filter({ resources: { VCPU: 3 } }),
    filter({ resources: { MEMORY_MB: 2, CUSTOM_GOLD: 1 } }),
    filter({ required: [["T1"], ["T2", "T3"]] }),
    filter({ forbidden: ["T1"], memberOf: [[uuid(100)]] }),
    filter({ forbiddenAggregates: [uuid(101)] }),
    filter({ inTree: uuid(1) }),
  ]) {
    expect(findProviders(index, asked)).toEqual(findProviders(other, asked));
  }
}

function rebuilt(records: Iterable<ProviderRecord>): ProviderIndex {
  const index = emptyIndex();
  for (const record of records) index.put(record);
  return index;
}

function viewOf(index: ProviderIndex, time: number): (ProviderRecord | undefined)[] {
  const records: (ProviderRecord | undefined)[] = [];
  for (let tree = 0; tree < index.trees.end; tree++) {
    if (!index.trees.isVisible(tree, time)) continue;
    for (const row of index.trees.rows(tree)) records.push(index.read(row));
  }
  return records.sort((a, b) => a!.id - b!.id);
}

function contentsOf(records: Iterable<ProviderRecord | undefined>): string {
  const sorted = [...records].sort((a, b) => a!.id - b!.id);
  return JSON.stringify(sorted, null, 1);
}

function withUsage(record: ProviderRecord, used: number): ProviderRecord {
  const inventories = record.inventories.map((it) =>
    it.resourceClassId === VCPU ? { ...it, used } : it,
  );
  return { ...record, generation: used, inventories };
}

function emptyIndex(maxRetiredBytes?: number): ProviderIndex {
  const index = new ProviderIndex(maxRetiredBytes);
  const named = (id: number, name: string) => ({ id, name, createdAt: null, updatedAt: null });
  index.resourceClasses.replaceAll([
    named(VCPU, "VCPU"),
    named(MEMORY_MB, "MEMORY_MB"),
    named(CUSTOM_GOLD, "CUSTOM_GOLD"),
  ]);
  index.traits.replaceAll([named(1, "T1"), named(2, "T2"), named(3, "T3")]);
  return index;
}

function provider(id: number, more: Partial<ProviderRecord> = {}): ProviderRecord {
  return {
    id,
    uuid: uuid(id),
    name: `provider ${id}`,
    generation: 0,
    parentId: null,
    rootId: id,
    inventories: [],
    traitIds: [],
    aggregates: [],
    ...more,
  };
}

function inventory(resourceClassId: number, more: Partial<InventoryRecord> = {}): InventoryRecord {
  return {
    resourceClassId,
    total: 10,
    reserved: 0,
    minUnit: 1,
    maxUnit: 10,
    stepSize: 1,
    allocationRatio: 1,
    used: 0,
    ...more,
  };
}

function filter(asked: {
  resources?: Record<string, number>;
  required?: string[][];
  forbidden?: string[];
  memberOf?: string[][];
  forbiddenAggregates?: string[];
  inTree?: string;
}): ProviderFilter {
  return {
    resources: new Map(Object.entries(asked.resources ?? {})),
    requiredTraits: (asked.required ?? []).map((names) => new Set(names)),
    forbiddenTraits: new Set(asked.forbidden),
    memberOf: (asked.memberOf ?? []).map((uuids) => new Set(uuids)),
    forbiddenAggregates: new Set(asked.forbiddenAggregates),
    inTree: asked.inTree,
  };
}

function uuid(id: number): string {
  return `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`;
}

function findProviders(index: ProviderIndex, asked: ProviderFilter): number[] {
  const search = searchProviders(index, index.time, { filter: asked });
  for (;;) {
    const step = search.next();
    if (step.done) return Array.from(step.value.rows, index.idOf);
  }
}
