import { Bitset } from "./bitset.ts";
import { PagedIntegers } from "./paged-array.ts";
import { SetPool } from "./set-pool.ts";
import { NONE, type TreeTable } from "./tree-table.ts";

/**
 * What providers have of one kind, such as traits: per row a set of them, and per member the trees in
 * which some provider has it (an inverted index).
 */
export class TreeSets {
  readonly pool = new SetPool();
  readonly #trees: TreeTable;
  readonly #setOfRow = new PagedIntegers();
  readonly #treesOf = new Map<number, Bitset>();

  readonly #onForgotten: (member: number) => void;

  /**
   * @param onForgotten is told of each member that no provider has any more: no row that a view still sees
   *   has it, and no view sees the rows that will
   */
  constructor(trees: TreeTable, onForgotten: (member: number) => void) {
    this.#trees = trees;
    this.#onForgotten = onForgotten;
  }

  /** The number of a row's set in the pool. */
  setOf(row: number): number {
    return this.#setOfRow.get(row);
  }

  /** What a row has, ascending; not to be changed. */
  members(row: number): Int32Array {
    return this.pool.members(this.#setOfRow.get(row));
  }

  /** The trees in which some provider has it; undefined when none has. */
  find(member: number): Bitset | undefined {
    return this.#treesOf.get(member);
  }

  /** The trees in which some provider has it, also of what comes later. */
  ensure(member: number): Bitset {
    let trees = this.#treesOf.get(member);
    if (trees === undefined) {
      trees = new Bitset();
      this.#treesOf.set(member, trees);
    }
    return trees;
  }

  /** Makes room for a row that has nothing yet. */
  begin(row: number): void {
    this.#setOfRow.reach(row);
    this.#setOfRow.set(row, 0);
  }

  /**
   * Replaces what a row has.
   *
   * @param members ascending
   * @param previousTree where the row was until now; `NONE` for a new one
   * @param hasLeft whether it is not there any more
   */
  replace(
    row: number,
    members: readonly number[],
    where: { readonly tree: number; readonly previousTree: number; readonly hasLeft: boolean },
  ): void {
    const set = this.pool.acquire(members);
    const previous = this.#setOfRow.get(row);
    this.#setOfRow.set(row, set);
    for (const member of this.pool.members(set)) this.ensure(member).add(where.tree);
    if (where.previousTree !== NONE && (where.hasLeft || previous !== set)) {
      this.#drop(where.previousTree, previous);
    }
    this.pool.release(previous);
  }

  /** Gives another row the same. */
  copy(row: number, to: number): void {
    this.#setOfRow.set(to, this.pool.retain(this.#setOfRow.get(row)));
  }

  /** Gives back what a row has. */
  release(row: number): void {
    this.pool.release(this.#setOfRow.get(row));
  }

  /** For a tree whose rows got theirs as copies. */
  addTree(tree: number): void {
    for (const set of this.#setsIn(tree)) {
      for (const member of this.pool.members(set)) this.ensure(member).add(tree);
    }
  }

  removeTree(tree: number): void {
    for (const set of this.#setsIn(tree)) {
      for (const member of this.pool.members(set)) this.#remove(member, tree);
    }
  }

  #remove(member: number, tree: number): void {
    const trees = this.#treesOf.get(member);
    trees?.delete(tree);
    if (trees?.size !== 0) return;
    this.#treesOf.delete(member);
    this.#onForgotten(member);
  }

  /** Takes a tree out of the trees of what a row had and no row of the tree has any more. */
  #drop(tree: number, set: number): void {
    const others = this.#setsIn(tree);
    if (others.has(set)) return;
    for (const member of this.pool.members(set)) {
      const isThere = others.values().some((other) => this.pool.has(other, member));
      if (!isThere) this.#remove(member, tree);
    }
  }

  #setsIn(tree: number): ReadonlySet<number> {
    return new Set(this.#trees.rows(tree).map((row) => this.#setOfRow.get(row)));
  }
}
