import { NONE } from "../index/tree-table.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { SharingProviders } from "./sharing-providers.ts";

/**
 * Trees of one index that are looked at together. Trees of other parts share nothing with them, so that what
 * fits in all parts is what fits in each.
 */
export class FleetPart {
  readonly index: IndexReader;
  readonly time: number;
  readonly #leftOut: ReadonlySet<number>;
  readonly #sharing: SharingProviders;

  /** @param leftOut trees that are not part of it */
  constructor(index: IndexReader, time: number, leftOut: ReadonlySet<number> = new Set()) {
    this.index = index;
    this.time = time;
    this.#leftOut = leftOut;
    this.#sharing = new SharingProviders(index, time, [
      { fitsShared: (row) => !leftOut.has(index.treeOf(row)) },
    ]);
  }

  /** Whether a tree of the index is not part of it. */
  isLeftOut(tree: number): boolean {
    return this.#leftOut.size > 0 && this.#leftOut.has(tree);
  }

  /** The root of a tree that is part of it; undefined for all others. */
  rootOf(tree: number): number | undefined {
    const { index } = this;
    if (!index.trees.isVisible(tree, this.time) || this.isLeftOut(tree)) return undefined;
    const root = index.rootOf(tree);
    return root === NONE ? undefined : root;
  }

  /** Finds out who shares what. Pauses each time the budget is used up. */
  *prepare(budget: Budget): Generator<void, void> {
    while (!this.#sharing.collect(budget)) yield;
  }

  /** Whether there are providers that share what they have. */
  get hasPools(): boolean {
    return !this.#sharing.isEmpty;
  }

  /** Whether a tree shares providers with others, whoever has them. */
  isPooled(tree: number): boolean {
    if (this.#sharing.isEmpty) return false;
    const rows = this.index.trees.rows(tree);
    return (
      rows.some((row) => this.#sharing.canServe(0, row)) ||
      this.#sharing.servingTree(tree, rows).length > 0
    );
  }

  /** How many trees are part of it. Pauses each time the budget is used up. */
  *countHosts(budget: Budget): Generator<void, number> {
    let hosts = 0;
    for (let tree = 0; tree < this.index.trees.end; tree++) {
      budget.left -= 1 / 4;
      if (budget.left <= 0) yield;
      if (this.rootOf(tree) !== undefined) hosts += 1;
    }
    return hosts;
  }
}
