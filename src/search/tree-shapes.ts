import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { IndexReader, Inventories } from "../index/reader.ts";
import { parentsOf } from "./anchor-providers.ts";
import type { Budget } from "./budget.ts";
import { bitCount, type ConstraintMasks, lowestBit } from "./constraint-masks.ts";
import { EmptiedTrees } from "./emptied-trees.ts";
import type { RelaxedPlans } from "./relaxed-plans.ts";
import { RowFailures } from "./row-failures.ts";
import type { PlacedRow } from "./row-masks.ts";

/** Of what is larger, the description would take as long as the search. */
const MAX_NUMBERS = 8192;
/** So many characters all descriptions may have: of what is beyond that, each tree is asked by itself. */
const MAX_CHARACTERS = 32 * 1024 * 1024;
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
  /** Whether it fits when some are left out: what does, and what was asked of single ones. */
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
  readonly #failures: RowFailures;
  #lastServed: ServedTree | undefined;
  #lastNumbers: readonly number[] = [];
  #effort = MAX_EFFORT;
  #characters = MAX_CHARACTERS;
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
    this.#failures = new RowFailures(index, query, masks);
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
    const numbers = yield* this.#numbersOf(served, budget);
    const key = this.#keyOf(served, numbers, false);
    const known = key === undefined ? undefined : this.#shapes.get(key);
    if (known !== undefined) {
      known.count += 1;
      return known;
    }
    const { tree, root } = served;
    const fits = yield* this.#ask(tree, 0, budget);
    const shape: TreeShape = {
      tree,
      count: 1,
      fits,
      must: this.#failures.mustOf(numbers) | this.#masks.ofRoot(root),
      eliminatedBy: fits ? -1 : yield* this.#eliminatedBy(served, numbers, budget),
      answers: new Map([[0, fits]]),
    };
    if (key !== undefined && this.#mayKeep(key)) this.#shapes.set(key, shape);
    else this.#large.push(shape);
    return shape;
  }

  /** Whether a tree would fit if nothing were claimed. */
  *fitsIfEmpty(served: ServedTree, budget: Budget): Generator<void, boolean> {
    const present = yield* this.#numbersOf(served, budget);
    const numbers: number[] = [];
    const { width } = this.#failures;
    for (let number = 0; number < served.own.length + served.serving.length; number++) {
      const placed = this.#place(served, number);
      this.#failures.addIfEmpty(placed, present, numbers.length, numbers);
      budget.left -= width / 8;
      if (budget.left <= 0) yield;
    }
    if ((this.#failures.mustOf(numbers) | this.#masks.ofRoot(served.root)) !== 0) return false;
    const key = this.#keyOf(served, numbers, true);
    const known = key === undefined ? undefined : this.#ifEmpty.get(key);
    if (known !== undefined) return known;
    const fits = yield* this.#emptied.fits(served.tree, served.serving, budget);
    if (key !== undefined && this.#mayKeep(key)) this.#ifEmpty.set(key, fits);
    return fits;
  }

  /** Whether trees of a shape fit when constraints are left out; false, too, when too much was asked. */
  *fitsWithout(shape: TreeShape, left: number, budget: Budget): Generator<void, boolean> {
    if (shape.fits) return true;
    const closure = this.#plans.closure(left);
    if ((shape.must & ~closure) !== 0) return false;
    const known = shape.answers.get(closure);
    if (known !== undefined) return known;
    if (this.#effort <= 0) {
      this.#isExact = false;
      return false;
    }
    const answer = yield* this.#ask(shape.tree, left, budget, true);
    if (answer || bitCount(left) === 1) shape.answers.set(closure, answer);
    return answer;
  }

  #mayKeep(key: string): boolean {
    if (key.length > this.#characters) return false;
    this.#characters -= key.length;
    return true;
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
    { tree, root }: ServedTree,
    numbers: readonly number[],
    budget: Budget,
  ): Generator<void, number> {
    const { combinationBits, collectiveBits, constraints } = this.#masks;
    const rootMask = this.#masks.ofRoot(root);
    const ofRoot = rootMask === 0 ? Infinity : lowestBit(rootMask);
    const lowest = Math.min(ofRoot, this.#failures.eliminatedAt(numbers));
    if (lowest !== Infinity) return lowest;
    let after = combinationBits | collectiveBits;
    for (let bit = 0; bit < constraints.length; bit++) {
      if ((after & (1 << bit)) === 0) continue;
      after &= ~(1 << bit);
      if (after === 0 || !(yield* this.#ask(tree, after, budget))) return bit;
    }
    return constraints.length - 1;
  }

  /** What each row fails: the tree's own first. Of a tree that is asked about twice, worked out once. */
  *#numbersOf(served: ServedTree, budget: Budget): Generator<void, readonly number[]> {
    if (served === this.#lastServed) return this.#lastNumbers;
    const numbers: number[] = [];
    const steps = this.#masks.stepsByRow + (this.#failures.width - 1) / 8;
    for (let number = 0; number < served.own.length + served.serving.length; number++) {
      this.#failures.add(this.#place(served, number), numbers);
      budget.left -= steps;
      if (budget.left <= 0) yield;
    }
    this.#lastServed = served;
    this.#lastNumbers = numbers;
    return numbers;
  }

  readonly #placed = { row: 0, root: 0, isShared: false };

  #place({ root, own, serving }: ServedTree, number: number): PlacedRow {
    const placed = this.#placed;
    placed.isShared = number >= own.length;
    placed.row = placed.isShared ? serving[number - own.length]! : own[number]!;
    placed.root = root;
    return placed;
  }

  #keyOf(
    { tree, root, own, serving }: ServedTree,
    failures: readonly number[],
    isEmpty: boolean,
  ): string | undefined {
    const index = this.#index;
    const rows = serving.length === 0 ? own : [...own, ...serving];
    if (failures.length + rows.length * (2 + this.#contested.length) > MAX_NUMBERS) {
      return undefined;
    }
    const numbers = [own.length, this.#masks.ofRoot(root), ...failures];
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
