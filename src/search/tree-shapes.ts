import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { IndexReader, Inventories } from "../index/reader.ts";
import { parentsOf } from "./anchor-providers.ts";
import type { Budget } from "./budget.ts";
import { type ConstraintMasks, lowestBit } from "./constraint-masks.ts";
import { EmptiedTrees } from "./emptied-trees.ts";
import type { RelaxedPlans } from "./relaxed-plans.ts";

/** Of what is larger, the description would take as long as the search. */
const MAX_NUMBERS = 8192;
/** What may be spent on asking again with constraints left out; beyond it not all is told. */
const MAX_EFFORT = 2_000_000;
const STEPS = 1024;

/** Trees that a query cannot tell apart, whatever is left out of it. */
interface TreeShape {
  /** One of them. */
  readonly tree: number;
  count: number;
  readonly fits: boolean;
  /** Bits that every provider fails: without leaving them out, nothing fits. */
  readonly must: number;
  /** The bit of the constraint that removes it, in order; -1 for one that fits. */
  readonly eliminatedBy: number;
  /** What fits when it is left out, as far as it was asked. */
  readonly answers: Map<number, boolean>;
}

/** A tree and the sharing providers that serve it. */
export interface ServedTree {
  readonly tree: number;
  readonly root: number;
  readonly own: readonly number[];
  readonly serving: readonly number[];
}

/**
 * Asks the search about trees of several providers, once for all that have one shape (memoization): what each
 * provider fails, how they lie, and what room they have where several groups take from one inventory.
 */
export class TreeShapes {
  readonly #index: IndexReader;
  readonly #masks: ConstraintMasks;
  readonly #plans: RelaxedPlans;
  readonly #emptied: EmptiedTrees;
  readonly #query: CandidateQuery;
  readonly #contested: readonly ContestedClass[];
  readonly #shapes = new Map<string, TreeShape>();
  readonly #large: TreeShape[] = [];
  readonly #ifEmpty = new Map<string, boolean>();
  #lastServed: ServedTree | undefined;
  #lastMasks: readonly number[] = [];
  #effort = MAX_EFFORT;
  #isExact = true;

  constructor(
    index: IndexReader,
    query: CandidateQuery,
    masks: ConstraintMasks,
    plans: RelaxedPlans,
  ) {
    this.#index = index;
    this.#masks = masks;
    this.#plans = plans;
    this.#query = query;
    this.#emptied = new EmptiedTrees(index, query);
    this.#contested = contestedClasses(index, query);
  }

  /** Whether everything that was asked was answered. */
  get isExact(): boolean {
    return this.#isExact;
  }

  *all(): Iterable<TreeShape> {
    yield* this.#shapes.values();
    yield* this.#large;
  }

  /** Counts a tree among those of its shape. */
  *add(served: ServedTree, budget: Budget): Generator<void, TreeShape> {
    const rowMasks = this.#rowMasks(served, budget);
    const key = this.#keyOf(served, rowMasks, false);
    const known = key === undefined ? undefined : this.#shapes.get(key);
    if (known !== undefined) {
      known.count += 1;
      return known;
    }
    const { tree } = served;
    const rootMask = this.#masks.ofRoot(served.root);
    const must = this.#mustOf(served, rowMasks);
    const fits = yield* this.#ask(tree, 0, budget);
    const shape: TreeShape = {
      tree,
      count: 1,
      fits,
      must,
      eliminatedBy: fits ? -1 : yield* this.#eliminatedBy(tree, rootMask, rowMasks, budget),
      answers: new Map([[0, fits]]),
    };
    if (key === undefined) this.#large.push(shape);
    else this.#shapes.set(key, shape);
    return shape;
  }

  /** Whether a tree would fit if nothing were claimed. */
  *fitsIfEmpty(served: ServedTree, budget: Budget): Generator<void, boolean> {
    const { resourceBits } = this.#masks;
    const rowMasks = this.#rowMasks(served, budget).map((mask, number) => {
      const amounts = mask & resourceBits;
      if (amounts === 0) return mask;
      const row = served.own[number] ?? served.serving[number - served.own.length]!;
      return (mask & ~amounts) | this.#masks.amountsIfEmpty(row, amounts);
    });
    if (this.#mustOf(served, rowMasks) !== 0) return false;
    const key = this.#keyOf(served, rowMasks, true);
    const known = key === undefined ? undefined : this.#ifEmpty.get(key);
    if (known !== undefined) return known;
    const fits = yield* this.#emptied.fits(served.tree, served.serving, budget);
    if (key !== undefined) this.#ifEmpty.set(key, fits);
    return fits;
  }

  /** Whether trees of a shape fit when constraints are left out; false, too, when too much was asked. */
  *fitsWithout(shape: TreeShape, left: number, budget: Budget): Generator<void, boolean> {
    if (shape.fits) return true;
    if ((shape.must & ~this.#plans.closure(left)) !== 0) return false;
    const known = shape.answers.get(left);
    if (known !== undefined) return known;
    if (this.#effort <= 0) {
      this.#isExact = false;
      return false;
    }
    const answer = yield* this.#ask(shape.tree, left, budget, true);
    shape.answers.set(left, answer);
    return answer;
  }

  *#ask(tree: number, left: number, budget: Budget, isAgain = false): Generator<void, boolean> {
    const slice = { left: STEPS };
    const search = this.#plans.fits(tree, left, slice);
    for (;;) {
      const step = search.next();
      const spent = STEPS - slice.left;
      slice.left = STEPS;
      budget.left -= spent;
      if (isAgain) this.#effort -= spent;
      if (step.done) return step.value;
      if (budget.left <= 0) yield;
    }
  }

  /**
   * In order: the constraint after which no provider is left for some choice, or else the first of those on
   * combinations of providers without which, and without those after it, something fits.
   */
  *#eliminatedBy(
    tree: number,
    rootMask: number,
    rowMasks: readonly number[],
    budget: Budget,
  ): Generator<void, number> {
    const { choices, combinationBits, collectiveBits, constraints } = this.#masks;
    let lowest = rootMask === 0 ? Infinity : lowestBit(rootMask);
    const lacking = rowMasks.reduce((all, mask) => all & mask, collectiveBits);
    if (lacking !== 0) lowest = Math.min(lowest, lowestBit(lacking));
    for (const bits of choices) {
      let latest = -1;
      for (const mask of rowMasks) {
        latest = Math.max(latest, (mask & bits) === 0 ? Infinity : lowestBit(mask & bits));
      }
      lowest = Math.min(lowest, latest);
    }
    if (lowest !== Infinity) return lowest;
    let after = combinationBits | collectiveBits;
    for (let bit = 0; bit < constraints.length; bit++) {
      if ((after & (1 << bit)) === 0) continue;
      after &= ~(1 << bit);
      if (after === 0 || !(yield* this.#ask(tree, after, budget))) return bit;
    }
    return constraints.length - 1;
  }

  /** Bits that every provider fails, or the root. */
  #mustOf({ root }: ServedTree, rowMasks: readonly number[]): number {
    const { combinationBits, constraints } = this.#masks;
    let must = ~combinationBits;
    for (const mask of rowMasks) must &= mask;
    return (must | this.#masks.ofRoot(root)) & ((1 << constraints.length) - 1);
  }

  /** Per row, what it fails: the tree's own first. Of a tree that is asked about twice, worked out once. */
  #rowMasks(served: ServedTree, budget: Budget): readonly number[] {
    if (served === this.#lastServed) return this.#lastMasks;
    this.#lastServed = served;
    this.#lastMasks = this.#workOutRowMasks(served, budget);
    return this.#lastMasks;
  }

  #workOutRowMasks({ root, own, serving }: ServedTree, budget: Budget): number[] {
    const masks = this.#masks;
    budget.left -= own.length + serving.length;
    const of = (row: number, isShared: boolean) =>
      masks.withoutAmounts({ row, root, isShared }) | masks.amounts(row);
    return [...own.map((row) => of(row, false)), ...serving.map((row) => of(row, true))];
  }

  #keyOf(
    { tree, root, own, serving }: ServedTree,
    rowMasks: readonly number[],
    isEmpty: boolean,
  ): string | undefined {
    const index = this.#index;
    if (rowMasks.length * (3 + this.#contested.length) > MAX_NUMBERS) return undefined;
    const rows = serving.length === 0 ? own : [...own, ...serving];
    const numbers = [own.length, this.#masks.ofRoot(root), ...rowMasks];
    for (const { column, total } of this.#contested) {
      for (const row of rows) {
        if (column?.has(row) !== true) numbers.push(-1);
        else if (!isEmpty) numbers.push(Math.min(column.room(row), total));
        else numbers.push(Math.min(column.capacity(row), column.maxUnit(row), total));
      }
    }
    if (this.#query.sameSubtrees.length > 0) {
      for (const parent of parentsOf(index, tree, rows)) numbers.push(parent);
    }
    if (!this.#query.isNestedAware) for (const row of serving) numbers.push(index.treeOf(row));
    return numbers.join(",");
  }
}

interface ContestedClass {
  readonly column: Inventories | undefined;
  readonly total: number;
}

/** Also of a query that is hopeless as it is. */
function contestedClasses(index: IndexReader, { groups }: CandidateQuery): ContestedClass[] {
  const amounts = groups.flatMap(({ resources }) => [...resources]);
  return Array.from(
    Map.groupBy(amounts, ([name]) => name),
    ([name, ofClass]) => ({ name, ofClass }),
  ).flatMap(({ name, ofClass }) => {
    if (ofClass.length < 2) return [];
    const id = index.resourceClasses.idOf(name)!;
    return [{ column: index.column(id), total: ofClass.reduce((sum, [, it]) => sum + it, 0) }];
  });
}
