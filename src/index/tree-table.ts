import { enlarged } from "./inventory-column.ts";

const INITIAL_TREES = 16;

/** No row, no tree. */
export const NONE = -1;

/**
 * The trees of providers: which rows belong to each, the root first and then by ascending id, and
 * from when until when views see it.
 *
 * Trees are numbered densely, and numbers are used again.
 */
export class TreeTable {
  readonly #treeOfRootId = new Map<number, number>();
  readonly #free: number[] = [];
  #count = 0;
  #rootId = new Int32Array(INITIAL_TREES);
  #firstRow = new Int32Array(INITIAL_TREES);
  #created = new Float64Array(INITIAL_TREES);
  #retired = new Float64Array(INITIAL_TREES);
  #nextRow = new Int32Array(INITIAL_TREES);
  #previousRow = new Int32Array(INITIAL_TREES);

  /** One more than the highest number in use. */
  get end(): number {
    return this.#count;
  }

  /** The present tree of a root; undefined when there is none. */
  find(rootId: number): number | undefined {
    return this.#treeOfRootId.get(rootId);
  }

  /** The numbers of all present trees. */
  current(): Iterable<number> {
    return this.#treeOfRootId.values();
  }

  create(rootId: number, time: number): number {
    const tree = this.#free.pop() ?? this.#count++;
    if (tree === this.#rootId.length) {
      this.#rootId = enlarged(this.#rootId);
      this.#firstRow = enlarged(this.#firstRow);
      this.#created = enlarged(this.#created);
      this.#retired = enlarged(this.#retired);
    }
    this.#rootId[tree] = rootId;
    this.#firstRow[tree] = NONE;
    this.#created[tree] = time;
    this.#retired[tree] = Infinity;
    this.#treeOfRootId.set(rootId, tree);
    return tree;
  }

  /** Takes a tree out of the present; views opened before this time still see it. */
  retire(tree: number, time: number): void {
    this.#retired[tree] = time;
    this.#forget(tree);
  }

  /** Gives the number of a tree without rows back. */
  free(tree: number): void {
    this.#forget(tree);
    this.#created[tree] = Infinity;
    this.#free.push(tree);
  }

  rootId(tree: number): number {
    return this.#rootId[tree]!;
  }

  createdAt(tree: number): number {
    return this.#created[tree]!;
  }

  retiredAt(tree: number): number {
    return this.#retired[tree]!;
  }

  /** Whether a view of that time sees the tree. */
  isVisible(tree: number, time: number): boolean {
    return this.#created[tree]! <= time && time < this.#retired[tree]!;
  }

  /** The root, or the lowest id of a tree whose root is missing; `NONE` for an empty tree. */
  firstRow(tree: number): number {
    return this.#firstRow[tree]!;
  }

  /** The row after this one in a circle through the whole tree. */
  nextRow(row: number): number {
    return this.#nextRow[row]!;
  }

  /** Every row of a tree, in order. */
  rows(tree: number): number[] {
    const first = this.#firstRow[tree]!;
    if (first === NONE) return [];
    const rows = [first];
    for (let row = this.#nextRow[first]!; row !== first; row = this.#nextRow[row]!) rows.push(row);
    return rows;
  }

  /** Adds a row; `idOf` tells the provider ids by which the members are ordered. */
  link(tree: number, row: number, idOf: (row: number) => number): void {
    while (row >= this.#nextRow.length) {
      this.#nextRow = enlarged(this.#nextRow);
      this.#previousRow = enlarged(this.#previousRow);
    }
    const first = this.#firstRow[tree]!;
    if (first === NONE) {
      this.#nextRow[row] = row;
      this.#previousRow[row] = row;
      this.#firstRow[tree] = row;
      return;
    }
    const rankOf = (other: number) => (idOf(other) === this.#rootId[tree] ? 0 : idOf(other));
    const rank = rankOf(row);
    let before = this.#previousRow[first]!;
    while (rankOf(before) > rank && before !== first) before = this.#previousRow[before]!;
    if (before === first && rankOf(first) > rank) {
      before = this.#previousRow[first]!;
      this.#firstRow[tree] = row;
    }
    const after = this.#nextRow[before]!;
    this.#nextRow[before] = row;
    this.#previousRow[row] = before;
    this.#nextRow[row] = after;
    this.#previousRow[after] = row;
  }

  unlink(tree: number, row: number): void {
    const next = this.#nextRow[row]!;
    const previous = this.#previousRow[row]!;
    this.#nextRow[previous] = next;
    this.#previousRow[next] = previous;
    if (this.#firstRow[tree] === row) this.#firstRow[tree] = next === row ? NONE : next;
  }

  #forget(tree: number): void {
    const rootId = this.#rootId[tree]!;
    if (this.#treeOfRootId.get(rootId) === tree) this.#treeOfRootId.delete(rootId);
  }
}
