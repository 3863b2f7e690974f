import { InvalidSupposition } from "../domain/fit-errors.ts";
import type { Supposition } from "../domain/fit.ts";
import { type InventoryAmounts, MAX_INT } from "../domain/inventory.ts";
import type { InventoryRecord, ProviderRecord } from "../domain/provider-record.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { FleetPart } from "./fleet-part.ts";
import type { Rooms } from "./rooms.ts";

/** More providers would take more memory than one request should. */
export const MAX_ADDED = 100_000;

/** What a copy of a provider costs of a budget. */
const STEPS_OF_COPY = 8;
/** To take a provider out, all of its tree are looked through: so many cost as much as a step. */
const ROWS_BY_STEP = 32;

/** An inventory of which only some amounts are said, as the API has it. */
const DEFAULTS: Omit<InventoryAmounts, "total"> = {
  reserved: 0,
  minUnit: 1,
  maxUnit: MAX_INT,
  stepSize: 1,
  allocationRatio: 1,
};

/** The suppositions that change the fleet by themselves. */
type Change = Exclude<Supposition, { kind: "drain" }>;

/**
 * A fleet with changes: trees that are changed are copied to an index of their own and changed there, the
 * others are left where they are. Trees that share providers with others are all in the one or in the other.
 */
export class SupposedFleet {
  readonly #index: IndexReader;
  readonly #time: number;
  readonly #whole: FleetPart;
  readonly #copies: ProviderIndex;
  readonly #copied = new Set<number>();
  /** No database has given out so many. */
  #nextId = MAX_INT - MAX_ADDED;

  constructor(index: IndexReader, time: number) {
    this.#index = index;
    this.#time = time;
    this.#whole = new FleetPart(index, time);
    this.#copies = ProviderIndex.withNamesOf(index);
  }

  /** Finds out who shares what. Pauses each time the budget is used up. */
  prepare(budget: Budget): Generator<void, void> {
    return this.#whole.prepare(budget);
  }

  /** Of the fleet as it is, first. */
  get parts(): readonly [FleetPart, ...FleetPart[]] {
    const rest =
      this.#copied.size === 0 ? this.#whole : new FleetPart(this.#index, this.#time, this.#copied);
    return this.#copies.size === 0
      ? [rest]
      : [rest, new FleetPart(this.#copies, this.#copies.time)];
  }

  /**
   * Makes ready to change trees. Pauses each time the budget is used up.
   *
   * @param taken what has been claimed from them besides
   */
  *copy(trees: ReadonlySet<number>, budget: Budget, taken?: Rooms): Generator<void, void> {
    const index = this.#index;
    const isPooled = yield* this.#isAnyPooled(trees, budget);
    // In the order of the fleet, so that what is looked for is found in the same order.
    for (let tree = 0; tree < index.trees.end; tree++) {
      budget.left -= 1 / 4;
      if (budget.left <= 0) yield;
      if (this.#copied.has(tree)) continue;
      if (!trees.has(tree) && !(isPooled && this.#isPooled(tree))) continue;
      this.#copied.add(tree);
      for (const row of index.trees.rows(tree)) {
        this.#copies.put(withTaken(index, row, taken));
        budget.left -= STEPS_OF_COPY;
        if (budget.left <= 0) yield;
      }
    }
  }

  *#isAnyPooled(trees: ReadonlySet<number>, budget: Budget): Generator<void, boolean> {
    if (!this.#whole.hasPools) return false;
    for (const tree of trees) {
      budget.left -= 1;
      if (budget.left <= 0) yield;
      if (this.#whole.isPooled(tree)) return true;
    }
    return false;
  }

  #isPooled(tree: number): boolean {
    return this.#whole.rootOf(tree) !== undefined && this.#whole.isPooled(tree);
  }

  /** Takes a tree out. */
  *removeTree(id: number, number: number, budget: Budget): Generator<void, void> {
    const copies = this.#copies;
    const tree = copies.treeOf(this.#rowOf(id, number));
    // The root last, so that the others have one.
    const rows = copies.trees.rows(tree).reverse();
    for (const row of rows) {
      copies.remove(copies.idOf(row));
      budget.left -= STEPS_OF_COPY + rows.length / ROWS_BY_STEP;
      if (budget.left <= 0) yield;
    }
  }

  /** Claims what has been taken from the parts that there were. */
  *claim(
    parts: readonly FleetPart[],
    takenFrom: (part: FleetPart) => Rooms | undefined,
    budget: Budget,
  ): Generator<void, void> {
    for (const part of parts) {
      const taken = takenFrom(part);
      if (taken === undefined) continue;
      if (part.index === this.#copies) yield* this.#claim(taken, budget);
      else {
        const trees = taken.all().map(([, row]) => this.#index.treeOf(row));
        yield* this.copy(new Set(trees), budget, taken);
      }
    }
  }

  *#claim(taken: Rooms, budget: Budget): Generator<void, void> {
    const copies = this.#copies;
    for (const [{ resourceClassId }, row, amount] of taken.all()) {
      budget.left -= STEPS_OF_COPY;
      if (budget.left <= 0) yield;
      const used = copies.column(resourceClassId)!.used(row) + amount;
      copies.applyUsage(copies.idOf(row), 0, new Map([[resourceClassId, used]]));
    }
  }

  /**
   * Changes the copies.
   *
   * @param id of the provider that it is about
   * @param number of the supposition, for errors
   * @throws InvalidSupposition
   */
  *change(
    supposition: Change,
    id: number | undefined,
    number: number,
    budget: Budget,
  ): Generator<void, void> {
    if (supposition.kind === "set") {
      yield* this.#set(supposition, id, number, budget);
      return;
    }
    const row = this.#rowOf(id!, number);
    if (supposition.kind === "add") {
      yield* this.#add(this.#copies.treeOf(row), supposition.count, budget);
      return;
    }
    const isEmptied = supposition.kind === "empty";
    const ofTree = this.#copies.trees.rows(this.#copies.treeOf(row)).length;
    for (const below of this.#below(row)) {
      budget.left -= STEPS_OF_COPY + (isEmptied ? 0 : ofTree / ROWS_BY_STEP);
      if (budget.left <= 0) yield;
      const record = this.#copies.getById(below)!;
      if (isEmptied) this.#copies.put(emptied(record));
      else this.#copies.remove(below);
    }
  }

  #rowOf(id: number, number: number): number {
    const row = this.#copies.findRowById(id);
    if (row === undefined) {
      throw new InvalidSupposition(number, "That provider is supposed not to be there.");
    }
    return row;
  }

  /** Ids of a provider and all below it, children before their parents. */
  #below(row: number): number[] {
    const copies = this.#copies;
    const children = new Map<number, number[]>();
    for (const other of copies.trees.rows(copies.treeOf(row))) {
      const parent = copies.parentIdOf(other);
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [copies.idOf(other)]);
      else siblings.push(copies.idOf(other));
    }
    const found = new Set([copies.idOf(row)]);
    for (const id of found) for (const child of children.get(id) ?? []) found.add(child);
    return [...found].reverse();
  }

  *#set(
    { resourceClass, amounts }: Extract<Change, { kind: "set" }>,
    id: number | undefined,
    number: number,
    budget: Budget,
  ): Generator<void, void> {
    const copies = this.#copies;
    const classId = copies.resourceClasses.idOf(resourceClass)!;
    const rows =
      id === undefined ? yield* rowsWith(copies, classId, budget) : [this.#rowOf(id, number)];
    for (const row of rows) {
      budget.left -= STEPS_OF_COPY;
      if (budget.left <= 0) yield;
      const record = copies.read(row);
      copies.put({
        ...record,
        inventories: withAmounts(record, { resourceClass, classId, amounts, number }),
      });
    }
  }

  *#add(tree: number, count: number, budget: Budget): Generator<void, void> {
    const copies = this.#copies;
    const records = copies.trees.rows(tree).map((row) => emptied(copies.read(row)));
    for (let copy = 1; copy <= count; copy++) {
      const ids = this.#newIds(records);
      for (const record of records) {
        budget.left -= STEPS_OF_COPY;
        if (budget.left <= 0) yield;
        const id = ids.get(record.id)!;
        copies.put({
          ...record,
          id,
          uuid: uuidOfAdded(id),
          name: `${record.name} (added ${copy})`,
          parentId: record.parentId === null ? null : ids.get(record.parentId)!,
          rootId: ids.get(record.rootId)!,
        });
      }
    }
  }

  /** In the order of those that they stand for, by which providers of a tree are ordered. */
  #newIds(records: readonly ProviderRecord[]): Map<number, number> {
    const ordered = records.map(({ id }) => id).sort((a, b) => a - b);
    return new Map(ordered.map((id) => [id, this.#newId()]));
  }

  #newId(): number {
    while (this.#copies.getById(this.#nextId) !== undefined) this.#nextId += 1;
    return this.#nextId++;
  }
}

/** Rows that have inventory of a class. Pauses each time the budget is used up. */
function* rowsWith(index: IndexReader, classId: number, budget: Budget): Generator<void, number[]> {
  const rows: number[] = [];
  const column = index.column(classId);
  if (column === undefined) return rows;
  for (let tree = 0; tree < index.trees.end; tree++) {
    budget.left -= 1;
    if (budget.left <= 0) yield;
    if (!column.trees.has(tree)) continue;
    rows.push(...index.trees.rows(tree).filter((row) => column.has(row)));
  }
  return rows;
}

/** One that no provider has: of a variant that nothing makes. */
function uuidOfAdded(id: number): string {
  return `ffffffff-ffff-ffff-ffff-${id.toString(16).padStart(12, "0")}`;
}

function emptied(record: ProviderRecord): ProviderRecord {
  return { ...record, inventories: record.inventories.map((it) => ({ ...it, used: 0 })) };
}

function withTaken(index: IndexReader, row: number, taken: Rooms | undefined): ProviderRecord {
  const record = index.read(row);
  if (taken === undefined) return record;
  const inventories = record.inventories.map((inventory) => {
    const column = index.column(inventory.resourceClassId)!;
    return { ...inventory, used: inventory.used + taken.taken(column, row) };
  });
  return { ...record, inventories };
}

/** The inventories of a provider, with some amounts of one class changed. */
function withAmounts(
  { uuid, inventories }: ProviderRecord,
  change: {
    readonly resourceClass: string;
    readonly classId: number;
    readonly amounts: Partial<InventoryAmounts>;
    readonly number: number;
  },
): InventoryRecord[] {
  const { resourceClass, classId, amounts, number } = change;
  const present = inventories.find((it) => it.resourceClassId === classId);
  const { total } = { ...present, ...amounts };
  if (total === undefined) {
    throw new InvalidSupposition(
      number,
      `The provider ${uuid} has no ${resourceClass}: say the total that it is supposed to have.`,
    );
  }
  const used = present?.used ?? 0;
  const changed = {
    ...DEFAULTS,
    ...present,
    ...amounts,
    total,
    used,
    resourceClassId: classId,
  };
  if (changed.reserved > total) {
    throw new InvalidSupposition(
      number,
      `More ${resourceClass} of the provider ${uuid} would be reserved, ${changed.reserved}, ` +
        `than there is, ${total}.`,
    );
  }
  return [...inventories.filter((it) => it !== present), changed].sort(
    (a, b) => a.resourceClassId - b.resourceClassId,
  );
}
