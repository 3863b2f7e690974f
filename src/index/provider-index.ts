import type { ProviderFilter } from "../domain/provider-filter.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderSummary } from "../domain/provider-summary.ts";
import { Bitset } from "./bitset.ts";
import { findProviders } from "./find-providers.ts";
import { enlarged, InventoryColumn } from "./inventory-column.ts";
import { NameRegistry } from "./name-registry.ts";
import { SetPool } from "./set-pool.ts";
import { NONE, TreeTable } from "./tree-table.ts";

const INITIAL_ROWS = 16;

/** The trees of the index as they were when the view was opened. */
export interface IndexView {
  readonly time: number;
  /** Lets the index forget what only this view still needs. May be called more than once. */
  close(): void;
}

/**
 * The read model: every provider with its tree, inventories, traits, aggregates, generation and
 * used amounts, laid out for scanning.
 *
 * Each provider has a row. Rows and trees are dense numbers that are used again; both are only
 * meaningful within one synchronous piece of work or, while a view is open, within that view.
 *
 * Views are kept consistent by copy on write: before a tree that an open view sees is changed, it
 * is copied to new rows, which become the present; the old rows stay as they are until the last
 * view that sees them is closed. Without open views everything is changed in place.
 */
export class ProviderIndex {
  readonly resourceClasses = new NameRegistry();
  readonly traits = new NameRegistry();
  readonly trees = new TreeTable();
  readonly classSets = new SetPool();
  readonly traitSets = new SetPool();
  readonly aggregateSets = new SetPool();

  readonly #rowOfId = new Map<number, number>();
  readonly #rowOfUuid = new Map<string, number>();
  readonly #freeRows: number[] = [];
  #rows = 0;
  #uuid: string[] = [];
  #name: string[] = [];
  #id = new Int32Array(INITIAL_ROWS);
  #generation = new Int32Array(INITIAL_ROWS);
  #parentId = new Int32Array(INITIAL_ROWS);
  #tree = new Int32Array(INITIAL_ROWS);
  #classSet = new Int32Array(INITIAL_ROWS);
  #traitSet = new Int32Array(INITIAL_ROWS);
  #aggregateSet = new Int32Array(INITIAL_ROWS);
  #changes = new Int32Array(INITIAL_ROWS);

  readonly #columns = new Map<number, InventoryColumn>();
  readonly #treesOfTrait = new Map<number, Bitset>();
  readonly #aggregateNumbers = new Map<string, number>();
  readonly #aggregateUuids: string[] = [];
  readonly #treesOfAggregate = new Map<number, Bitset>();

  #time = 0;
  readonly #openViews = new Set<IndexView>();
  readonly #retiredTrees: number[] = [];

  /** How many providers there are. */
  get size(): number {
    return this.#rowOfId.size;
  }

  /** Inserts a provider, or replaces all that is known of the one with the same id. */
  put(record: ProviderRecord): void {
    const known = this.#writableRow(record.id);
    const tree = this.#writableTree(record.rootId);
    const row = known ?? this.#allocateRow(record);
    const previousTree = known === undefined ? NONE : this.#tree[row]!;
    this.#setNames(row, record);
    this.#generation[row] = record.generation;
    this.#parentId[row] = record.parentId ?? NONE;
    if (previousTree !== tree) {
      if (previousTree !== NONE) this.trees.unlink(previousTree, row);
      this.#tree[row] = tree;
      this.trees.link(tree, row, this.idOf);
    }
    this.#setContents(row, record, previousTree);
    this.#changes[row]! += 1;
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
    this.#generation[row] = generation;
    for (const [resourceClassId, used] of usedByResourceClassId) {
      this.#columns.get(resourceClassId)?.writeUsed(row, used);
    }
    this.#changes[row]! += 1;
  }

  /** Does not copy anything for open views: no candidate depends on a generation. */
  setGeneration(id: number, generation: number): void {
    const row = this.#rowOfId.get(id);
    if (row !== undefined) this.#generation[row] = generation;
  }

  get(uuid: string): ProviderRecord | undefined {
    const row = this.#rowOfUuid.get(uuid);
    return row === undefined ? undefined : this.read(row);
  }

  getById(id: number): ProviderRecord | undefined {
    const row = this.#rowOfId.get(id);
    return row === undefined ? undefined : this.read(row);
  }

  /**
   * The ids of the providers that meet a filter, ascending.
   *
   * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
   */
  findProviders(filter: ProviderFilter): number[] {
    return findProviders(this, filter);
  }

  /** Removes all providers. Resource classes and traits stay. */
  clear(): void {
    for (const id of this.#rowOfId.keys()) this.remove(id);
  }

  /** Keeps the trees as they are now readable until the view is closed. */
  openView(): IndexView {
    const view: IndexView = { time: this.#time, close: () => this.#closeView(view) };
    this.#time += 1;
    this.#openViews.add(view);
    return view;
  }

  // What a search reads.

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

  /** Every present row. */
  currentRows(): Iterable<number> {
    return this.#rowOfId.values();
  }

  readonly idOf = (row: number): number => this.#id[row]!;

  uuidOf(row: number): string {
    return this.#uuid[row]!;
  }

  treeOf(row: number): number {
    return this.#tree[row]!;
  }

  classSetOf(row: number): number {
    return this.#classSet[row]!;
  }

  traitSetOf(row: number): number {
    return this.#traitSet[row]!;
  }

  aggregateSetOf(row: number): number {
    return this.#aggregateSet[row]!;
  }

  /** Increases whenever anything about the row changes, even to another provider. */
  changesOf(row: number): number {
    return this.#changes[row]!;
  }

  /** The row of a tree's root; `NONE` while the root is missing. */
  rootOf(tree: number): number {
    const first = this.trees.firstRow(tree);
    return first !== NONE && this.#id[first] === this.trees.rootId(tree) ? first : NONE;
  }

  /** The row of a provider's parent in the same tree; `NONE` for a root. */
  parentOf(row: number): number {
    const parentId = this.#parentId[row]!;
    if (parentId === NONE) return NONE;
    const tree = this.#tree[row]!;
    const current = this.#rowOfId.get(parentId);
    if (current !== undefined && this.#tree[current] === tree) return current;
    return this.trees.rows(tree).find((other) => this.#id[other] === parentId) ?? NONE;
  }

  hasParent(row: number): boolean {
    return this.#parentId[row] !== NONE;
  }

  /** The inventories of a class; undefined when there have never been any. */
  column(resourceClassId: number): InventoryColumn | undefined {
    return this.#columns.get(resourceClassId);
  }

  /** The trees in which some provider has the trait. */
  treesOfTrait(traitId: number): Bitset | undefined {
    return this.#treesOfTrait.get(traitId);
  }

  /** The number that stands for an aggregate in `aggregateSets`. */
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
      id: this.#id[row]!,
      uuid: this.#uuid[row]!,
      name: this.#name[row]!,
      generation: this.#generation[row]!,
      parentId: this.#parentId[row] === NONE ? null : this.#parentId[row]!,
      rootId: this.trees.rootId(this.#tree[row]!),
      inventories: [...this.classSets.members(this.#classSet[row]!)].map((resourceClassId) =>
        this.#columns.get(resourceClassId)!.read(row),
      ),
      traitIds: [...this.traitSets.members(this.#traitSet[row]!)],
      aggregates: Array.from(
        this.aggregateSets.members(this.#aggregateSet[row]!),
        (aggregate) => this.#aggregateUuids[aggregate]!,
      ).sort(),
    };
  }

  summarize(row: number): ProviderSummary {
    const parent = this.parentOf(row);
    const root = this.rootOf(this.#tree[row]!);
    return {
      uuid: this.#uuid[row]!,
      parentUuid: parent === NONE ? null : this.#uuid[parent]!,
      rootUuid: this.#uuid[root === NONE ? row : root]!,
      resources: [...this.classSets.members(this.#classSet[row]!)].flatMap((id) => {
        const column = this.#columns.get(id)!;
        const resourceClass = this.resourceClasses.nameOf(id);
        // Names that an open view still refers to may be gone by now.
        if (resourceClass === undefined) return [];
        return [{ resourceClass, capacity: column.capacity(row), used: column.used(row) }];
      }),
      traits: [...this.traitSets.members(this.#traitSet[row]!)].flatMap(
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

  #allocateRow(record: ProviderRecord): number {
    const row = this.#freeRows.pop() ?? this.#rows++;
    if (row === this.#id.length) {
      this.#id = enlarged(this.#id);
      this.#generation = enlarged(this.#generation);
      this.#parentId = enlarged(this.#parentId);
      this.#tree = enlarged(this.#tree);
      this.#classSet = enlarged(this.#classSet);
      this.#traitSet = enlarged(this.#traitSet);
      this.#aggregateSet = enlarged(this.#aggregateSet);
      this.#changes = enlarged(this.#changes);
    }
    this.#id[row] = record.id;
    this.#uuid[row] = "";
    this.#classSet[row] = 0;
    this.#traitSet[row] = 0;
    this.#aggregateSet[row] = 0;
    this.#rowOfId.set(record.id, row);
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
    const uuid = this.#uuid[row]!;
    if (this.#rowOfUuid.get(uuid) === row) this.#rowOfUuid.delete(uuid);
  }

  /** Unlinks a row from its tree, forgets its contents and gives it back. */
  #freeRow(row: number): void {
    const tree = this.#tree[row]!;
    this.trees.unlink(tree, row);
    this.#setContents(row, EMPTY, tree);
    this.#uuid[row] = "";
    this.#name[row] = "";
    this.#changes[row]! += 1;
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
    const previousClassSet = this.#classSet[row]!;
    const previousTraitSet = this.#traitSet[row]!;
    const previousAggregateSet = this.#aggregateSet[row]!;
    for (const resourceClassId of this.classSets.members(previousClassSet)) {
      if (!this.classSets.has(classSet, resourceClassId)) {
        this.#columns.get(resourceClassId)!.delete(row);
      }
    }
    for (const inventory of contents.inventories) {
      this.#ensureColumn(inventory.resourceClassId).write(row, inventory);
    }
    this.#classSet[row] = classSet;
    this.#traitSet[row] = traitSet;
    this.#aggregateSet[row] = aggregateSet;
    this.#addToTreeSets(row);
    if (previousTree !== NONE) {
      const hasLeft = previousTree !== this.#tree[row] || contents === EMPTY;
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
      aggregate = this.#aggregateUuids.push(uuid) - 1;
      this.#aggregateNumbers.set(uuid, aggregate);
    }
    return aggregate;
  }

  #addToTreeSets(row: number): void {
    const tree = this.#tree[row]!;
    for (const id of this.classSets.members(this.#classSet[row]!)) {
      this.#columns.get(id)!.trees.add(tree);
    }
    for (const id of this.traitSets.members(this.#traitSet[row]!)) {
      ensureBitset(this.#treesOfTrait, id).add(tree);
    }
    for (const aggregate of this.aggregateSets.members(this.#aggregateSet[row]!)) {
      ensureBitset(this.#treesOfAggregate, aggregate).add(tree);
    }
  }

  // Each of these takes a tree out of the sets of trees of what no row of the tree has any more.

  #dropClasses(tree: number, previousSet: number): void {
    const classes = missingMembers(this.classSets, previousSet, this.#setsIn(tree, this.#classSet));
    for (const id of classes) this.#columns.get(id)!.trees.delete(tree);
  }

  #dropTraits(tree: number, previousSet: number): void {
    const traits = missingMembers(this.traitSets, previousSet, this.#setsIn(tree, this.#traitSet));
    for (const id of traits) this.#treesOfTrait.get(id)!.delete(tree);
  }

  #dropAggregates(tree: number, previousSet: number): void {
    const sets = this.#setsIn(tree, this.#aggregateSet);
    for (const aggregate of missingMembers(this.aggregateSets, previousSet, sets)) {
      this.#treesOfAggregate.get(aggregate)!.delete(tree);
    }
  }

  #setsIn(tree: number, setOfRow: Int32Array): ReadonlySet<number> {
    return new Set(this.trees.rows(tree).map((row) => setOfRow[row]!));
  }

  // Views.

  #closeView(view: IndexView): void {
    if (!this.#openViews.delete(view)) return;
    const oldest = Math.min(...Array.from(this.#openViews, ({ time }) => time));
    // In the order in which they were retired, so that the first one still needed ends the loop.
    let freed = 0;
    for (const tree of this.#retiredTrees) {
      if (this.trees.retiredAt(tree) > oldest) break;
      for (const row of this.trees.rows(tree)) this.#freeRow(row);
      freed += 1;
    }
    this.#retiredTrees.splice(0, freed);
  }

  /** The present row of a provider, in a tree that may be changed in place. */
  #writableRow(id: number): number | undefined {
    const row = this.#rowOfId.get(id);
    if (row === undefined) return undefined;
    if (this.#openViews.size > 0) this.#ensureWritable(this.#tree[row]!);
    return this.#rowOfId.get(id);
  }

  #writableTree(rootId: number): number {
    const tree = this.trees.find(rootId);
    if (tree === undefined) return this.trees.create(rootId, this.#time);
    if (this.#openViews.size > 0) this.#ensureWritable(tree);
    return this.trees.find(rootId)!;
  }

  /** Moves the present to a copy of the tree when an open view sees the tree. */
  #ensureWritable(tree: number): void {
    const created = this.trees.createdAt(tree);
    if (!this.#openViews.values().some(({ time }) => created <= time)) return;
    const rows = this.trees.rows(tree);
    this.trees.retire(tree, this.#time);
    this.#retiredTrees.push(tree);
    for (const row of rows) {
      // The names go to the copy: only the rows of the present are found by id and UUID.
      const record = this.read(row);
      this.#rowOfId.delete(record.id);
      this.#rowOfUuid.delete(record.uuid);
      this.put(record);
    }
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
