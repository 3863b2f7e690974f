import type { CandidateQuery } from "../domain/candidate-query.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import type { IndexReader } from "../index/reader.ts";
import { anchors } from "./anchoring.ts";
import type { Budget } from "./budget.ts";
import { SearchNotes } from "./failed-shapes.ts";
import { SearchPlan } from "./search-plan.ts";

/**
 * A query as it is to be asked of a copy of some trees: where no resources are asked for, in_tree is looked at
 * only to find that there is no such provider.
 */
export function queryOfCopy(index: IndexReader, query: CandidateQuery): CandidateQuery {
  const groups = query.groups.map((group) =>
    group.resources.size === 0 &&
    group.inTree !== undefined &&
    index.findRow(group.inTree) !== undefined
      ? { ...group, inTree: undefined }
      : group,
  );
  return { ...query, groups };
}

/**
 * To take as many providers out of an index again costs more than a new one: with each, all that are left of its
 * tree are looked through. It took 700 ms for a tree of 4,000.
 */
const MAX_CLEARED = 64;

/** Asks what a tree would anchor if nothing were claimed: of a copy of it in an index of its own. */
export class EmptiedTrees {
  readonly #index: IndexReader;
  readonly #query: CandidateQuery;
  #scratch: ProviderIndex;

  constructor(index: IndexReader, query: CandidateQuery) {
    this.#index = index;
    this.#query = queryOfCopy(index, query);
    this.#scratch = ProviderIndex.withNamesOf(index);
  }

  /** @param serving rows of the sharing providers of other trees that serve it */
  *fits(tree: number, serving: readonly number[], budget: Budget): Generator<void, boolean> {
    const index = this.#index;
    const scratch = this.#scratch;
    const trees = new Set([tree, ...serving.map((row) => index.treeOf(row))]);
    let copied = 0;
    for (const it of trees) {
      for (const row of index.trees.rows(it)) {
        const record = index.read(row);
        scratch.put({
          ...record,
          inventories: record.inventories.map((inventory) => ({ ...inventory, used: 0 })),
        });
        copied += 1;
        budget.left -= 4;
        if (budget.left <= 0) yield;
      }
    }
    try {
      const plan = new SearchPlan(scratch, scratch.time, this.#query);
      const copy = scratch.trees.find(index.trees.rootId(tree));
      return copy !== undefined && (yield* anchors(plan, copy, new SearchNotes(), budget));
    } finally {
      if (copied > MAX_CLEARED) this.#scratch = ProviderIndex.withNamesOf(index);
      else scratch.clear();
    }
  }
}
