import type { AnchorProviders } from "./anchor-providers.ts";
import { canAllBeServed, hasRoomFor } from "./matching.ts";

/**
 * Something that a combination of providers must hold to, told about choices as they are made and
 * taken back, so that it can refuse one as soon as no complete combination can follow.
 */
export interface Constraint {
  /** Whether any complete combination can hold to it, as far as can be told beforehand. */
  canHold(): boolean;
  /** Makes a choice; false, and nothing has changed, when it is refused. */
  push(depth: number, provider: number): boolean;
  /** Takes the last choice back. */
  pop(depth: number, provider: number): void;
  /** What tells a provider apart from others: two of one kind and one state are interchangeable. */
  kindOf(provider: number): string;
  /**
   * What the choices made so far mean for a provider in the choices still to be made: nothing, the empty
   * text, unless it is chosen or marked.
   */
  stateOf(depth: number, provider: number): string;
  /** A provider for which they mean something though it need not be chosen; -1 for none. */
  markedAt(depth: number): number;
  /** What else the choices made so far mean for those still to be made. */
  overallState(depth: number): string;
}

/** Only those that can make a difference for the query. */
export function constraintsFor(providers: AnchorProviders): Constraint[] {
  const { plan } = providers;
  const constraints: Constraint[] = [];
  if (plan.isIsolated) constraints.push(new Isolation(providers));
  if (plan.contestedClasses.length > 0) constraints.push(new SharedCapacity(providers));
  if (plan.collectiveTraits.length > 0) constraints.push(new CollectiveTraits(providers));
  if (!plan.query.isNestedAware) constraints.push(new OneProviderPerTree(providers));
  for (const choices of plan.subtrees) constraints.push(new SameSubtree(providers, choices));
  return constraints;
}

/** `group_policy=isolate`: no two suffixed groups are met by one provider. */
class Isolation implements Constraint {
  readonly #providers: AnchorProviders;
  readonly #isGranular: readonly boolean[];
  readonly #isTaken: Uint8Array;

  constructor(providers: AnchorProviders) {
    this.#providers = providers;
    this.#isGranular = providers.order.map((it) => providers.plan.choices[it]!.suffix !== "");
    this.#isTaken = new Uint8Array(providers.rows.length);
  }

  /** Whether each group can have a provider of its own. */
  canHold(): boolean {
    const granular = this.#providers.options.filter((_, depth) => this.#isGranular[depth]);
    return canAllBeServed(granular, () => 1);
  }

  push(depth: number, provider: number): boolean {
    if (!this.#isGranular[depth]) return true;
    if (this.#isTaken[provider] === 1) return false;
    this.#isTaken[provider] = 1;
    return true;
  }

  pop(depth: number, provider: number): void {
    if (this.#isGranular[depth]) this.#isTaken[provider] = 0;
  }

  kindOf(): string {
    return "";
  }

  stateOf(_depth: number, provider: number): string {
    return this.#isTaken[provider] === 1 ? "taken" : "";
  }

  markedAt(): number {
    return -1;
  }

  overallState(): string {
    return "";
  }
}

/** What several choices take from one inventory together must fit it, and its max_unit. */
class SharedCapacity implements Constraint {
  readonly #providers: AnchorProviders;
  /** Per depth, pairs of contested class and amount. */
  readonly #takes: readonly (readonly (readonly [contested: number, amount: number])[])[];
  readonly #classes: number;
  /** Per provider and contested class; not more than what all choices together ask for. */
  readonly #room: Float64Array;
  readonly #taken: Float64Array;

  constructor(providers: AnchorProviders) {
    const { plan, rows, order } = providers;
    const classes = plan.contestedClasses;
    this.#providers = providers;
    this.#classes = classes.length;
    this.#takes = order.map((choice) =>
      plan.choices[choice]!.needs.flatMap(({ column, amount }) => {
        const contested = classes.findIndex((it) => it.column === column);
        return contested < 0 ? [] : [[contested, amount] as const];
      }),
    );
    this.#taken = new Float64Array(rows.length * classes.length);
    this.#room = new Float64Array(rows.length * classes.length);
    rows.forEach((row, provider) => {
      classes.forEach(({ column, total }, contested) => {
        const room = column.has(row) ? Math.min(plan.room(column, row), total) : 0;
        this.#room[provider * classes.length + contested] = room;
      });
    });
  }

  /**
   * Whether all providers together have enough; and, of the groups that ask for an amount or more,
   * whether these are no more than what the providers can take in such amounts. A provider of 5 takes
   * one group of 3.
   */
  canHold(): boolean {
    const { options } = this.#providers;
    return this.#providers.plan.contestedClasses.every(({ total }, contested) => {
      const amounts = this.#takes.map((takes) => takes.find(([it]) => it === contested)?.[1] ?? 0);
      const roomOf = (provider: number) => this.#room[provider * this.#classes + contested]!;
      const taking = options.filter((_, depth) => amounts[depth]! > 0);
      let room = 0;
      for (const provider of new Set(new Set(taking).values().flatMap((it) => it))) {
        room += roomOf(provider);
        if (room >= total) break;
      }
      if (room < total) return false;
      const [least, ...greater] = [...new Set(amounts)]
        .filter((it) => it > 0)
        .sort((a, b) => a - b);
      if (!canAllBeServed(taking, (provider) => Math.floor(roomOf(provider) / least!)))
        return false;
      return greater.every((amount) =>
        hasRoomFor(
          options.filter((_, depth) => amounts[depth]! >= amount),
          (provider) => Math.floor(roomOf(provider) / amount),
        ),
      );
    });
  }

  push(depth: number, provider: number): boolean {
    const base = provider * this.#classes;
    const takes = this.#takes[depth]!;
    for (const [contested, amount] of takes) {
      if (this.#taken[base + contested]! + amount > this.#room[base + contested]!) return false;
    }
    for (const [contested, amount] of takes) this.#taken[base + contested]! += amount;
    return true;
  }

  pop(depth: number, provider: number): void {
    const base = provider * this.#classes;
    for (const [contested, amount] of this.#takes[depth]!) {
      this.#taken[base + contested]! -= amount;
    }
  }

  kindOf(provider: number): string {
    return this.#perClass(this.#room, provider);
  }

  stateOf(_depth: number, provider: number): string {
    const base = provider * this.#classes;
    for (let contested = 0; contested < this.#classes; contested++) {
      if (this.#taken[base + contested] !== 0) return this.#perClass(this.#taken, provider);
    }
    return "";
  }

  markedAt(): number {
    return -1;
  }

  overallState(): string {
    return "";
  }

  #perClass(values: Float64Array, provider: number): string {
    return values.subarray(provider * this.#classes, (provider + 1) * this.#classes).join(",");
  }
}

const NO_NUMBERS: readonly number[] = [];

/** The providers of the unsuffixed group together have one trait of each required set. */
class CollectiveTraits implements Constraint {
  readonly #words: number;
  readonly #isUnsuffixed: readonly boolean[];
  /** Per provider, the required sets of which it has a trait, as bits. */
  readonly #provided: Int32Array;
  /** Per depth, what the choices before it provide. */
  readonly #covered: Int32Array;
  /** Per depth, what the choices from it on can provide at most. */
  readonly #coverable: Int32Array;
  readonly #wanted: Int32Array;

  constructor({ plan, rows, order, options }: AnchorProviders) {
    const { collectiveTraits, index } = plan;
    const words = Math.ceil(collectiveTraits.length / 32);
    this.#words = words;
    this.#isUnsuffixed = order.map((choice) => plan.choices[choice]!.suffix === "");
    this.#wanted = new Int32Array(words);
    this.#provided = new Int32Array(rows.length * words);
    const numbersOfTrait = new Map<number, number[]>();
    collectiveTraits.forEach((anyOf, number) => {
      this.#wanted[number >>> 5]! |= 1 << (number & 31);
      for (const id of anyOf) {
        const numbers = numbersOfTrait.get(id);
        if (numbers === undefined) numbersOfTrait.set(id, [number]);
        else numbers.push(number);
      }
    });
    rows.forEach((row, provider) => {
      for (const id of index.traitSets.members(index.traitSetOf(row))) {
        for (const number of numbersOfTrait.get(id) ?? NO_NUMBERS) {
          this.#provided[provider * words + (number >>> 5)]! |= 1 << (number & 31);
        }
      }
    });
    this.#covered = new Int32Array((order.length + 1) * words);
    this.#coverable = new Int32Array((order.length + 1) * words);
    for (let depth = order.length - 1; depth >= 0; depth--) {
      for (let word = 0; word < words; word++) {
        let bits = this.#coverable[(depth + 1) * words + word]!;
        if (this.#isUnsuffixed[depth]) {
          for (const provider of options[depth]!) bits |= this.#provided[provider * words + word]!;
        }
        this.#coverable[depth * words + word] = bits;
      }
    }
  }

  canHold(): boolean {
    return this.#wanted.every((wanted, word) => (wanted & ~this.#coverable[word]!) === 0);
  }

  push(depth: number, provider: number): boolean {
    const words = this.#words;
    for (let word = 0; word < words; word++) {
      let bits = this.#covered[depth * words + word]!;
      if (this.#isUnsuffixed[depth]) bits |= this.#provided[provider * words + word]!;
      const reachable = bits | this.#coverable[(depth + 1) * words + word]!;
      if ((this.#wanted[word]! & ~reachable) !== 0) return false;
      this.#covered[(depth + 1) * words + word] = bits;
    }
    return true;
  }

  pop(): void {
    // What a depth covers is written anew by the next push to it.
  }

  kindOf(provider: number): string {
    return this.#provided.subarray(provider * this.#words, (provider + 1) * this.#words).join(",");
  }

  stateOf(): string {
    return "";
  }

  markedAt(): number {
    return -1;
  }

  overallState(depth: number): string {
    return this.#covered.subarray(depth * this.#words, (depth + 1) * this.#words).join(",");
  }
}

/** Before 1.29 a candidate takes resources from at most one provider of each tree. */
class OneProviderPerTree implements Constraint {
  readonly #trees: readonly number[];
  readonly #takes: readonly boolean[];
  readonly #providerOfTree = new Map<number, { provider: number; choices: number }>();

  constructor({ plan, rows, order }: AnchorProviders) {
    this.#trees = rows.map((row) => plan.index.treeOf(row));
    this.#takes = order.map((choice) => plan.choices[choice]!.needs.length > 0);
  }

  canHold(): boolean {
    return true;
  }

  push(depth: number, provider: number): boolean {
    if (!this.#takes[depth]) return true;
    const tree = this.#trees[provider]!;
    const taken = this.#providerOfTree.get(tree);
    if (taken === undefined) this.#providerOfTree.set(tree, { provider, choices: 1 });
    else if (taken.provider !== provider) return false;
    else taken.choices += 1;
    return true;
  }

  pop(depth: number, provider: number): void {
    if (!this.#takes[depth]) return;
    const taken = this.#providerOfTree.get(this.#trees[provider]!)!;
    taken.choices -= 1;
    if (taken.choices === 0) this.#providerOfTree.delete(this.#trees[provider]!);
  }

  kindOf(provider: number): string {
    return String(this.#trees[provider]);
  }

  stateOf(_depth: number, provider: number): string {
    return this.#providerOfTree.get(this.#trees[provider]!)?.provider === provider ? "taken" : "";
  }

  markedAt(): number {
    return -1;
  }

  overallState(): string {
    return "";
  }
}

/**
 * `same_subtree`: one of the providers of these groups is an ancestor of all others, or the same.
 *
 * The lowest common ancestor of the providers so far, itself included, must in the end be one of
 * them; until then it can still move up to a provider that a later choice may bring in.
 */
class SameSubtree implements Constraint {
  readonly #isMember: readonly boolean[];
  readonly #parents: Int32Array;
  readonly #heights: Int32Array;
  readonly #hasChildren: Uint8Array;
  readonly #canMoveUp: Uint8Array;
  readonly #spansAll: Uint8Array;
  /** Per depth: the lowest common ancestor of what is chosen before it, -1 for nothing chosen. */
  readonly #ancestor: Int32Array;
  /** Per provider, how many choices have it. */
  readonly #chosen: Int32Array;
  readonly #count: number;

  constructor(providers: AnchorProviders, choices: readonly number[]) {
    const shape = SubtreeShape.of(providers, choices);
    this.#isMember = shape.isMember;
    this.#parents = shape.parents;
    this.#heights = shape.heights;
    this.#hasChildren = shape.hasChildren;
    this.#canMoveUp = shape.canMoveUp;
    this.#spansAll = shape.spansAll;
    this.#count = providers.rows.length;
    this.#ancestor = new Int32Array(providers.order.length + 1).fill(-1);
    this.#chosen = new Int32Array(this.#count);
  }

  canHold(): boolean {
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
  static of(providers: AnchorProviders, choices: readonly number[]): SubtreeShape {
    const { parents } = providers;
    const last = SubtreeShape.#last.get(choices);
    if (last !== undefined && last.#fits(providers, parents)) return last;
    const shape = new SubtreeShape(providers, choices, parents);
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
    order.forEach((_, depth) => {
      if (!this.isMember[depth]) return;
      const spans = new Uint8Array(count);
      for (const provider of options[depth]!) {
        for (let it = provider; it >= 0 && spans[it] === 0; it = parents[it]!) spans[it] = 1;
      }
      for (let it = 0; it < count; it++) this.spansAll[it]! &= spans[it]!;
    });
    for (let depth = order.length - 1; depth >= 0; depth--) {
      this.canMoveUp.copyWithin(depth * count, (depth + 1) * count, (depth + 2) * count);
      if (!this.isMember[depth]) continue;
      const tops = options[depth]!.filter((provider) => this.spansAll[provider] === 1);
      this.#markBelow(depth, new Set(tops));
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
