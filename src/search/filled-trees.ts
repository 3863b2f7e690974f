import { parentsOf } from "./anchor-providers.ts";
import type { Filling } from "./fill-tree.ts";
import type { SearchPlan } from "./search-plan.ts";

/** Of what is larger, the description would take as long as to fill the tree. */
const MAX_NUMBERS = 8192;
/** So many characters are kept of descriptions: some ten thousand of them. */
const MAX_CHARACTERS = 4 * 1024 * 1024;
/** So many are looked up before it is judged whether that pays, and then one in so many has to be known. */
const LOOKUPS_ON_TRIAL = 256;
const LOOKUPS_PER_HIT = 8;

/**
 * What was told of trees that look alike to a query, which is the same (memoization): where their providers
 * lie, what traits and aggregates they have, and what is free of what is asked for.
 */
export class FilledTrees {
  readonly #plan: SearchPlan;
  readonly #known = new Map<string, Filling>();
  #characters = 0;
  readonly #hasTraits: boolean;
  readonly #hasAggregates: boolean;
  readonly #columns: readonly NonNullable<ReturnType<SearchPlan["index"]["column"]>>[];
  readonly #inTrees: ReadonlySet<number>;

  constructor(plan: SearchPlan) {
    this.#plan = plan;
    const { groups, rootRequired } = plan.query;
    this.#hasTraits =
      rootRequired !== undefined ||
      groups.some((it) => it.requiredTraits.length > 0 || it.forbiddenTraits.size > 0);
    this.#hasAggregates = groups.some(
      (it) => it.memberOf.length > 0 || it.forbiddenAggregates.size > 0,
    );
    const needs = plan.choices.flatMap((choice) => choice.needs);
    this.#columns = [...new Set(needs.flatMap(({ column }) => column ?? []))];
    this.#inTrees = new Set(plan.choices.flatMap(({ inTree }) => inTree ?? []));
  }

  get(shape: string): Filling | undefined {
    return this.#known.get(shape);
  }

  set(shape: string, { count, atMost, boundedBy }: Filling): void {
    this.#characters += shape.length;
    if (this.#characters > MAX_CHARACTERS) {
      this.#known.clear();
      this.#characters = shape.length;
    }
    this.#known.set(shape, { count, atMost, boundedBy, providers: undefined });
  }

  /** All of a tree that a query can see; undefined where that is too much to tell. */
  shapeOf(tree: number, isEmpty: boolean): string | undefined {
    const { index, subtrees } = this.#plan;
    const rows = index.trees.rows(tree);
    if (rows.length * (3 + 5 * this.#columns.length) > MAX_NUMBERS) return undefined;
    const numbers = [rows.length, this.#inTrees.has(tree) ? tree : -1];
    for (const row of rows) {
      if (this.#hasTraits) numbers.push(index.traitSetOf(row));
      if (this.#hasAggregates) numbers.push(index.aggregateSetOf(row));
      for (let number = 0; number < this.#columns.length; number++) {
        const column = this.#columns[number]!;
        if (!column.has(row)) {
          numbers.push(-1);
          continue;
        }
        const used = isEmpty ? 0 : column.used(row);
        numbers.push(column.capacity(row) - used, column.maxUnit(row));
        numbers.push(column.minUnit(row), column.stepSize(row));
      }
    }
    if (subtrees.length > 0)
      for (const parent of parentsOf(index, tree, rows)) numbers.push(parent);
    return numbers.join(",");
  }
}

/** Tells whether looking up pays, of one kind of question. */
export class Trial {
  #lookups = 0;
  #hits = 0;

  get pays(): boolean {
    return this.#lookups < LOOKUPS_ON_TRIAL || this.#hits * LOOKUPS_PER_HIT >= this.#lookups;
  }

  note(isHit: boolean): void {
    this.#lookups += 1;
    if (isHit) this.#hits += 1;
  }
}
