import type { ProviderFilter } from "../domain/provider-filter.ts";
import {
  aggregateNumbers,
  hasAnyOfEachAndNone,
  resourceClassId,
  SetCondition,
  traitIds,
} from "./conditions.ts";
import type { IndexReader } from "./reader.ts";
import { type AnyOf, TreeScan } from "./tree-scan.ts";

/** So many providers, or chunks of sets of trees, are looked at between two pauses: some 0.2 ms. */
const STEPS = 1024;

/**
 * Whether the provider of a row meets a filter but for the tree.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function providerMatcher(
  index: IndexReader,
  filter: ProviderFilter,
): (row: number) => boolean {
  return conditionsOf(index, filter).isMatch;
}

function conditionsOf(index: IndexReader, filter: ProviderFilter) {
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
  return { needs, requiredTraits, memberOf, isMatch };
}

/**
 * The ids of the providers that meet a filter, ascending. Pauses now and then: what goes on after others
 * had their turn needs the view of that time to be open.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function* searchProviders(
  index: IndexReader,
  time: number,
  filter: ProviderFilter,
): Generator<void, number[]> {
  const { needs, requiredTraits, memberOf, isMatch } = conditionsOf(index, filter);
  const ids: number[] = [];
  const budget = { left: STEPS };
  let isAscending = true;
  for (const tree of treesToLookAt()) {
    if (tree === undefined || budget.left <= 0) {
      yield;
      budget.left = STEPS;
    }
    if (tree === undefined || !index.trees.isVisible(tree, time)) continue;
    for (const row of index.trees.rows(tree)) {
      budget.left -= 1;
      if (!isMatch(row)) continue;
      const id = index.idOf(row);
      if (id < (ids.at(-1) ?? 0)) isAscending = false;
      ids.push(id);
    }
  }
  return isAscending ? ids : [...Int32Array.from(ids).sort()];

  /** Undefined for a pause. */
  function* treesToLookAt(): Iterable<number | undefined> {
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
    for (;;) {
      const tree = scan.next(budget);
      if (tree === -1) return;
      yield tree;
    }
  }
}
