import type { AnchorProviders } from "./anchor-providers.ts";
import type { OnBudget, Purse } from "./budget.ts";
import type { Constraint } from "./constraint.ts";

/** What it takes to look at how one provider lies, as a part of a step. */
const EFFORT = 1 / 8;
/** What it takes to compare it with that of the tree before. */
const COMPARING = 1 / 64;

/**
 * `same_subtree`: one of the providers of these groups is an ancestor of all others, or the same.
 *
 * The lowest common ancestor of the providers so far, itself included, must in the end be one of
 * them; until then it can still move up to a provider that a later choice may bring in.
 */
export class SameSubtree implements Constraint {
  readonly #providers: AnchorProviders;
  readonly #choices: readonly number[];
  /** Of the shape, which is worked out by the first question. */
  #isMember: readonly boolean[] = [];
  #parents: Int32Array = new Int32Array();
  #heights: Int32Array = new Int32Array();
  #hasChildren: Uint8Array = new Uint8Array();
  #canMoveUp: Uint8Array = new Uint8Array();
  #spansAll: Uint8Array = new Uint8Array();
  /** Per depth: the lowest common ancestor of what is chosen before it, -1 for nothing chosen. */
  readonly #ancestor: Int32Array;
  /** Per provider, how many choices have it. */
  readonly #chosen: Int32Array;
  readonly #count: number;

  constructor(providers: AnchorProviders, choices: readonly number[]) {
    this.#providers = providers;
    this.#choices = choices;
    this.#count = providers.rows.length;
    this.#ancestor = new Int32Array(providers.order.length + 1).fill(-1);
    this.#chosen = new Int32Array(this.#count);
  }

  *canHold(purse: Purse): OnBudget<boolean> {
    const shape = yield* SubtreeShape.of(this.#providers, this.#choices, purse);
    this.#isMember = shape.isMember;
    this.#parents = shape.parents;
    this.#heights = shape.heights;
    this.#hasChildren = shape.hasChildren;
    this.#canMoveUp = shape.canMoveUp;
    this.#spansAll = shape.spansAll;
    return this.#canMoveUp.subarray(0, this.#count).includes(1);
  }

  push(depth: number, provider: number): boolean {
    const before = this.#ancestor[depth]!;
    if (!this.#isMember[depth]) {
      this.#ancestor[depth + 1] = before;
      return true;
    }
    const ancestor = before < 0 ? provider : this.#commonAncestor(before, provider);
    if (ancestor < 0) return false;
    const isChosen = ancestor === provider || this.#chosen[ancestor]! > 0;
    if (
      !(isChosen && this.#spansAll[ancestor] === 1) &&
      this.#canMoveUp[(depth + 1) * this.#count + ancestor] === 0
    ) {
      return false;
    }
    this.#ancestor[depth + 1] = ancestor;
    this.#chosen[provider]! += 1;
    return true;
  }

  pop(depth: number, provider: number): void {
    if (this.#isMember[depth]) this.#chosen[provider]! -= 1;
  }

  /** Leaves with one parent can be exchanged; everything else has its own place in the tree. */
  kindOf(provider: number): string {
    const isLeaf = this.#hasChildren[provider] === 0 && this.#parents[provider]! >= 0;
    return isLeaf ? `below ${this.#parents[provider]}` : `only ${provider}`;
  }

  stateOf(depth: number, provider: number): string {
    const isAncestor = this.#ancestor[depth] === provider;
    const isChosen = this.#chosen[provider]! > 0;
    return isAncestor || isChosen ? `${isAncestor} ${isChosen}` : "";
  }

  markedAt(depth: number): number {
    return this.#ancestor[depth]!;
  }

  overallState(depth: number): string {
    return String(this.#ancestor[depth]! < 0);
  }

  /** -1 for providers of different trees. */
  #commonAncestor(one: number, other: number): number {
    let a = one;
    let b = other;
    while (a !== b) {
      if (this.#heights[a]! < this.#heights[b]!) b = this.#parents[b]!;
      else a = this.#parents[a]!;
      if (a < 0 || b < 0) return -1;
    }
    return a;
  }
}

/**
 * What a same_subtree means for an anchor, as far as it follows from how its providers lie and who
 * can be chosen for what. Hosts of one kind lie alike: the shape of the last anchor mostly fits the
 * next one, and to work it out takes a third of what an anchor takes.
 */
class SubtreeShape {
  static readonly #last = new WeakMap<readonly number[], SubtreeShape>();

  readonly isMember: readonly boolean[];
  readonly parents: Int32Array;
  readonly heights: Int32Array;
  readonly hasChildren: Uint8Array;
  /** Per depth and provider: whether it or an ancestor of it can be chosen from there on. */
  readonly canMoveUp: Uint8Array;
  /** Per provider: whether each of the groups can be met by it or below it. */
  readonly spansAll: Uint8Array;
  readonly #order: readonly number[];
  readonly #options: readonly (readonly number[])[];
  readonly #downwards: readonly number[];

  /** @param choices always the same array for the same `same_subtree` of a query */
  static *of(
    providers: AnchorProviders,
    choices: readonly number[],
    purse: Purse,
  ): OnBudget<SubtreeShape> {
    const { parents } = providers;
    const last = SubtreeShape.#last.get(choices);
    if (last !== undefined) {
      const fits = last.#fits(providers, parents);
      const compared = providers.options.reduce((sum, { length }) => sum + length, parents.length);
      if (purse.spend(compared * COMPARING)) yield* purse.refill();
      if (fits) return last;
    }
    const shape = new SubtreeShape(providers, choices, parents);
    yield* shape.#workOut(purse);
    SubtreeShape.#last.set(choices, shape);
    return shape;
  }

  private constructor(
    { order, options }: AnchorProviders,
    choices: readonly number[],
    parents: Int32Array,
  ) {
    const count = parents.length;
    this.#order = order;
    this.#options = options;
    this.isMember = order.map((choice) => choices.includes(choice));
    this.parents = parents;
    this.heights = new Int32Array(count);
    this.hasChildren = new Uint8Array(count);
    this.spansAll = new Uint8Array(count).fill(1);
    this.canMoveUp = new Uint8Array((order.length + 1) * count);
    this.#downwards = downwards(parents);
    for (const provider of this.#downwards) {
      const parent = parents[provider]!;
      if (parent < 0) continue;
      this.heights[provider] = this.heights[parent]! + 1;
      this.hasChildren[parent] = 1;
    }
  }

  *#workOut(purse: Purse): OnBudget<void> {
    const count = this.parents.length;
    for (const [depth, providers] of this.#options.entries()) {
      if (!this.isMember[depth]) continue;
      const spans = new Uint8Array(count);
      for (const provider of providers) {
        for (let it = provider; it >= 0 && spans[it] === 0; it = this.parents[it]!) spans[it] = 1;
      }
      for (let it = 0; it < count; it++) this.spansAll[it]! &= spans[it]!;
      if (purse.spend(count * EFFORT)) yield* purse.refill();
    }
    for (let depth = this.#order.length - 1; depth >= 0; depth--) {
      this.canMoveUp.copyWithin(depth * count, (depth + 1) * count, (depth + 2) * count);
      if (!this.isMember[depth]) continue;
      const tops = this.#options[depth]!.filter((provider) => this.spansAll[provider] === 1);
      this.#markBelow(depth, new Set(tops));
      if (purse.spend(count * EFFORT)) yield* purse.refill();
    }
  }

  #markBelow(depth: number, tops: ReadonlySet<number>): void {
    const start = depth * this.parents.length;
    for (const provider of this.#downwards) {
      const parent = this.parents[provider]!;
      const isBelow = parent >= 0 && this.canMoveUp[start + parent] === 1;
      if (isBelow || tops.has(provider)) this.canMoveUp[start + provider] = 1;
    }
  }

  #fits({ order, options }: AnchorProviders, parents: Int32Array): boolean {
    return (
      areEqual(parents, this.parents) &&
      areEqual(order, this.#order) &&
      options.every((providers, depth) => areEqual(providers, this.#options[depth]!))
    );
  }
}

function areEqual(some: ArrayLike<number>, others: ArrayLike<number>): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  for (let number = 0; number < some.length; number++) {
    if (some[number] !== others[number]) return false;
  }
  return true;
}

/** The providers, parents before their children; in linear time, also for a tree that is a chain. */
function downwards(parents: Int32Array): number[] {
  const order: number[] = [];
  const isListed = new Uint8Array(parents.length);
  for (let provider = 0; provider < parents.length; provider++) {
    const climb: number[] = [];
    for (let it = provider; it >= 0 && isListed[it] === 0; it = parents[it]!) {
      isListed[it] = 1;
      climb.push(it);
    }
    while (climb.length > 0) order.push(climb.pop()!);
  }
  return order;
}
