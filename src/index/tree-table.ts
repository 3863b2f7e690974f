import { inPage, PagedIntegers, PagedNumbers } from "./paged-array.ts";
import { ShardedMap } from "./sharded-map.ts";

/** No row, no tree. */
export const NONE = -1;

/**
 * The trees of providers: which rows belong to each, the root first and then by ascending id, and
 * from when until when views see it.
 *
 * Trees are numbered densely, and numbers are used again.
 */
export class TreeTable {
  readonly #treeOfRootId = new ShardedMap<number, number>((rootId) => rootId);
  readonly #free: number[] = [];
  #count = 0;
  readonly #rootId = new PagedIntegers();
  readonly #firstRow = new PagedIntegers();
  /** From when until when views see a tree: two numbers per tree. */
  readonly #times = new PagedNumbers();
  /** Trees that only views still see, in the order in which they were retired. */
  readonly #nextRetired = new PagedIntegers();
  #firstRetired = NONE;
  #lastRetired = NONE;
  readonly #arrays = [this.#rootId, this.#firstRow, this.#nextRetired];
  readonly #nextRow = new PagedIntegers();
  readonly #previousRow = new PagedIntegers();

  /** One more than the highest number in use. */
  get end(): number {
    return this.#count;
  }

  /** How many trees are of the present. */
  get size(): number {
    return this.#treeOfRootId.size;
  }

  /** The present tree of a root; undefined when there is none. */
  find(rootId: number): number | undefined {
    return this.#treeOfRootId.get(rootId);
  }

  create(rootId: number, time: number): number {
    const tree = this.#free.pop() ?? this.#count++;
    for (const array of this.#arrays) {
      array.reach(tree);
      this.#times.reach(tree * 2 + 1);
    }
    this.#rootId.set(tree, rootId);
    this.#firstRow.set(tree, NONE);
    this.#times.set(tree * 2, time);
    this.#times.set(tree * 2 + 1, Infinity);
    this.#treeOfRootId.set(rootId, tree);
    return tree;
  }

  /** Takes a tree out of the present; views opened before this time still see it. */
  retire(tree: number, time: number): void {
    this.#times.set(tree * 2 + 1, time);
    this.#nextRetired.set(tree, NONE);
    if (this.#firstRetired === NONE) this.#firstRetired = tree;
    else this.#nextRetired.set(this.#lastRetired, tree);
    this.#lastRetired = tree;
    this.#forget(tree);
  }

  /** The tree that was retired first of those that were not given back; `NONE` without any. */
  get firstRetired(): number {
    return this.#firstRetired;
  }

  /** Gives the number of a tree back: one without rows, or the one that was retired first. */
  free(tree: number): void {
    this.#forget(tree);
    if (tree === this.#firstRetired) this.#firstRetired = this.#nextRetired.get(tree);
    this.#times.set(tree * 2, Infinity);
    this.#free.push(tree);
  }

  rootId(tree: number): number {
    return this.#rootId.get(tree);
  }

  createdAt(tree: number): number {
    return this.#times.get(tree * 2);
  }

  retiredAt(tree: number): number {
    return this.#times.get(tree * 2 + 1);
  }

  /** Whether a view of that time sees the tree. */
  isVisible(tree: number, time: number): boolean {
    const times = this.#times.page(tree * 2);
    const start = inPage(tree * 2);
    return times[start]! <= time && time < times[start + 1]!;
  }

  /** The root, or the lowest id of a tree whose root is missing; `NONE` for an empty tree. */
  firstRow(tree: number): number {
    return this.#firstRow.get(tree);
  }

  /** The row after this one in a circle through the whole tree. */
  nextRow(row: number): number {
    return this.#nextRow.get(row);
  }

  /** Every row of a tree, in order. */
  rows(tree: number): number[] {
    const first = this.#firstRow.get(tree);
    if (first === NONE) return [];
    const rows = [first];
    for (let row = this.#nextRow.get(first); row !== first; row = this.#nextRow.get(row))
      rows.push(row);
    return rows;
  }

  /** Adds a row; `idOf` tells the provider ids by which the members are ordered. */
  link(tree: number, row: number, idOf: (row: number) => number): void {
    this.#nextRow.reach(row);
    this.#previousRow.reach(row);
    const first = this.#firstRow.get(tree);
    if (first === NONE) {
      this.#nextRow.set(row, row);
      this.#previousRow.set(row, row);
      this.#firstRow.set(tree, row);
      return;
    }
    const rankOf = (other: number) => (idOf(other) === this.#rootId.get(tree) ? 0 : idOf(other));
    const rank = rankOf(row);
    let before = this.#previousRow.get(first);
    while (rankOf(before) > rank && before !== first) before = this.#previousRow.get(before);
    if (before === first && rankOf(first) > rank) {
      before = this.#previousRow.get(first);
      this.#firstRow.set(tree, row);
    }
    const after = this.#nextRow.get(before);
    this.#nextRow.set(before, row);
    this.#previousRow.set(row, before);
    this.#nextRow.set(row, after);
    this.#previousRow.set(after, row);
  }

  unlink(tree: number, row: number): void {
    const next = this.#nextRow.get(row);
    const previous = this.#previousRow.get(row);
    this.#nextRow.set(previous, next);
    this.#previousRow.set(next, previous);
    if (this.#firstRow.get(tree) === row) this.#firstRow.set(tree, next === row ? NONE : next);
  }

  #forget(tree: number): void {
    const rootId = this.#rootId.get(tree);
    if (this.#treeOfRootId.get(rootId) === tree) this.#treeOfRootId.delete(rootId);
  }
}
