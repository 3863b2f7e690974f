import type { IndexReader } from "../index/reader.ts";
import type { OnBudget, Purse } from "./budget.ts";
import type { SearchPlan } from "./search-plan.ts";

/** So many providers are looked at before the purse is asked. */
const PORTION = 256;

/**
 * The part of an anchor's search that constraints look at. Providers are numbered from 0 within it:
 * first the rows of the anchor's tree, then the sharing providers that serve it.
 */
export class AnchorProviders {
  readonly plan: SearchPlan;
  readonly tree: number;
  /** Row per provider. */
  readonly rows: readonly number[];
  /** The choices in the order in which they are made: the depth of the search. */
  readonly order: readonly number[];
  /** Per depth, the providers to choose from, in ascending order. */
  readonly options: readonly (readonly number[])[];
  #parents: Int32Array | undefined;

  /**
   * The providers of an anchor, and who can be chosen for what; undefined when nobody can.
   *
   * Stops, and is to be gone on with, each time the budget is used up: a tree may be wide.
   */
  static *of(
    plan: SearchPlan,
    tree: number,
    root: number,
    purse: Purse,
  ): OnBudget<AnchorProviders | undefined> {
    const { choices, alike, index, sharing, rooms } = plan;
    const own = index.trees.rows(tree);
    const shared = sharing.servingTree(tree, own);
    const rows = shared.length === 0 ? own : [...own, ...shared];
    const optionsOfChoice: number[][] = [];
    for (let number = 0; number < choices.length; number++) {
      if (alike[number] !== number) {
        optionsOfChoice.push(optionsOfChoice[alike[number]!]!);
        continue;
      }
      const choice = choices[number]!;
      const options: number[] = [];
      for (let provider = 0; provider < own.length; provider++) {
        const row = own[provider]!;
        const fits =
          rooms === undefined
            ? choice.fitsInTree(row, root)
            : rooms.fit(choice.needs, row) && choice.admitsInTree(row, root);
        if (fits) options.push(provider);
        if (provider % PORTION === PORTION - 1 && purse.spend(PORTION)) yield* purse.refill();
      }
      if (shared.length > 0 && choice.toleratesAnchor(root)) {
        for (let provider = own.length; provider < rows.length; provider++) {
          const row = rows[provider]!;
          if (provider % PORTION === PORTION - 1 && purse.spend(PORTION)) yield* purse.refill();
          if (!sharing.canServe(number, row)) continue;
          // What is taken in the meantime shows in the rooms alone.
          if (rooms === undefined || rooms.fit(choice.needs, row)) options.push(provider);
        }
      }
      if (options.length === 0) return undefined;
      optionsOfChoice.push(options);
      if (purse.spend(rows.length % PORTION)) yield* purse.refill();
    }
    return new AnchorProviders(plan, tree, rows, optionsOfChoice);
  }

  private constructor(
    plan: SearchPlan,
    tree: number,
    rows: readonly number[],
    optionsOfChoice: readonly number[][],
  ) {
    this.plan = plan;
    this.tree = tree;
    this.rows = rows;
    this.order = [...plan.choices.keys()].sort(
      (a, b) => optionsOfChoice[a]!.length - optionsOfChoice[b]!.length,
    );
    this.options = this.order.map((choice) => optionsOfChoice[choice]!);
  }

  /** Per provider the number of its nearest ancestor among the providers, never a loop; -1 without one. */
  get parents(): Int32Array {
    return (this.#parents ??= parentsOf(this.plan.index, this.tree, this.rows));
  }
}

/** Most trees are small, and there a search through an array is faster than a map. */
const MANY_ROWS = 16;

/** Per row of a tree, or of those that serve it, the position of its nearest ancestor in the list, or -1. */
export function parentsOf(index: IndexReader, tree: number, rows: readonly number[]): Int32Array {
  const parents = new Int32Array(rows.length);
  const numberOfRow =
    rows.length > MANY_ROWS ? new Map(rows.map((row, provider) => [row, provider])) : undefined;
  const find = (row: number) =>
    numberOfRow === undefined ? rows.indexOf(row) : (numberOfRow.get(row) ?? -1);
  const numberOfId =
    numberOfRow && new Map(rows.map((row, provider) => [index.idOf(row), provider]));
  for (let provider = 0; provider < rows.length; provider++) {
    const row = rows[provider]!;
    if (numberOfId !== undefined && index.treeOf(row) === tree) {
      // In a tree that a view keeps, the index would look through all of it for each parent.
      const parent = numberOfId.get(index.parentIdOf(row)) ?? -1;
      // It may be a sharing provider, of another tree.
      parents[provider] = parent >= 0 && index.treeOf(rows[parent]!) === tree ? parent : -1;
      continue;
    }
    let parent = index.parentOf(row);
    // Of a sharing provider's ancestors, those that do not share are left out.
    const seen = new Set<number>();
    while (parent >= 0 && find(parent) < 0 && !seen.has(parent)) {
      seen.add(parent);
      parent = index.parentOf(parent);
    }
    parents[provider] = parent < 0 ? -1 : find(parent);
  }
  // Each loop has somebody who comes before the parent.
  if (parents.some((parent, provider) => parent >= provider)) cutLoops(parents);
  return parents;
}

/** Takes their parents from all who are their own ancestors: the rows may hold such, and nobody is above. */
function cutLoops(parents: Int32Array): void {
  const [onPath, isDone] = [1, 2];
  const states = new Uint8Array(parents.length);
  for (let provider = 0; provider < parents.length; provider++) {
    const path: number[] = [];
    let it = provider;
    for (; it >= 0 && states[it] === 0; it = parents[it]!) {
      states[it] = onPath;
      path.push(it);
    }
    const loop = it >= 0 && states[it] === onPath ? path.slice(path.indexOf(it)) : [];
    for (const member of path) states[member] = isDone;
    for (const member of loop) parents[member] = -1;
  }
}
