import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderPlace } from "../domain/provider-tree.ts";
import type { Bitset } from "./bitset.ts";
import { ChangeJournal } from "./change-journal.ts";
import { InventoryColumn, secondsOf } from "./inventory-column.ts";
import { NameRegistry } from "./name-registry.ts";
import { PagedIntegers } from "./paged-array.ts";
import type { IndexReader, IndexView } from "./reader.ts";
import { RetiredTrees } from "./retired-trees.ts";
import { type IdPage, RowsById } from "./rows-by-id.ts";
import { RowsByUuid } from "./rows-by-uuid.ts";
import type { SetPool } from "./set-pool.ts";
import { TreeSets } from "./tree-sets.ts";
import { NONE, TreeTable } from "./tree-table.ts";

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
export class ProviderIndex implements IndexReader {
  readonly resourceClasses: NameRegistry;
  readonly traits: NameRegistry;
  readonly trees = new TreeTable();
  readonly traitSets: SetPool;
  readonly aggregateSets: SetPool;
  /** Each change of a tree or of a provider in it. */
  readonly journal = new ChangeJournal();

  readonly #rowOfId = new RowsById();
  readonly #rowOfUuid = new RowsByUuid();
  readonly #freeRows: number[] = [];
  #rows = 0;
  #uuid: string[] = [];
  #name: string[] = [];
  readonly #id = new PagedIntegers();
  readonly #generation = new PagedIntegers();
  readonly #parentId = new PagedIntegers();
  readonly #tree = new PagedIntegers();
  readonly #changes = new PagedIntegers();
  readonly #modifiedAt = new PagedIntegers();
  readonly #arrays = [
    this.#id,
    this.#generation,
    this.#parentId,
    this.#tree,
    this.#changes,
    this.#modifiedAt,
  ];
  readonly #classes = new TreeSets(this.trees, (id) => this.#columns.delete(id));
  readonly #traits = new TreeSets(this.trees, () => {});
  readonly #aggregates = new TreeSets(this.trees, (number) => this.#forgetAggregate(number));
  readonly #sets = [this.#classes, this.#traits, this.#aggregates];

  readonly #columns = new Map<number, InventoryColumn>();
  readonly #aggregateNumbers = new Map<string, number>();
  readonly #aggregateUuids: string[] = [];
  /** By number, as far as it is known. */
  readonly #aggregateIds: number[] = [];
  /** The ids of providers whose aggregates are not all known by id. */
  readonly #oddlyAggregated = new Set<number>();
  /** Numbers of aggregates that no provider is in any more. */
  readonly #freeAggregates: number[] = [];

  readonly #newest = new WeakMap<
    IdPage,
    { readonly changedAt: number; readonly seconds: number | undefined }
  >();

  /** The row that was looked at last by `nextToCheck`. */
  #checked = -1;
  #time = 0;
  readonly #retired: RetiredTrees;

  /**
   * An empty one in which names mean what they mean in another. They are the same and no copy, which takes long
   * where there are very many, for each tree that is looked at by itself.
   */
  static withNamesOf({ resourceClasses, traits }: IndexReader): ProviderIndex {
    return new ProviderIndex(undefined, {
      resourceClasses: resourceClasses as NameRegistry,
      traits: traits as NameRegistry,
    });
  }

  /** @param maxRetiredBytes how much may be kept for views; a limit of its own without */
  constructor(
    maxRetiredBytes?: number,
    names = { resourceClasses: new NameRegistry(), traits: new NameRegistry() },
  ) {
    this.resourceClasses = names.resourceClasses;
    this.traits = names.traits;
    this.#retired = new RetiredTrees(this.trees, maxRetiredBytes);
    this.traitSets = this.#traits.pool;
    this.aggregateSets = this.#aggregates.pool;
  }

  /** How many providers there are. */
  get size(): number {
    return this.#rowOfId.size;
  }

  get viewsOpen(): number {
    return this.#retired.viewsOpen;
  }

  /** The memory of what only views still see, or what is not given back yet. */
  get retiredBytes(): number {
    return this.#retired.bytes;
  }

  /** Inserts a provider, or replaces all that is known of the one with the same id. */
  put(record: ProviderRecord): void {
    const known = this.#writableRow(record.id);
    const tree = this.#writableTree(record.rootId);
    const row = known ?? this.#allocateRow(record.id);
    const previousTree = known === undefined ? NONE : this.#tree.get(row);
    this.#setNames(row, record);
    this.#generation.set(row, record.generation);
    this.#modifiedAt.set(row, record.modifiedAt ?? 0);
    this.#parentId.set(row, record.parentId ?? NONE);
    if (previousTree !== tree) {
      if (previousTree !== NONE) this.#leaveTree(previousTree, row);
      this.#tree.set(row, tree);
      this.trees.link(tree, row, this.idOf);
    }
    this.#setContents(row, record, previousTree);
    this.#noteChange(row);
  }

  /** Removes a provider; does nothing when there is none with the id. */
  remove(id: number): void {
    const row = this.#writableRow(id);
    if (row === undefined) return;
    this.#forgetUuid(row);
    this.#freeRow(row);
    this.#rowOfId.delete(id, this.journal.position);
  }

  /**
   * Takes over the outcome of a claim.
   *
   * @param generation the provider's new generation
   * @param usedByResourceClassId the new sums of all allocations; other classes stay as they are
   * @param modifiedAt when that was, in seconds since 1970, if the provider itself was changed
   */
  applyUsage(
    id: number,
    generation: number,
    usedByResourceClassId: ReadonlyMap<number, number>,
    modifiedAt?: number,
  ): void {
    const row = this.#writableRow(id);
    if (row === undefined) return;
    this.#generation.set(row, generation);
    if (modifiedAt !== undefined) this.#modifiedAt.set(row, modifiedAt);
    for (const [resourceClassId, used] of usedByResourceClassId) {
      this.#columns.get(resourceClassId)?.writeUsed(row, used);
    }
    this.#noteChange(row);
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
    return this.#classes.members(row).some((id) => this.#columns.get(id)!.used(row) > 0);
  }

  /** Removes all providers. Resource classes and traits stay. */
  clear(): void {
    for (const row of this.#rowOfId.rows()) this.remove(this.#id.get(row));
  }

  /** Keeps the trees as they are now readable until the view is closed. */
  openView(): IndexView {
    const view = this.#retired.openView(this.#time, () => this.#freeRetiredTrees());
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

  findRowById(id: number): number | undefined {
    return this.#rowOfId.get(id);
  }

  /** All providers, in the order of their ids. */
  get pages(): readonly IdPage[] {
    return this.#rowOfId.pages;
  }

  /** When the newest provider of a page was made or changed; undefined where one does not know. */
  modifiedAtOfPage(page: IdPage): number | undefined {
    const known = this.#newest.get(page);
    if (known?.changedAt === page.changedAt) return known.seconds;
    let newest = 0;
    let areAllKnown = true;
    for (const row of page.rows) {
      if (row === NONE) continue;
      const seconds = this.modifiedAt(row);
      if (seconds === undefined) areAllKnown = false;
      else newest = Math.max(newest, seconds);
    }
    const seconds = areAllKnown ? newest : undefined;
    this.#newest.set(page, { changedAt: page.changedAt, seconds });
    return seconds;
  }

  pageOf(id: number): IdPage | undefined {
    return this.#rowOfId.pageOf(id);
  }

  findRow(uuid: string): number | undefined {
    return this.#rowOfUuid.get(uuid);
  }

  /** Where all providers lie. */
  *places(): Iterable<ProviderPlace> {
    for (const row of this.#rowOfId.rows()) yield this.#placeOfRow(row);
  }

  placeOf(id: number): ProviderPlace | undefined {
    const row = this.#rowOfId.get(id);
    return row === undefined ? undefined : this.#placeOfRow(row);
  }

  readonly idOf = (row: number): number => this.#id.get(row);

  uuidOf(row: number): string {
    return this.#uuid[row]!;
  }

  nameOf(row: number): string {
    return this.#name[row]!;
  }

  generationOf(row: number): number {
    return this.#generation.get(row);
  }

  modifiedAt(row: number): number | undefined {
    return secondsOf(this.#modifiedAt.get(row));
  }

  treeOf(row: number): number {
    return this.#tree.get(row);
  }

  traitSetOf(row: number): number {
    return this.#traits.setOf(row);
  }

  aggregateSetOf(row: number): number {
    return this.#aggregates.setOf(row);
  }

  /** Ids of the classes of which a row has inventory, ascending. */
  classesOf(row: number): Int32Array {
    return this.#classes.members(row);
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

  /** Whether a provider is the root of its tree. */
  isRoot(row: number): boolean {
    return this.#parentId.get(row) === NONE && this.rootOf(this.#tree.get(row)) === row;
  }

  /** The UUID of a provider's parent, whichever tree that is in; undefined for a root. */
  parentUuidOf(row: number): string | undefined {
    const parentId = this.#parentId.get(row);
    return parentId === NONE ? undefined : this.#uuidIn(this.#tree.get(row), parentId);
  }

  /** The UUID of the root that a provider names; its own where there is no such provider. */
  rootUuidOf(row: number): string {
    const tree = this.#tree.get(row);
    const root = this.rootOf(tree);
    if (root !== NONE) return this.#uuid[root]!;
    return this.#uuidIn(tree, this.trees.rootId(tree)) ?? this.#uuid[row]!;
  }

  /** The present may have forgotten whom a tree of the past still has. */
  #uuidIn(tree: number, id: number): string | undefined {
    const row =
      this.#rowOfId.get(id) ?? this.trees.rows(tree).find((other) => this.#id.get(other) === id);
    return row === undefined ? undefined : this.#uuid[row];
  }

  /** The inventories of a class; undefined when there have never been any. */
  column(resourceClassId: number): InventoryColumn | undefined {
    return this.#columns.get(resourceClassId);
  }

  /** The trees in which some provider has the trait. */
  treesOfTrait(traitId: number): Bitset | undefined {
    return this.#traits.find(traitId);
  }

  /** The number that stands for an aggregate in `aggregateSets`, while a provider is in it. */
  aggregateNumber(uuid: string): number | undefined {
    return this.#aggregateNumbers.get(uuid);
  }

  /** The trees in which some provider belongs to the aggregate. */
  treesOfAggregate(aggregate: number): Bitset | undefined {
    return this.#aggregates.find(aggregate);
  }

  /** Whether the ids and spellings of a provider's aggregates are as the database has them. */
  areAggregatesKnown(row: number): boolean {
    return !this.#oddlyAggregated.has(this.#id.get(row));
  }

  aggregateIdOf(aggregate: number): number {
    return this.#aggregateIds[aggregate]!;
  }

  aggregateUuidOf(aggregate: number): string {
    return this.#aggregateUuids[aggregate]!;
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
      inventories: [...this.#classes.members(row)].map((resourceClassId) =>
        this.#columns.get(resourceClassId)!.read(row),
      ),
      traitIds: [...this.#traits.members(row)],
      aggregates: Array.from(
        this.#aggregates.members(row),
        (aggregate) => this.#aggregateUuids[aggregate]!,
      ).sort(),
      modifiedAt: this.modifiedAt(row),
    };
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
    for (const sets of this.#sets) sets.begin(row);
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

  /** Of the provider; a row also changes when it is copied or given back. */
  #noteChange(row: number): void {
    this.#countChange(row);
    this.#rowOfId.noteChange(this.#id.get(row), this.journal.position);
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
    contents: Pick<ProviderRecord, "inventories" | "traitIds" | "aggregates" | "aggregateIds">,
    previousTree: number,
  ): void {
    const previousClasses = this.#classes.members(row);
    const classes = contents.inventories.map(({ resourceClassId }) => resourceClassId);
    const kept = new Set(classes);
    for (const id of previousClasses) if (!kept.has(id)) this.#columns.get(id)!.delete(row);
    for (const inventory of contents.inventories) {
      this.#ensureColumn(inventory.resourceClassId).write(row, inventory);
    }
    const { aggregateIds } = contents;
    const aggregates = contents.aggregates.map((uuid, place) =>
      this.#ensureAggregate(uuid, aggregateIds?.[place]),
    );
    if (aggregateIds || aggregates.length === 0) this.#oddlyAggregated.delete(this.#id.get(row));
    else this.#oddlyAggregated.add(this.#id.get(row));
    const tree = this.#tree.get(row);
    const hasLeft = previousTree !== tree || contents === EMPTY;
    const where = { tree, previousTree, hasLeft };
    this.#classes.replace(row, classes, where);
    this.#traits.replace(row, contents.traitIds, where);
    this.#aggregates.replace(
      row,
      aggregates.sort((a, b) => a - b),
      where,
    );
    if (previousTree !== NONE && this.trees.firstRow(previousTree) === NONE) {
      this.trees.free(previousTree);
    }
  }

  #ensureColumn(resourceClassId: number): InventoryColumn {
    let column = this.#columns.get(resourceClassId);
    if (column === undefined) {
      column = new InventoryColumn(resourceClassId, this.#classes.ensure(resourceClassId));
      this.#columns.set(resourceClassId, column);
    }
    return column;
  }

  #ensureAggregate(uuid: string, id: number | undefined): number {
    let aggregate = this.#aggregateNumbers.get(uuid);
    if (aggregate === undefined) {
      aggregate = this.#freeAggregates.pop() ?? this.#aggregateUuids.length;
      this.#aggregateUuids[aggregate] = uuid;
      this.#aggregateNumbers.set(uuid, aggregate);
    }
    if (id !== undefined) this.#aggregateIds[aggregate] = id;
    return aggregate;
  }

  /** Its number may stand for another one from now on. */
  #forgetAggregate(aggregate: number): void {
    this.#aggregateNumbers.delete(this.#aggregateUuids[aggregate]!);
    this.#aggregateUuids[aggregate] = "";
    this.#freeAggregates.push(aggregate);
  }

  // Views.

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
    if (!this.#retired.isSeen(tree)) return;
    const rows = this.trees.rows(tree);
    this.#retired.add(tree, this.#time, this.#sizeOf(rows));
    this.journal.note(tree);
    const copy = this.trees.create(this.trees.rootId(tree), this.#time);
    for (const row of rows) this.#copyRow(row, copy);
    for (const sets of this.#sets) sets.addTree(copy);
    this.#retired.limit();
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
    this.#modifiedAt.set(copy, this.#modifiedAt.get(row));
    this.#parentId.set(copy, this.#parentId.get(row));
    for (const sets of this.#sets) sets.copy(row, copy);
    for (const resourceClassId of this.#classes.members(row)) {
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
    for (let freed = 0; freed < FREED_AT_ONCE; freed++) {
      const tree = this.#retired.unseen;
      if (tree === NONE) return;
      this.#freeTree(tree);
    }
  }

  #freeTree(tree: number): void {
    for (const sets of this.#sets) sets.removeTree(tree);
    const rows = this.trees.rows(tree);
    const bytes = this.#sizeOf(rows);
    for (const row of rows) {
      // One that nobody has any more is gone as a whole.
      for (const id of this.#classes.members(row)) this.#columns.get(id)?.delete(row);
      for (const sets of this.#sets) sets.release(row);
      this.#giveBack(row);
    }
    this.#retired.free(tree, bytes);
  }

  #sizeOf(rows: readonly number[]): number {
    let size = rows.length * ROW_BYTES;
    for (const row of rows) {
      size += this.#classes.members(row).length * INVENTORY_BYTES;
    }
    return size;
  }
}

const EMPTY = { inventories: [], traitIds: [], aggregates: [], aggregateIds: [] } as const;
