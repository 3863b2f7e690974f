import type { ProviderFilter } from "../domain/provider-filter.ts";
import {
  aggregateNumbers,
  hasAnyOfEachAndNone,
  resourceClassId,
  SetCondition,
  traitIds,
} from "./conditions.ts";
import type { IndexReader } from "./reader.ts";
import { sortById } from "./sort-rows.ts";
import { NONE } from "./tree-table.ts";
import { type AnyOf, TreeScan } from "./tree-scan.ts";

/** So many providers, or chunks of sets of trees, are looked at between two pauses: some 0.2 ms. */
const STEPS = 1024;

/** The rows of providers, in the order of their ids. */
export interface FoundProviders {
  readonly rows: Int32Array;
  /** When the newest of them was made or changed, in seconds; undefined for none, and where one does not know. */
  readonly modifiedAt: number | undefined;
}

/**
 * The providers that meet a filter, or all; or of those the one with a UUID or exactly this name. Pauses now and then: what goes on after others had their turn
 * needs the view of that time to be open.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function* searchProviders(
  index: IndexReader,
  time: number,
  {
    uuid,
    name,
    filter,
  }: {
    readonly uuid?: string | undefined;
    readonly name?: string | undefined;
    readonly filter?: ProviderFilter | undefined;
  },
): Generator<void, FoundProviders> {
  const matching = filter ? conditionsOf(index, filter) : EVERYTHING;
  const only = uuid === undefined ? undefined : (index.findRow(uuid) ?? NONE);
  const found = new FoundRows(index);
  const budget = { left: STEPS };
  for (const tree of treesToLookAt(index, filter?.inTree ?? uuid, matching.trees, budget)) {
    if (tree === undefined || budget.left <= 0) {
      yield;
      budget.left = STEPS;
    }
    if (tree === undefined || !index.trees.isVisible(tree, time)) continue;
    const first = index.trees.firstRow(tree);
    for (let row = first; row !== NONE;) {
      budget.left -= 1;
      const isOne =
        (only === undefined || only === row) && (name === undefined || index.nameOf(row) === name);
      if (isOne && matching.isMetBy(row)) found.add(row);
      if (budget.left <= 0) {
        yield;
        budget.left = STEPS;
      }
      row = index.trees.nextRow(row);
      if (row === first) break;
    }
  }
  return yield* found.inOrder();
}

/** What a provider must have, and the trees in which one may be that has it. */
interface Conditions {
  readonly trees: readonly AnyOf[];
  readonly isMetBy: (row: number) => boolean;
}

const EVERYTHING: Conditions = { trees: [], isMetBy: () => true };

function conditionsOf(index: IndexReader, filter: ProviderFilter): Conditions {
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
  return {
    trees: [
      ...needs.map(({ column }) => [column?.trees]),
      ...requiredTraits.map((anyOf) => [...anyOf].map((id) => index.treesOfTrait(id))),
      ...memberOf.map((anyOf) => [...anyOf].map((it) => index.treesOfAggregate(it))),
    ],
    isMetBy: (row) =>
      needs.every(({ column, amount }) => column?.fits(row, amount)) &&
      traits.isMetBy(index.traitSetOf(row)) &&
      aggregates.isMetBy(index.aggregateSetOf(row)),
  };
}

/** Undefined for a pause. */
function* treesToLookAt(
  index: IndexReader,
  inTree: string | undefined,
  conditions: readonly AnyOf[],
  budget: { left: number },
): Iterable<number | undefined> {
  if (inTree !== undefined) {
    const row = index.findRow(inTree);
    if (row !== undefined) yield index.treeOf(row);
    return;
  }
  const scan = new TreeScan(conditions, index.trees.end);
  for (;;) {
    const tree = scan.next(budget);
    if (tree === -1) return;
    yield tree;
  }
}

/** Rows as they are found, in an array that grows. */
class FoundRows {
  readonly #index: IndexReader;
  #rows = new Int32Array(64);
  #size = 0;
  #lastId = -1;
  #isAscending = true;
  #newest = 0;
  #areAllKnown = true;

  constructor(index: IndexReader) {
    this.#index = index;
  }

  add(row: number): void {
    if (this.#size === this.#rows.length) this.#grow();
    this.#rows[this.#size++] = row;
    const id = this.#index.idOf(row);
    if (id < this.#lastId) this.#isAscending = false;
    this.#lastId = id;
    const modifiedAt = this.#index.modifiedAt(row);
    if (modifiedAt === undefined) this.#areAllKnown = false;
    else if (modifiedAt > this.#newest) this.#newest = modifiedAt;
  }

  *inOrder(): Generator<void, FoundProviders> {
    const rows = this.#rows.subarray(0, this.#size);
    return {
      rows: this.#isAscending ? rows : yield* sortById(rows, (row) => this.#index.idOf(row)),
      modifiedAt: this.#areAllKnown && this.#size > 0 ? this.#newest : undefined,
    };
  }

  /** A million rows are copied in a millisecond. */
  #grow(): void {
    const rows = new Int32Array(this.#rows.length * 2);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}
