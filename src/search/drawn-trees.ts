import type { TreeScan } from "../index/tree-scan.ts";
import type { Budget } from "./budget.ts";

export interface TreeSource {
  /** The next tree, -1 when there are no more, undefined when the budget is used up. */
  next(budget: Budget): number | undefined;
}

/** More misses than this for each hit, and listing all trees costs less than guessing. */
const MISSES_PER_HIT = 4;
const MISSES_AT_FIRST = 64;

/**
 * The trees of a scan in random order, each once.
 *
 * As long as most numbers are trees of the scan, they are found by guessing, so that a thousand of
 * a million cost no more than a thousand of ten thousand. Then the rest is listed and drawn from.
 */
export class DrawnTrees implements TreeSource {
  readonly #scan: TreeScan;
  readonly #random: () => number;
  readonly #drawn = new Set<number>();
  #misses = 0;
  readonly #rest: number[] = [];
  #isListed = false;

  constructor(scan: TreeScan, random: () => number) {
    this.#scan = scan;
    this.#random = random;
  }

  next(budget: Budget): number | undefined {
    while (this.#misses < MISSES_AT_FIRST + MISSES_PER_HIT * this.#drawn.size) {
      const tree = this.#guess();
      if (tree >= 0) return tree;
      budget.left -= 1;
      this.#misses += 1;
    }
    if (!this.#list(budget)) return undefined;
    const drawn = Math.floor(this.#random() * this.#rest.length);
    const tree = this.#rest[drawn];
    const last = this.#rest.pop();
    if (drawn < this.#rest.length) this.#rest[drawn] = last!;
    return tree ?? -1;
  }

  /** -1 for a tree that is not in the scan or was drawn before. */
  #guess(): number {
    const tree = Math.floor(this.#random() * this.#scan.end);
    if (this.#drawn.has(tree) || tree >= this.#scan.end || !this.#scan.has(tree)) return -1;
    this.#drawn.add(tree);
    return tree;
  }

  /** Lists what is left to draw from; false when the budget is used up. */
  #list(budget: Budget): boolean {
    while (!this.#isListed) {
      if (budget.left <= 0) return false;
      budget.left -= 1;
      const tree = this.#scan.next(budget);
      if (tree === undefined) return false;
      if (tree < 0) this.#isListed = true;
      else if (!this.#drawn.has(tree)) this.#rest.push(tree);
    }
    return true;
  }
}
