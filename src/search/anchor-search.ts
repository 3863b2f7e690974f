import { AnchorProviders } from "./anchor-providers.ts";
import { type Budget, type OnBudget, Purse } from "./budget.ts";
import type { Constraint } from "./constraint.ts";
import { constraintsFor } from "./constraints.ts";
import type { SearchNotes } from "./failed-shapes.ts";
import type { SearchPlan } from "./search-plan.ts";

export type Progress = "found" | "paused" | "done";

/** How often a random draw may come up with a candidate seen before. */
const MAX_REPEATED_DRAWS = 16;

/**
 * Walks through the combinations of providers of one anchor, one choice after the other, the choice
 * with the fewest providers first. A combination is given up as soon as a constraint refuses it.
 *
 * What has been found to lead nowhere is noted in terms of what it leaves for the choices still to
 * be made, with interchangeable providers not told apart. So eight groups on seven equal devices
 * fail after trying every device about once, and not after 7! combinations.
 */
export class AnchorSearch {
  readonly tree: number;
  /** Per choice, the row of the provider, of the candidate found last. */
  readonly rows: number[];
  /** What it chooses from. */
  readonly providers: AnchorProviders;

  readonly #notes: SearchNotes;
  readonly #options: readonly (readonly number[])[];
  /** Per depth, the same in random order as far as `#drawnUpTo`, where there is one. */
  readonly #shuffled: (number[] | undefined)[] = [];
  readonly #drawnUpTo: Int32Array;
  readonly #constraints: readonly Constraint[];
  /** Per depth: the option to look at next, and the one chosen. */
  readonly #position: Int32Array;
  readonly #chosen: Int32Array;
  #depth = 0;

  /** How many candidates were found, and per depth how many when it was entered. */
  #found = 0;
  readonly #foundBefore: Int32Array;
  readonly #deadEnds = new Set<string>();
  #noted = 0;
  /** Per provider, a number that those of its kind share. */
  readonly #kindOfProvider = new Map<number, number>();
  readonly #kinds = new Map<string, number>();

  readonly #random: (() => number) | undefined;
  /** What was drawn at random; undefined while candidates are not drawn but enumerated. */
  readonly #drawn: Set<string> | undefined;
  #isDrawing: boolean;
  #isDrawn = false;
  #repeatedDraws = 0;

  /**
   * The search of an anchor; undefined when it is plain that there is nothing to find. Stops, and is to be
   * gone on with, each time the budget is used up.
   *
   * @param notes of the search that this is a part of
   * @param random makes the order random
   * @param isSampled draws candidates from all over the anchor, at the price of keeping them
   */
  static *open(
    plan: SearchPlan,
    anchor: { readonly tree: number; readonly root: number },
    notes: SearchNotes,
    budget: Budget,
    random: (() => number) | undefined,
    isSampled: boolean,
  ): OnBudget<AnchorSearch | undefined> {
    const purse = new Purse(budget);
    const providers = yield* AnchorProviders.of(plan, anchor.tree, anchor.root, purse);
    if (providers === undefined || notes.failedShapes.includes(providers)) return undefined;
    const constraints: Constraint[] = [];
    for (const constraint of constraintsFor(providers)) {
      if (!(yield* constraint.canHold(purse))) {
        notes.failedShapes.add(providers);
        return undefined;
      }
      constraints.push(constraint);
    }
    return new AnchorSearch(providers, constraints, notes, random, isSampled);
  }

  private constructor(
    providers: AnchorProviders,
    constraints: readonly Constraint[],
    notes: SearchNotes,
    random: (() => number) | undefined,
    isSampled: boolean,
  ) {
    const count = providers.order.length;
    this.tree = providers.tree;
    this.providers = providers;
    this.#notes = notes;
    this.#constraints = constraints;
    this.#options = providers.options;
    this.#drawnUpTo = new Int32Array(count);
    this.rows = Array.from<number>({ length: count }).fill(-1);
    this.#position = new Int32Array(count);
    this.#chosen = new Int32Array(count);
    this.#foundBefore = new Int32Array(count);
    this.#random = random;
    this.#isDrawing = random !== undefined && isSampled;
    this.#drawn = this.#isDrawing ? new Set() : undefined;
  }

  /** Looks for the next candidate. */
  next(budget: Budget): Progress {
    for (;;) {
      if (this.#isDrawing && this.#isDrawn) this.#restart();
      const progress = this.#enumerate(budget);
      this.#isDrawn = progress === "found";
      if (progress !== "found" || this.#drawn === undefined) return progress;
      const key = this.rows.join(",");
      if (!this.#drawn.has(key)) {
        this.#drawn.add(key);
        this.#repeatedDraws = 0;
        return "found";
      }
      this.#repeatedDraws += 1;
      if (this.#isDrawing && this.#repeatedDraws > MAX_REPEATED_DRAWS) {
        this.#isDrawing = false;
        this.#restart();
      }
    }
  }

  #enumerate(budget: Budget): Progress {
    const last = this.rows.length - 1;
    if (this.#depth > last) this.#takeBack();
    for (;;) {
      if (budget.left <= 0) return "paused";
      budget.left -= 1;
      const depth = this.#depth;
      const options = this.#options[depth]!;
      const position = this.#position[depth]!;
      if (position === options.length) {
        if (depth === 0) {
          this.#forget();
          return "done";
        }
        if (this.#foundBefore[depth] === this.#found) this.#noteDeadEnd(depth, budget);
        this.#takeBack();
        continue;
      }
      this.#position[depth] = position + 1;
      const provider =
        this.#random === undefined ? options[position]! : this.#draw(depth, position, this.#random);
      if (!this.#push(depth, provider)) continue;
      this.#chosen[depth] = provider;
      this.#depth = depth + 1;
      if (depth === last) {
        this.#found += 1;
        this.#report();
        return "found";
      }
      this.#enter(depth + 1, budget);
    }
  }

  #enter(depth: number, budget: Budget): void {
    this.#foundBefore[depth] = this.#found;
    this.#position[depth] =
      this.#deadEnds.size > 0 && this.#deadEnds.has(this.#stateAt(depth, budget))
        ? this.#options[depth]!.length
        : 0;
  }

  #push(depth: number, provider: number): boolean {
    const constraints = this.#constraints;
    for (let number = 0; number < constraints.length; number++) {
      if (constraints[number]!.push(depth, provider)) continue;
      while (number-- > 0) constraints[number]!.pop(depth, provider);
      return false;
    }
    return true;
  }

  #takeBack(): void {
    this.#depth -= 1;
    const provider = this.#chosen[this.#depth]!;
    for (const constraint of this.#constraints) constraint.pop(this.#depth, provider);
  }

  #report(): void {
    const { rows, order } = this.providers;
    for (let depth = 0; depth < order.length; depth++) {
      this.rows[order[depth]!] = rows[this.#chosen[depth]!]!;
    }
  }

  // Random order.

  #restart(): void {
    while (this.#depth > 0) this.#takeBack();
    this.#position.fill(0);
    this.#foundBefore.fill(this.#found);
    this.#drawnUpTo.fill(0);
  }

  /** Fisher and Yates, as far as it is needed: of 20,000 providers it is mostly few. */
  #draw(depth: number, position: number, random: () => number): number {
    const options = (this.#shuffled[depth] ??= this.#options[depth]!.slice());
    if (position >= this.#drawnUpTo[depth]!) {
      const other = position + Math.floor(random() * (options.length - position));
      const drawn = options[other]!;
      options[other] = options[position]!;
      options[position] = drawn;
      this.#drawnUpTo[depth] = position + 1;
    }
    return options[position]!;
  }

  // Dead ends.

  #noteDeadEnd(depth: number, budget: Budget): void {
    const { memory } = this.#notes;
    const state = this.#stateAt(depth, budget);
    if (state.length > memory.left || this.#deadEnds.has(state)) return;
    this.#deadEnds.add(state);
    this.#noted += state.length;
    memory.left -= state.length;
  }

  /** When all is tried. */
  #forget(): void {
    this.#deadEnds.clear();
    this.#notes.memory.left += this.#noted;
    this.#noted = 0;
    if (this.#found === 0) this.#notes.failedShapes.add(this.providers);
  }

  /** What the choices so far leave for those still to be made. */
  #stateAt(depth: number, budget: Budget): string {
    const touched = new Set(this.#chosen.subarray(0, depth));
    for (const constraint of this.#constraints) touched.add(constraint.markedAt(depth));
    touched.delete(-1);
    budget.left -= touched.size;
    const states: string[] = [];
    for (const provider of touched) {
      let state = "";
      let isTold = false;
      for (const constraint of this.#constraints) {
        const part = constraint.stateOf(depth, provider);
        if (part !== "") isTold = true;
        state += `${part} `;
      }
      // What leaves no mark on a provider leaves it as good as any of its kind.
      if (isTold) states.push(`${this.#kindOf(provider, budget)}:${state}`);
    }
    const overall = this.#constraints.map((constraint) => constraint.overallState(depth));
    return [depth, ...overall, ...states.sort()].join("|");
  }

  /** A number that providers of one kind share; of one that cannot be chosen, its own. */
  #kindOf(provider: number, budget: Budget): number {
    const known = this.#kindOfProvider.get(provider);
    if (known !== undefined) return known;
    budget.left -= 1 + this.#options.length / 16;
    const depths: number[] = [];
    for (const [depth, options] of this.#options.entries()) {
      if (isAmong(options, provider)) depths.push(depth);
    }
    const number = depths.length === 0 ? -1 - provider : this.#numberOfKind(provider, depths);
    this.#kindOfProvider.set(provider, number);
    return number;
  }

  #numberOfKind(provider: number, depths: readonly number[]): number {
    const kind = [depths.join(","), ...this.#constraints.map((it) => it.kindOf(provider))].join(
      "|",
    );
    const number = this.#kinds.get(kind) ?? this.#kinds.size;
    this.#kinds.set(kind, number);
    return number;
  }
}

/** @param options in ascending order */
function isAmong(options: readonly number[], provider: number): boolean {
  let [from, to] = [0, options.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (options[middle]! < provider) from = middle + 1;
    else to = middle;
  }
  return options[from] === provider;
}
