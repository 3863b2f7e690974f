import type { IndexReader, TreesWith } from "../index/reader.ts";
import { TreeScan } from "../index/tree-scan.ts";
import type { ProviderChoice } from "./provider-choice.ts";

/** Marks a provider whose inventory may be used with every tree that has an aggregate of its. */
const SHARES_VIA_AGGREGATE = "MISC_SHARES_VIA_AGGREGATE";

/** With more aggregates than this, asking them all costs more than it saves. */
const MAX_SCANNED_AGGREGATES = 64;

const NO_ROWS: readonly number[] = [];

/** The sharing providers that fit at least one choice of a query, and the trees they serve. */
export class SharingProviders {
  readonly #index: IndexReader;
  /** Per choice, the rows that fit it. */
  readonly #rowsOfChoice: readonly ReadonlySet<number>[];
  readonly #rowsOfAggregate = new Map<number, number[]>();
  readonly #rowsOfAggregateSet: (readonly number[])[] = [];

  constructor(
    index: IndexReader,
    time: number,
    choices: readonly Pick<ProviderChoice, "fitsShared">[],
  ) {
    this.#index = index;
    const rows = sharingRows(index, time);
    this.#rowsOfChoice = choices.map(
      (choice) => new Set(rows.filter((row) => choice.fitsShared(row))),
    );
    for (const row of rows) {
      if (!this.#rowsOfChoice.some((fitting) => fitting.has(row))) continue;
      for (const aggregate of index.aggregateSets.members(index.aggregateSetOf(row))) {
        const others = this.#rowsOfAggregate.get(aggregate);
        if (others === undefined) this.#rowsOfAggregate.set(aggregate, [row]);
        else others.push(row);
      }
    }
  }

  get isEmpty(): boolean {
    return this.#rowsOfAggregate.size === 0;
  }

  /** Whether any sharing provider fits a choice. */
  serves(choice: number): boolean {
    return this.#rowsOfChoice[choice]!.size > 0;
  }

  /** Whether a provider fits a choice for trees other than its own. */
  canServe(choice: number, row: number): boolean {
    return this.#rowsOfChoice[choice]!.has(row);
  }

  /** The trees for which some sharing provider fits a choice; undefined for too many to tell. */
  treesServed(choice: number): readonly (TreesWith | undefined)[] | undefined {
    const aggregates = new Set<number>();
    for (const row of this.#rowsOfChoice[choice]!) {
      for (const aggregate of this.#aggregatesOf(row)) aggregates.add(aggregate);
      if (aggregates.size > MAX_SCANNED_AGGREGATES) return undefined;
    }
    return Array.from(aggregates, (aggregate) => this.#index.treesOfAggregate(aggregate));
  }

  /** The trees that a sharing provider serves. */
  treesSharedWith(row: number): (TreesWith | undefined)[] {
    return Array.from(this.#aggregatesOf(row), (it) => this.#index.treesOfAggregate(it));
  }

  /** The sharing providers of other trees that serve a tree with these rows. */
  servingTree(tree: number, rows: readonly number[]): readonly number[] {
    if (this.isEmpty) return NO_ROWS;
    if (rows.length === 1) return this.#servingRow(tree, rows[0]!);
    const sharing = new Set<number>();
    for (const row of rows) for (const it of this.#servingRow(tree, row)) sharing.add(it);
    return sharing.size === 0 ? NO_ROWS : [...sharing];
  }

  /** Whether sharing providers of other trees serve a tree that has just one row. */
  isServed(tree: number, row: number): boolean {
    return !this.isEmpty && this.#servingRow(tree, row).length > 0;
  }

  #servingRow(tree: number, row: number): readonly number[] {
    const aggregateSet = this.#index.aggregateSetOf(row);
    const sharing = (this.#rowsOfAggregateSet[aggregateSet] ??= this.#ofAggregates(aggregateSet));
    return sharing.some((other) => this.#index.treeOf(other) === tree)
      ? sharing.filter((other) => this.#index.treeOf(other) !== tree)
      : sharing;
  }

  #ofAggregates(aggregateSet: number): readonly number[] {
    const aggregates = [...this.#index.aggregateSets.members(aggregateSet)];
    return [...new Set(aggregates.flatMap((it) => this.#rowsOfAggregate.get(it) ?? []))];
  }

  #aggregatesOf(row: number): Int32Array {
    return this.#index.aggregateSets.members(this.#index.aggregateSetOf(row));
  }
}

function sharingRows(index: IndexReader, time: number): number[] {
  const traitId = index.traits.idOf(SHARES_VIA_AGGREGATE);
  if (traitId === undefined) return [];
  const rows: number[] = [];
  const scan = new TreeScan([[index.treesOfTrait(traitId)]], index.trees.end);
  for (let tree = scan.next(); tree >= 0; tree = scan.next()) {
    if (!index.trees.isVisible(tree, time)) continue;
    for (const row of index.trees.rows(tree)) {
      if (index.traitSets.has(index.traitSetOf(row), traitId)) rows.push(row);
    }
  }
  return rows;
}
