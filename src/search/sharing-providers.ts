import type { IndexReader, TreesWith } from "../index/reader.ts";
import { TreeScan } from "../index/tree-scan.ts";
import type { Budget } from "./budget.ts";
import type { ProviderChoice } from "./provider-choice.ts";

/** Marks a provider whose inventory may be used with every tree that has an aggregate of its. */
const SHARES_VIA_AGGREGATE = "MISC_SHARES_VIA_AGGREGATE";

/** With more aggregates than this, asking them all costs more than it saves. */
const MAX_SCANNED_AGGREGATES = 64;

/** To see whether a provider fits so many choices takes as long as a step of a search. */
const CHOICES_BY_STEP = 4;

const NO_ROWS: readonly number[] = [];

/** So much is looked at when a plan is made: of most fleets, all. */
const FIRST_STEPS = 512;

/**
 * The sharing providers that fit at least one choice of a query, and the trees they serve. Where there are
 * very many, they are collected step by step; whoever does not wait for that has it done in one piece.
 */
export class SharingProviders {
  readonly #index: IndexReader;
  readonly #choices: readonly Pick<ProviderChoice, "fitsShared">[];
  /** Per choice, whether any fits it, and the aggregates of those that do, unless they are too many. */
  readonly #isServed: boolean[];
  readonly #aggregatesOfChoice: (Set<number> | undefined)[];
  readonly #rowsOfAggregate = new Map<number, number[]>();
  readonly #rowsOfAggregateSet: (readonly number[])[] = [];
  readonly #budget: Budget = { left: FIRST_STEPS };
  readonly #collecting: Iterator<void, void>;
  #isComplete = false;

  constructor(
    index: IndexReader,
    time: number,
    choices: readonly Pick<ProviderChoice, "fitsShared">[],
  ) {
    this.#index = index;
    this.#choices = choices;
    this.#isServed = choices.map(() => false);
    this.#aggregatesOfChoice = choices.map(() => new Set());
    this.#collecting = this.#collect(time);
    this.#isComplete = this.#collecting.next().done === true;
  }

  /**
   * Goes on with collecting them.
   *
   * @param budget is used up by the work done
   * @returns whether it is complete
   */
  collect(budget: Budget): boolean {
    while (!this.#isComplete && budget.left > 0) {
      this.#budget.left = budget.left;
      this.#isComplete = this.#collecting.next().done === true;
      budget.left = this.#budget.left;
    }
    return this.#isComplete;
  }

  get isEmpty(): boolean {
    // As long as there may be more, there are some.
    return this.#isComplete && this.#rowsOfAggregate.size === 0;
  }

  /** Whether any sharing provider fits a choice. */
  serves(choice: number): boolean {
    this.#complete();
    return this.#isServed[choice]!;
  }

  /** Whether a provider fits a choice for trees other than its own. */
  canServe(choice: number, row: number): boolean {
    return isSharing(this.#index, row) && this.#choices[choice]!.fitsShared(row);
  }

  /** The trees for which some sharing provider fits a choice; undefined for too many to tell. */
  treesServed(choice: number): readonly (TreesWith | undefined)[] | undefined {
    this.#complete();
    const aggregates = this.#aggregatesOfChoice[choice];
    return (
      aggregates && Array.from(aggregates, (aggregate) => this.#index.treesOfAggregate(aggregate))
    );
  }

  /** The trees that a sharing provider serves. */
  treesSharedWith(row: number): (TreesWith | undefined)[] {
    return Array.from(this.#aggregatesOf(row), (it) => this.#index.treesOfAggregate(it));
  }

  /** The sharing providers of other trees that serve a tree with these rows. */
  servingTree(tree: number, rows: readonly number[]): readonly number[] {
    this.#complete();
    if (this.isEmpty) return NO_ROWS;
    if (rows.length === 1) return this.#servingRow(tree, rows[0]!);
    // Most rows of a tree are members of the same aggregates, or of none.
    const aggregateSets = new Map(rows.map((row) => [this.#index.aggregateSetOf(row), row]));
    const sharing = new Set<number>();
    for (const row of aggregateSets.values()) {
      for (const it of this.#servingRow(tree, row)) sharing.add(it);
    }
    return sharing.size === 0 ? NO_ROWS : [...sharing];
  }

  /** Whether sharing providers of other trees serve a tree that has just one row. */
  isServed(tree: number, row: number): boolean {
    this.#complete();
    if (this.isEmpty) return false;
    return this.#sharingWith(row).some((other) => this.#index.treeOf(other) !== tree);
  }

  #servingRow(tree: number, row: number): readonly number[] {
    const sharing = this.#sharingWith(row);
    return sharing.some((other) => this.#index.treeOf(other) === tree)
      ? sharing.filter((other) => this.#index.treeOf(other) !== tree)
      : sharing;
  }

  #sharingWith(row: number): readonly number[] {
    const aggregateSet = this.#index.aggregateSetOf(row);
    return (this.#rowsOfAggregateSet[aggregateSet] ??= this.#ofAggregates(aggregateSet));
  }

  /** In the order of their ids: numbers of rows and of aggregates are not the same in every process. */
  #ofAggregates(aggregateSet: number): readonly number[] {
    const index = this.#index;
    const rowOfId = new Map<number, number>();
    for (const aggregate of index.aggregateSets.members(aggregateSet)) {
      for (const row of this.#rowsOfAggregate.get(aggregate) ?? NO_ROWS) {
        rowOfId.set(index.idOf(row), row);
      }
    }
    if (rowOfId.size === 0) return NO_ROWS;
    // Of numbers alone, 20,000 are sorted in a millisecond.
    return Array.from(Float64Array.from(rowOfId.keys()).sort(), (id) => rowOfId.get(id)!);
  }

  #aggregatesOf(row: number): Int32Array {
    return this.#index.aggregateSets.members(this.#index.aggregateSetOf(row));
  }

  #complete(): void {
    if (!this.#isComplete) this.collect({ left: Infinity });
  }

  /** Pauses when the budget is used up. */
  *#collect(time: number): Generator<void, void> {
    const [index, budget] = [this.#index, this.#budget];
    const traitId = index.traits.idOf(SHARES_VIA_AGGREGATE);
    if (traitId === undefined || this.#choices.length === 0) return;
    const scan = new TreeScan([[index.treesOfTrait(traitId)]], index.trees.end);
    for (;;) {
      const tree = scan.next(budget);
      if (tree === -1) return;
      if (tree === undefined || budget.left <= 0) yield;
      if (tree === undefined || !index.trees.isVisible(tree, time)) continue;
      for (const row of index.trees.rows(tree)) {
        budget.left -= 1;
        if (!index.traitSets.has(index.traitSetOf(row), traitId)) continue;
        budget.left -= this.#choices.length / CHOICES_BY_STEP;
        if (this.#noteChoices(row)) this.#noteAggregates(row);
        if (budget.left <= 0) yield;
      }
    }
  }

  /** Whether a sharing provider fits any choice. */
  #noteChoices(row: number): boolean {
    let fitsAny = false;
    for (const [number, choice] of this.#choices.entries()) {
      const aggregates = this.#aggregatesOfChoice[number];
      if (fitsAny && aggregates === undefined && this.#isServed[number]) continue;
      if (!choice.fitsShared(row)) continue;
      fitsAny = true;
      this.#isServed[number] = true;
      for (const aggregate of this.#aggregatesOf(row)) {
        if (!this.#aggregatesOfChoice[number]) break;
        this.#aggregatesOfChoice[number].add(aggregate);
        if (this.#aggregatesOfChoice[number].size > MAX_SCANNED_AGGREGATES) {
          this.#aggregatesOfChoice[number] = undefined;
        }
      }
    }
    return fitsAny;
  }

  #noteAggregates(row: number): void {
    for (const aggregate of this.#aggregatesOf(row)) {
      this.#budget.left -= 1;
      const others = this.#rowsOfAggregate.get(aggregate);
      if (others === undefined) this.#rowsOfAggregate.set(aggregate, [row]);
      else others.push(row);
    }
  }
}

function isSharing(index: IndexReader, row: number): boolean {
  const traitId = index.traits.idOf(SHARES_VIA_AGGREGATE);
  return traitId !== undefined && index.traitSets.has(index.traitSetOf(row), traitId);
}
