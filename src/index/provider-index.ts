import type { ProviderFilter } from "../domain/provider-filter.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderSummary } from "../domain/provider-summary.ts";
import type { ProviderPlace } from "../domain/provider-tree.ts";
import { Bitset } from "./bitset.ts";
import { ChangeJournal } from "./change-journal.ts";
import { searchProviders } from "./find-providers.ts";
import { InventoryColumn } from "./inventory-column.ts";
import { NameRegistry } from "./name-registry.ts";
import { PagedIntegers } from "./paged-array.ts";
import { RowsByUuid } from "./rows-by-uuid.ts";
import { SetPool } from "./set-pool.ts";
import { NONE, TreeTable } from "./tree-table.ts";

/** The trees of the index as they were when the view was opened. */
export interface IndexView {
  readonly time: number;
  /** False once it was closed, by its user or by the index: what it saw may be gone. */
  readonly isOpen: boolean;
  /** Lets the index forget what only this view still needs. May be called more than once. */
  close(): void;
}

/**
 * So much is kept for views at most. With more, the oldest view is closed: it belongs to an answer
 * that is read so slowly that half a million hosts have changed meanwhile.
 */
const MAX_RETIRED_BYTES = 128 * 1024 * 1024;
/** What a row takes, and each of its inventories. */
const ROW_BYTES = 100;
const INVENTORY_BYTES = 56;

/** So many rows are looked at in one piece to find those in use: 2 ms. */
const MAX_ROWS_LOOKED_AT = 20_000;

/** So many trees that no view sees any more are forgotten with each write. */
const FREED_AT_ONCE = 4;

/**
 * The read model: every provider with its tree, inventories, traits, aggregates, generation and
 * used amounts, laid out for scanning.
 *
 * Each provider has a row. Rows and trees are dense numbers that are used again; both are only
 * meaningful within one synchronous piece of work or, while a view is open, within that view.
 *
 * Views are kept consistent by copy on write: before a tree that an open view sees is changed, it
 * is copied to new rows, which become the present; the old rows stay as they are until the last
 * view that sees them is closed. Without open views everything is changed in place. Nothing here
 * takes time or memory in one piece that grows with the number of providers: everybody would wait.
 */
export class ProviderIndex {
  readonly resourceClasses = new NameRegistry();
  readonly traits = new NameRegistry();
  readonly trees = new TreeTable();
  readonly classSets = new SetPool();
  readonly traitSets = new SetPool();
  readonly aggregateSets = new SetPool();
  /** Each change of a tree or of a provider in it. */
  readonly journal = new ChangeJournal();

  readonly #rowOfId = new Map<number, number>();
  readonly #rowOfUuid = new RowsByUuid();
  readonly #freeRows: number[] = [];
  #rows = 0;
  #uuid: string[] = [];
  #name: string[] = [];
  readonly #id = new PagedIntegers();
  readonly #generation = new PagedIntegers();
  readonly #parentId = new PagedIntegers();
  readonly #tree = new PagedIntegers();
  readonly #classSet = new PagedIntegers();
  readonly #traitSet = new PagedIntegers();
  readonly #aggregateSet = new PagedIntegers();
  readonly #changes = new PagedIntegers();
  readonly #arrays = [
    this.#id,
    this.#generation,
    this.#parentId,
    this.#tree,
    this.#classSet,
    this.#traitSet,
    this.#aggregateSet,
    this.#changes,
  ];

  readonly #columns = new Map<number, InventoryColumn>();
  readonly #treesOfTrait = new Map<number, Bitset>();
  readonly #aggregateNumbers = new Map<string, number>();
  readonly #aggregateUuids: string[] = [];
  /** Numbers of aggregates that no provider is in any more. */
  readonly #freeAggregates: number[] = [];
  readonly #treesOfAggregate = new Map<number, Bitset>();

  /** The row that was looked at last by `nextToCheck`. */
  #checked = -1;
  #time = 0;
  readonly #openViews = new Set<IndexView>();
  #newestViewTime = NONE;
  readonly #maxRetiredBytes: number;
  #retiredBytes = 0;

  constructor(maxRetiredBytes = MAX_RETIRED_BYTES) {
    this.#maxRetiredBytes = maxRetiredBytes;
  }

  /** How many providers there are. */
  get size(): number {
    return this.#rowOfId.size;
  }

  /** Inserts a provider, or replaces all that is known of the one with the same id. */
  put(record: ProviderRecord): void {
    const known = this.#writableRow(record.id);
    const tree = this.#writableTree(record.rootId);
    const row = known ?? this.#allocateRow(record.id);
    const previousTree = known === undefined ? NONE : this.#tree.get(row);
    this.#setNames(row, record);
    this.#generation.set(row, record.generation);
    this.#parentId.set(row, record.parentId ?? NONE);
    if (previousTree !== tree) {
      if (previousTree !== NONE) this.#leaveTree(previousTree, row);
      this.#tree.set(row, tree);
      this.trees.link(tree, row, this.idOf);
    }
    this.#setContents(row, record, previousTree);
    this.#countChange(row);
  }

  /** Removes a provider; does nothing when there is none with the id. */
  remove(id: number): void {
    const row = this.#writableRow(id);
    if (row === undefined) return;
    this.#rowOfId.delete(id);
    this.#forgetUuid(row);
    this.#freeRow(row);
  }

  /**
   * Takes over the outcome of a claim.
   *
   * @param generation the provider's new generation
   * @param usedByResourceClassId the new sums of all allocations; other classes stay as they are
   */
  applyUsage(
    id: number,
    generation: number,
    usedByResourceClassId: ReadonlyMap<number, number>,
  ): void {
    const row = this.#writableRow(id);
    if (row === undefined) return;
    this.#generation.set(row, generation);
    for (const [resourceClassId, used] of usedByResourceClassId) {
      this.#columns.get(resourceClassId)?.writeUsed(row, used);
    }
    this.#countChange(row);
  }

  /** Does not copy anything for open views: no candidate depends on a generation. */
  setGeneration(id: number, generation: number): void {
    const row = this.#rowOfId.get(id);
    if (row !== undefined) this.#generation.set(row, generation);
  }

  /** @param uuid in any spelling */
  get(uuid: string): ProviderRecord | undefined {
    const row = this.#rowOfUuid.get(uuid);
    return row === undefined ? undefined : this.read(row);
  }

  getById(id: number): ProviderRecord | undefined {
    const row = this.#rowOfId.get(id);
    return row === undefined ? undefined : this.read(row);
  }

  /**
   * The ids of some providers of which there is something to be lost: of those in use first of all. The
   * rows are looked at in turn, so many at most each time, so that each has its turn.
   *
   * @param count so many of those in use, and of others, at most
   */
  nextToCheck(count: number): number[] {
    const used: number[] = [];
    const others: number[] = [];
    const most = Math.min(this.#rows, MAX_ROWS_LOOKED_AT);
    for (let looked = 0; looked < most && used.length < count; looked++) {
      this.#checked = (this.#checked + 1) % this.#rows;
      const row = this.#checked;
      const id = this.#id.get(row);
      if (this.#rowOfId.get(id) !== row) continue;
      if (this.#isUsed(row)) used.push(id);
      else if (others.length < count) others.push(id);
    }
    return [...used, ...others];
  }

  #isUsed(row: number): boolean {
    return this.classSets
      .members(this.#classSet.get(row))
      .some((classId) => this.#columns.get(classId)!.used(row) > 0);
  }

  /**
   * The ids of the present providers that meet a filter, ascending.
   *
   * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
   */
  findProviders(filter: ProviderFilter): number[] {
    const search = searchProviders(this, this.#time, filter);
    for (;;) {
      const step = search.next();
      if (step.done) return step.value;
    }
  }

  /** Removes all providers. Resource classes and traits stay. */
  clear(): void {
    for (const id of this.#rowOfId.keys()) this.remove(id);
  }

  /** Keeps the trees as they are now readable until the view is closed. */
  openView(): IndexView {
    const openViews = this.#openViews;
    const view: IndexView = {
      time: this.#time,
      get isOpen() {
        return openViews.has(view);
      },
      close: () => this.#closeView(view),
    };
    openViews.add(view);
    this.#newestViewTime = view.time;
    this.#time += 1;
    return view;
  }

  // What a search reads.

  /** Increases whenever the name of a resource class or of a trait may mean something else. */
  get namings(): number {
    return this.resourceClasses.changes + this.traits.changes;
  }

  /** What a search that finishes before anything else happens sees. */
  get time(): number {
    return this.#time;
  }

  /** One more than the highest row in use. */
  get endOfRows(): number {
    return this.#rows;
  }

  findRow(uuid: string): number | undefined {
    return this.#rowOfUuid.get(uuid);
  }

  /** Where all providers lie. */
  *places(): Iterable<ProviderPlace> {
    for (const row of this.#rowOfId.values()) yield this.#placeOfRow(row);
  }

  placeOf(id: number): ProviderPlace | undefined {
    const row = this.#rowOfId.get(id);
    return row === undefined ? undefined : this.#placeOfRow(row);
  }

  readonly idOf = (row: number): number => this.#id.get(row);

  uuidOf(row: number): string {
    return this.#uuid[row]!;
  }

  treeOf(row: number): number {
    return this.#tree.get(row);
  }

  classSetOf(row: number): number {
    return this.#classSet.get(row);
  }

  traitSetOf(row: number): number {
    return this.#traitSet.get(row);
  }

  aggregateSetOf(row: number): number {
    return this.#aggregateSet.get(row);
  }

  /** Increases whenever anything about the row changes, even to another provider. */
  changesOf(row: number): number {
    return this.#changes.get(row);
  }

  /** The row of a tree's root; `NONE` while the root is missing. */
  rootOf(tree: number): number {
    const first = this.trees.firstRow(tree);
    return first !== NONE && this.#id.get(first) === this.trees.rootId(tree) ? first : NONE;
  }

  /** The id of a provider's parent; `NONE` for a root. */
  parentIdOf(row: number): number {
    return this.#parentId.get(row);
  }

  /** The row of a provider's parent in the same tree; `NONE` for a root. */
  parentOf(row: number): number {
    const parentId = this.#parentId.get(row);
    if (parentId === NONE) return NONE;
    const tree = this.#tree.get(row);
    const current = this.#rowOfId.get(parentId);
    if (current !== undefined && this.#tree.get(current) === tree) return current;
    // A present tree has present rows only: the parent is missing, or lies in another tree.
    if (this.#rowOfId.get(this.#id.get(row)) === row) return NONE;
    return this.trees.rows(tree).find((other) => this.#id.get(other) === parentId) ?? NONE;
  }

  /** The inventories of a class; undefined when there have never been any. */
  column(resourceClassId: number): InventoryColumn | undefined {
    return this.#columns.get(resourceClassId);
  }

  /** The trees in which some provider has the trait. */
  treesOfTrait(traitId: number): Bitset | undefined {
    return this.#treesOfTrait.get(traitId);
  }

  /** The number that stands for an aggregate in `aggregateSets`, while a provider is in it. */
  aggregateNumber(uuid: string): number | undefined {
    return this.#aggregateNumbers.get(uuid);
  }

  /** The trees in which some provider belongs to the aggregate. */
  treesOfAggregate(aggregate: number): Bitset | undefined {
    return this.#treesOfAggregate.get(aggregate);
  }

  /** Builds the record of a row. */
  read(row: number): ProviderRecord {
    return {
      id: this.#id.get(row),
      uuid: this.#uuid[row]!,
      name: this.#name[row]!,
      generation: this.#generation.get(row),
      parentId: this.#parentId.get(row) === NONE ? null : this.#parentId.get(row),
      rootId: this.trees.rootId(this.#tree.get(row)),
      inventories: [...this.classSets.members(this.#classSet.get(row))].map((resourceClassId) =>
        this.#columns.get(resourceClassId)!.read(row),
      ),
      traitIds: [...this.traitSets.members(this.#traitSet.get(row))],
      aggregates: Array.from(
        this.aggregateSets.members(this.#aggregateSet.get(row)),
        (aggregate) => this.#aggregateUuids[aggregate]!,
      ).sort(),
    };
  }

  summarize(row: number): ProviderSummary {
    const parent = this.parentOf(row);
    const root = this.rootOf(this.#tree.get(row));
    return {
      uuid: this.#uuid[row]!,
      parentUuid: parent === NONE ? null : this.#uuid[parent]!,
      rootUuid: this.#uuid[root === NONE ? row : root]!,
      resources: [...this.classSets.members(this.#classSet.get(row))].flatMap((id) => {
        const column = this.#columns.get(id)!;
        const resourceClass = this.resourceClasses.nameOf(id);
        // Names that an open view still refers to may be gone by now.
        if (resourceClass === undefined) return [];
        return [{ resourceClass, capacity: column.capacity(row), used: column.used(row) }];
      }),
      traits: [...this.traitSets.members(this.#traitSet.get(row))].flatMap(
        (id) => this.traits.nameOf(id) ?? [],
      ),
    };
  }

  firstRowOf(tree: number): number {
    return this.trees.firstRow(tree);
  }

  /** The next row of the same tree; after the last comes the first. */
  nextRowOf(row: number): number {
    return this.trees.nextRow(row);
  }

  // Rows.

  #leaveTree(tree: number, row: number): void {
    this.trees.unlink(tree, row);
    this.journal.note(tree);
  }

  #allocateRow(id: number): number {
    const row = this.#freeRows.pop() ?? this.#rows++;
    for (const array of this.#arrays) array.reach(row);
    this.#id.set(row, id);
    this.#uuid[row] = "";
    this.#classSet.set(row, 0);
    this.#traitSet.set(row, 0);
    this.#aggregateSet.set(row, 0);
    this.#rowOfId.set(id, row);
    return row;
  }

  #setNames(row: number, record: ProviderRecord): void {
    if (this.#uuid[row] !== record.uuid) this.#forgetUuid(row);
    this.#uuid[row] = record.uuid;
    this.#rowOfUuid.set(record.uuid, row);
    this.#name[row] = record.name;
  }

  /** Leaves the UUID to another row that has taken it over: deleted and created anew elsewhere. */
  #forgetUuid(row: number): void {
    this.#rowOfUuid.delete(this.#uuid[row]!, row);
  }

  #countChange(row: number): void {
    this.#changes.set(row, this.#changes.get(row) + 1);
    this.journal.note(this.#tree.get(row));
  }

  #placeOfRow(row: number): ProviderPlace {
    const parentId = this.#parentId.get(row);
    return {
      id: this.#id.get(row),
      parentId: parentId === NONE ? null : parentId,
      rootId: this.trees.rootId(this.#tree.get(row)),
    };
  }

  /** Unlinks a row from its tree, forgets its contents and gives it back. */
  #freeRow(row: number): void {
    const tree = this.#tree.get(row);
    this.#leaveTree(tree, row);
    this.#setContents(row, EMPTY, tree);
    this.#giveBack(row);
  }

  #giveBack(row: number): void {
    this.#uuid[row] = "";
    this.#name[row] = "";
    this.#countChange(row);
    this.#freeRows.push(row);
  }

  /**
   * Replaces inventories, traits and aggregates, and keeps the sets of trees right.
   *
   * @param previousTree where the row was until now
   */
  #setContents(
    row: number,
    contents: Pick<ProviderRecord, "inventories" | "traitIds" | "aggregates">,
    previousTree: number,
  ): void {
    const classSet = this.classSets.acquire(
      contents.inventories.map(({ resourceClassId }) => resourceClassId),
    );
    const traitSet = this.traitSets.acquire(contents.traitIds);
    const aggregateSet = this.aggregateSets.acquire(
      contents.aggregates.map((uuid) => this.#ensureAggregate(uuid)).sort((a, b) => a - b),
    );
    const previousClassSet = this.#classSet.get(row);
    const previousTraitSet = this.#traitSet.get(row);
    const previousAggregateSet = this.#aggregateSet.get(row);
    for (const resourceClassId of this.classSets.members(previousClassSet)) {
      if (!this.classSets.has(classSet, resourceClassId)) {
        this.#columns.get(resourceClassId)!.delete(row);
      }
    }
    for (const inventory of contents.inventories) {
      this.#ensureColumn(inventory.resourceClassId).write(row, inventory);
    }
    this.#classSet.set(row, classSet);
    this.#traitSet.set(row, traitSet);
    this.#aggregateSet.set(row, aggregateSet);
    this.#addToTreeSets(row);
    if (previousTree !== NONE) {
      const hasLeft = previousTree !== this.#tree.get(row) || contents === EMPTY;
      if (hasLeft || previousClassSet !== classSet) {
        this.#dropClasses(previousTree, previousClassSet);
      }
      if (hasLeft || previousTraitSet !== traitSet) {
        this.#dropTraits(previousTree, previousTraitSet);
      }
      if (hasLeft || previousAggregateSet !== aggregateSet) {
        this.#dropAggregates(previousTree, previousAggregateSet);
      }
      if (this.trees.firstRow(previousTree) === NONE) this.trees.free(previousTree);
    }
    this.classSets.release(previousClassSet);
    this.traitSets.release(previousTraitSet);
    this.aggregateSets.release(previousAggregateSet);
  }

  // Sets of trees.

  #ensureColumn(resourceClassId: number): InventoryColumn {
    let column = this.#columns.get(resourceClassId);
    if (column === undefined) {
      column = new InventoryColumn(resourceClassId);
      this.#columns.set(resourceClassId, column);
    }
    return column;
  }

  #ensureAggregate(uuid: string): number {
    let aggregate = this.#aggregateNumbers.get(uuid);
    if (aggregate === undefined) {
      aggregate = this.#freeAggregates.pop() ?? this.#aggregateUuids.length;
      this.#aggregateUuids[aggregate] = uuid;
      this.#aggregateNumbers.set(uuid, aggregate);
    }
    return aggregate;
  }

  #addToTreeSets(row: number): void {
    const tree = this.#tree.get(row);
    this.#addClasses(tree, this.#classSet.get(row));
    this.#addTraits(tree, this.#traitSet.get(row));
    this.#addAggregates(tree, this.#aggregateSet.get(row));
  }

  #addClasses(tree: number, set: number): void {
    for (const id of this.classSets.members(set)) this.#columns.get(id)!.trees.add(tree);
  }

  #addTraits(tree: number, set: number): void {
    for (const id of this.traitSets.members(set)) ensureBitset(this.#treesOfTrait, id).add(tree);
  }

  #addAggregates(tree: number, set: number): void {
    for (const aggregate of this.aggregateSets.members(set)) {
      ensureBitset(this.#treesOfAggregate, aggregate).add(tree);
    }
  }

  // Each of these takes a tree out of the sets of trees of what no row of the tree has any more.

  #dropClasses(tree: number, previousSet: number): void {
    const sets = this.#setsIn(tree, this.#classSet);
    this.#removeClasses(tree, missingMembers(this.classSets, previousSet, sets));
  }

  #dropTraits(tree: number, previousSet: number): void {
    const sets = this.#setsIn(tree, this.#traitSet);
    this.#removeTraits(tree, missingMembers(this.traitSets, previousSet, sets));
  }

  #dropAggregates(tree: number, previousSet: number): void {
    const sets = this.#setsIn(tree, this.#aggregateSet);
    this.#removeAggregates(tree, missingMembers(this.aggregateSets, previousSet, sets));
  }

  #removeClasses(tree: number, ids: Iterable<number>): void {
    for (const id of ids) this.#columns.get(id)!.trees.delete(tree);
  }

  #removeTraits(tree: number, ids: Iterable<number>): void {
    for (const id of ids) {
      const trees = this.#treesOfTrait.get(id);
      trees?.delete(tree);
      if (trees?.size === 0) this.#treesOfTrait.delete(id);
    }
  }

  #removeAggregates(tree: number, aggregates: Iterable<number>): void {
    for (const aggregate of aggregates) {
      const trees = this.#treesOfAggregate.get(aggregate);
      trees?.delete(tree);
      if (trees?.size === 0) this.#forgetAggregate(aggregate);
    }
  }

  /**
   * Its number may stand for another one from now on: none of the rows that a view still sees has it, and
   * no view sees the rows that will.
   */
  #forgetAggregate(aggregate: number): void {
    this.#treesOfAggregate.delete(aggregate);
    this.#aggregateNumbers.delete(this.#aggregateUuids[aggregate]!);
    this.#aggregateUuids[aggregate] = "";
    this.#freeAggregates.push(aggregate);
  }

  #setsIn(tree: number, setOfRow: PagedIntegers): ReadonlySet<number> {
    return new Set(this.trees.rows(tree).map((row) => setOfRow.get(row)));
  }

  // Views.

  #closeView(view: IndexView): void {
    if (!this.#openViews.delete(view)) return;
    this.#newestViewTime = Math.max(NONE, ...Array.from(this.#openViews, ({ time }) => time));
    this.#freeRetiredTrees();
  }

  /** The present row of a provider, in a tree that may be changed in place. */
  #writableRow(id: number): number | undefined {
    const row = this.#rowOfId.get(id);
    if (row === undefined) return undefined;
    this.#ensureWritable(this.#tree.get(row));
    return this.#rowOfId.get(id);
  }

  #writableTree(rootId: number): number {
    const tree = this.trees.find(rootId);
    if (tree === undefined) return this.trees.create(rootId, this.#time);
    this.#ensureWritable(tree);
    return this.trees.find(rootId)!;
  }

  /** Moves the present to a copy of the tree when an open view sees the tree. */
  #ensureWritable(tree: number): void {
    this.#freeRetiredTrees();
    if (this.trees.createdAt(tree) > this.#newestViewTime) return;
    const rows = this.trees.rows(tree);
    this.trees.retire(tree, this.#time);
    this.journal.note(tree);
    this.#retiredBytes += this.#sizeOf(rows);
    const copy = this.trees.create(this.trees.rootId(tree), this.#time);
    for (const row of rows) this.#copyRow(row, copy);
    for (const set of this.#setsIn(copy, this.#classSet)) this.#addClasses(copy, set);
    for (const set of this.#setsIn(copy, this.#traitSet)) this.#addTraits(copy, set);
    for (const set of this.#setsIn(copy, this.#aggregateSet)) this.#addAggregates(copy, set);
    if (this.#retiredBytes > this.#maxRetiredBytes) this.#oldestView?.close();
  }

  /** The names go to the copy: only the rows of the present are found by id and UUID. */
  #copyRow(row: number, tree: number): void {
    const id = this.#id.get(row);
    const uuid = this.#uuid[row]!;
    const copy = this.#allocateRow(id);
    this.#uuid[copy] = uuid;
    this.#name[copy] = this.#name[row]!;
    this.#rowOfUuid.move(uuid, row, copy);
    this.#generation.set(copy, this.#generation.get(row));
    this.#parentId.set(copy, this.#parentId.get(row));
    this.#classSet.set(copy, this.classSets.retain(this.#classSet.get(row)));
    this.#traitSet.set(copy, this.traitSets.retain(this.#traitSet.get(row)));
    this.#aggregateSet.set(copy, this.aggregateSets.retain(this.#aggregateSet.get(row)));
    for (const resourceClassId of this.classSets.members(this.#classSet.get(row))) {
      this.#columns.get(resourceClassId)!.copy(row, copy);
    }
    this.#tree.set(copy, tree);
    this.trees.link(tree, copy, this.idOf);
    this.#countChange(copy);
  }

  /**
   * Forgets trees that no view sees any more, in the order in which they were retired. A view may
   * leave a million behind: some are forgotten with each write, faster than others can follow.
   */
  #freeRetiredTrees(): void {
    const oldestTime = this.#oldestView?.time ?? Infinity;
    for (let freed = 0; freed < FREED_AT_ONCE; freed++) {
      const tree = this.trees.firstRetired;
      if (tree === NONE || this.trees.retiredAt(tree) > oldestTime) return;
      this.#freeTree(tree);
    }
  }

  get #oldestView(): IndexView | undefined {
    // They are in the order in which they were opened.
    return this.#openViews.values().next().value;
  }

  #freeTree(tree: number): void {
    const { classSets, traitSets, aggregateSets } = this;
    for (const set of this.#setsIn(tree, this.#classSet)) {
      this.#removeClasses(tree, classSets.members(set));
    }
    for (const set of this.#setsIn(tree, this.#traitSet)) {
      this.#removeTraits(tree, traitSets.members(set));
    }
    for (const set of this.#setsIn(tree, this.#aggregateSet)) {
      this.#removeAggregates(tree, aggregateSets.members(set));
    }
    const rows = this.trees.rows(tree);
    this.#retiredBytes -= this.#sizeOf(rows);
    for (const row of rows) {
      for (const id of classSets.members(this.#classSet.get(row))) {
        this.#columns.get(id)!.delete(row);
      }
      classSets.release(this.#classSet.get(row));
      traitSets.release(this.#traitSet.get(row));
      aggregateSets.release(this.#aggregateSet.get(row));
      this.#giveBack(row);
    }
    this.trees.free(tree);
  }

  #sizeOf(rows: readonly number[]): number {
    let size = rows.length * ROW_BYTES;
    for (const row of rows) {
      size += this.classSets.members(this.#classSet.get(row)).length * INVENTORY_BYTES;
    }
    return size;
  }
}

const EMPTY = { inventories: [], traitIds: [], aggregates: [] } as const;

/** The members of a set that none of the other sets has. */
function missingMembers(pool: SetPool, set: number, others: ReadonlySet<number>): number[] {
  if (others.has(set)) return [];
  return [...pool.members(set)].filter((member) => {
    return !others.values().some((other) => pool.has(other, member));
  });
}

function ensureBitset(bitsets: Map<number, Bitset>, key: number): Bitset {
  let bitset = bitsets.get(key);
  if (bitset === undefined) {
    bitset = new Bitset();
    bitsets.set(key, bitset);
  }
  return bitset;
}
