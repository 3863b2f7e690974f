import type { ProviderFilter } from "../domain/provider-filter.ts";
import {
  aggregateNumbers,
  hasAnyOfEachAndNone,
  resourceClassId,
  SetCondition,
  traitIds,
} from "./conditions.ts";
import type { ProviderIndex } from "./provider-index.ts";
import { type AnyOf, TreeScan } from "./tree-scan.ts";

/**
 * The ids of the providers that meet a filter, ascending.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function findProviders(index: ProviderIndex, filter: ProviderFilter): number[] {
  const needs = Array.from(filter.resources, ([name, amount]) => ({
    column: index.column(resourceClassId(index, name)),
    amount,
  }));
  const requiredTraits = filter.requiredTraits.map((names) => traitIds(index, names));
  const memberOf = filter.memberOf.map((uuids) => aggregateNumbers(index, uuids));
  const traits = new SetCondition(
    index.traitSets,
    hasAnyOfEachAndNone(requiredTraits, traitIds(index, filter.forbiddenTraits)),
  );
  const aggregates = new SetCondition(
    index.aggregateSets,
    hasAnyOfEachAndNone(memberOf, aggregateNumbers(index, filter.forbiddenAggregates)),
  );
  const isMatch = (row: number): boolean =>
    needs.every(({ column, amount }) => column?.fits(row, amount)) &&
    traits.isMetBy(index.traitSetOf(row)) &&
    aggregates.isMetBy(index.aggregateSetOf(row));

  const ids: number[] = [];
  for (const tree of treesToLookAt()) {
    if (!index.trees.isVisible(tree, index.time)) continue;
    for (const row of index.trees.rows(tree)) if (isMatch(row)) ids.push(index.idOf(row));
  }
  return [...Int32Array.from(ids).sort()];

  function* treesToLookAt(): Iterable<number> {
    if (filter.inTree !== undefined) {
      const row = index.findRow(filter.inTree);
      if (row !== undefined) yield index.treeOf(row);
      return;
    }
    const conditions: AnyOf[] = [
      ...needs.map(({ column }) => [column?.trees]),
      ...requiredTraits.map((anyOf) => [...anyOf].map((id) => index.treesOfTrait(id))),
      ...memberOf.map((anyOf) => [...anyOf].map((it) => index.treesOfAggregate(it))),
    ];
    const scan = new TreeScan(conditions, index.trees.end);
    for (let tree = scan.next(); tree >= 0; tree = scan.next()) yield tree;
  }
}
