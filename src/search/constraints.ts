import type { AnchorProviders } from "./anchor-providers.ts";
import type { OnBudget, Purse } from "./budget.ts";
import type { Constraint } from "./constraint.ts";
import { canAllBeServed, isReached } from "./matching.ts";
import { SameSubtree } from "./same-subtree.ts";

/** Only those that can make a difference for the query, each when the ones before have been asked. */
export function* constraintsFor(providers: AnchorProviders): Iterable<Constraint> {
  const { plan } = providers;
  if (plan.isIsolated) yield new Isolation(providers);
  if (plan.contestedClasses.length > 0) yield new SharedCapacity(providers);
  if (plan.collectiveTraits.length > 0) yield new CollectiveTraits(providers);
  if (!plan.query.isNestedAware) yield new OneProviderPerTree(providers);
  for (const choices of plan.subtrees) yield new SameSubtree(providers, choices);
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
  canHold(purse: Purse): OnBudget<boolean> {
    const granular = this.#providers.options.filter((_, depth) => this.#isGranular[depth]);
    return canAllBeServed(granular, () => 1, purse);
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

/** What it takes to look at one number of a provider, as a part of a step. */
const EFFORT = 1 / 8;

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
  }

  /**
   * Whether all providers together have enough; and, of the groups that ask for an amount or more,
   * whether these are no more than what the providers can take in such amounts. A provider of 5 takes
   * one group of 3.
   */
  *canHold(purse: Purse): OnBudget<boolean> {
    yield* this.#findRooms(purse);
    const { plan, options } = this.#providers;
    for (const [contested, { total }] of plan.contestedClasses.entries()) {
      const amounts = this.#takes.map((takes) => takes.find(([it]) => it === contested)?.[1] ?? 0);
      const roomOf = (provider: number) => this.#room[provider * this.#classes + contested]!;
      const taking = options.filter((_, depth) => amounts[depth]! > 0);
      if (!(yield* isReached(total, taking, roomOf, purse))) return false;
      const [least, ...greater] = [...new Set(amounts)]
        .filter((it) => it > 0)
        .sort((a, b) => a - b);
      const placesOf = (amount: number) => (provider: number) =>
        Math.floor(roomOf(provider) / amount);
      if (!(yield* canAllBeServed(taking, placesOf(least!), purse))) return false;
      for (const amount of greater) {
        const asMuch = options.filter((_, depth) => amounts[depth]! >= amount);
        if (!(yield* isReached(asMuch.length, asMuch, placesOf(amount), purse))) return false;
      }
    }
    return true;
  }

  *#findRooms(purse: Purse): OnBudget<void> {
    const { plan, rows } = this.#providers;
    const classes = plan.contestedClasses;
    for (const [provider, row] of rows.entries()) {
      for (const [contested, { column, total }] of classes.entries()) {
        const room = column.has(row) ? Math.min(plan.room(column, row), total) : 0;
        this.#room[provider * classes.length + contested] = room;
      }
      if (purse.spend(classes.length * EFFORT)) yield* purse.refill();
    }
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

  readonly #providers: AnchorProviders;

  constructor(providers: AnchorProviders) {
    const { plan, rows, order } = providers;
    const words = Math.ceil(plan.collectiveTraits.length / 32);
    this.#providers = providers;
    this.#words = words;
    this.#isUnsuffixed = order.map((choice) => plan.choices[choice]!.suffix === "");
    this.#wanted = new Int32Array(words);
    this.#provided = new Int32Array(rows.length * words);
    this.#covered = new Int32Array((order.length + 1) * words);
    this.#coverable = new Int32Array((order.length + 1) * words);
  }

  *canHold(purse: Purse): OnBudget<boolean> {
    yield* this.#findProvided(purse);
    yield* this.#findCoverable(purse);
    return this.#wanted.every((wanted, word) => (wanted & ~this.#coverable[word]!) === 0);
  }

  *#findProvided(purse: Purse): OnBudget<void> {
    const { plan, rows } = this.#providers;
    const { collectiveTraits, index } = plan;
    const words = this.#words;
    const numbersOfTrait = new Map<number, number[]>();
    collectiveTraits.forEach((anyOf, number) => {
      this.#wanted[number >>> 5]! |= 1 << (number & 31);
      for (const id of anyOf) {
        const numbers = numbersOfTrait.get(id);
        if (numbers === undefined) numbersOfTrait.set(id, [number]);
        else numbers.push(number);
      }
    });
    for (const [provider, row] of rows.entries()) {
      const traits = index.traitSets.members(index.traitSetOf(row));
      for (const id of traits) {
        for (const number of numbersOfTrait.get(id) ?? NO_NUMBERS) {
          this.#provided[provider * words + (number >>> 5)]! |= 1 << (number & 31);
        }
      }
      if (purse.spend((traits.length + 1) * EFFORT)) yield* purse.refill();
    }
  }

  *#findCoverable(purse: Purse): OnBudget<void> {
    const { order, options } = this.#providers;
    const words = this.#words;
    for (let depth = order.length - 1; depth >= 0; depth--) {
      for (let word = 0; word < words; word++) {
        let bits = this.#coverable[(depth + 1) * words + word]!;
        if (this.#isUnsuffixed[depth]) {
          for (const provider of options[depth]!) bits |= this.#provided[provider * words + word]!;
        }
        this.#coverable[depth * words + word] = bits;
        const looked = this.#isUnsuffixed[depth] ? options[depth]!.length : 0;
        if (purse.spend(looked * EFFORT)) yield* purse.refill();
      }
    }
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

  // oxlint-disable-next-line require-yield -- others have to pause
  *canHold(): OnBudget<boolean> {
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
