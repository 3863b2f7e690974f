import { HostNotFound } from "../domain/errors.ts";
import { normalizeUuid } from "../domain/uuid.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "../search/budget.ts";

/**
 * The trees of the providers that have one of these UUIDs or names.
 *
 * @throws HostNotFound there is none by one of them
 */
export function* findTrees(
  index: IndexReader,
  time: number,
  hosts: readonly string[],
  budget: Budget,
): Generator<void, Set<number>> {
  const found = new Set<number>();
  const names = new Set<string>();
  for (const host of hosts) {
    const uuid = normalizeUuid(host);
    const row = uuid === undefined ? undefined : index.findRow(uuid);
    if (row === undefined) names.add(host);
    else found.add(index.treeOf(row));
  }
  for (let tree = 0; tree < index.trees.end && names.size > 0; tree++) {
    budget.left -= 1;
    if (budget.left <= 0) yield;
    if (!index.trees.isVisible(tree, time)) continue;
    for (const row of index.trees.rows(tree)) {
      if (names.delete(index.nameOf(row))) found.add(tree);
    }
  }
  for (const name of names) throw new HostNotFound(name);
  return found;
}
