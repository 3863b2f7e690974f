import { normalizeUuid } from "../domain/uuid.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";

/** A provider, in the tree that it was in when it was found. */
export interface FoundHost {
  readonly row: number;
  readonly tree: number;
}

/**
 * The providers that have these UUIDs or names; those that are not there are left out. Pauses each time the budget
 * is used up.
 */
export function* findHosts(
  index: IndexReader,
  time: number,
  names: Iterable<string>,
  budget: Budget,
): Generator<void, Map<string, FoundHost>> {
  const found = new Map<string, FoundHost>();
  const missing = new Set<string>();
  // At once: what is found by UUID is of the present.
  for (const name of names) {
    const uuid = normalizeUuid(name);
    const row = uuid === undefined ? undefined : index.findRow(uuid);
    if (row === undefined) missing.add(name);
    else found.set(name, { row, tree: index.treeOf(row) });
  }
  for (let tree = 0; missing.size > 0 && tree < index.trees.end; tree++) {
    budget.left -= 1;
    if (budget.left <= 0) yield;
    if (!index.trees.isVisible(tree, time)) continue;
    for (const row of index.trees.rows(tree)) {
      const name = index.nameOf(row);
      if (missing.delete(name)) found.set(name, { row, tree });
    }
  }
  return found;
}
