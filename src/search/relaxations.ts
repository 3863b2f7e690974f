import type { Budget } from "./budget.ts";
import { bitCount, lowestBit } from "./constraint-masks.ts";
import type { LoneHosts } from "./lone-hosts.ts";
import type { RelaxedPlans } from "./relaxed-plans.ts";
import type { TreeShapes } from "./tree-shapes.ts";

/** So many relaxations are told. */
const MAX_RELAXATIONS = 5;
/** So many sets of one size are tried; of more constraints, only what some host needs is. */
const MAX_SETS = 5000;

/** So often a mask or a shape is compared with a set at most: some 50 ms. */
const MAX_COMPARISONS = 2_000_000;

/** Constraints, as bits, without which so many hosts fit. */
export interface FoundRelaxation {
  readonly left: number;
  readonly hosts: number;
}

/**
 * The smallest sets of constraints without which a query that finds nothing finds something, those that
 * bring most hosts first. Each was tried.
 */
export class Relaxations {
  readonly #lone: LoneHosts;
  readonly #shapes: TreeShapes;
  readonly #plans: RelaxedPlans;
  readonly #count: number;
  #isExact = true;

  /** @param count how many constraints there are */
  constructor(lone: LoneHosts, shapes: TreeShapes, plans: RelaxedPlans, count: number) {
    this.#lone = lone;
    this.#shapes = shapes;
    this.#plans = plans;
    this.#count = count;
  }

  /** False when not all sets could be tried. */
  get isExact(): boolean {
    return this.#isExact;
  }

  /** How many hosts fit without some constraints. */
  *hostsWithout(left: number, budget: Budget): Generator<void, number> {
    const closure = this.#plans.closure(left);
    let hosts = 0;
    for (const tally of this.#lone.all()) {
      if ((tally.mask & ~closure) === 0) hosts += tally.hosts;
    }
    budget.left -= this.#lone.size / 16 + 1;
    for (const shape of this.#shapes.all()) {
      budget.left -= 1 / 8;
      if (yield* this.#shapes.fitsWithout(shape, left, budget)) hosts += shape.count;
      if (budget.left <= 0) yield;
    }
    if (budget.left <= 0) yield;
    return hosts;
  }

  *smallest(budget: Budget): Generator<void, FoundRelaxation[]> {
    const entries = Math.max(1, this.#lone.size + [...this.#shapes.all()].length);
    const most = Math.min(MAX_SETS, MAX_COMPARISONS / entries);
    for (let size = 1; size <= this.#count; size++) {
      const sets = setsOfSize(this.#count, size);
      if (size > 1 && sets > most) return yield* this.#neededBySome(Math.max(1, most), budget);
      const found: FoundRelaxation[] = [];
      for (const left of masksOfSize(this.#count, size)) {
        const hosts = yield* this.hostsWithout(left, budget);
        if (hosts > 0) found.push({ left, hosts });
      }
      if (found.length > 0) return mostHosts(found);
    }
    return [];
  }

  /** Of the sets that some host of one provider needs, the smallest. */
  *#neededBySome(most: number, budget: Budget): Generator<void, FoundRelaxation[]> {
    for (const _ of this.#shapes.all()) this.#isExact = false;
    let sets = new Set<number>();
    let least = Infinity;
    for (const { mask } of this.#lone.all()) {
      const needed = this.#plans.smallestCovering(mask);
      const size = bitCount(needed);
      if (size < least) [least, sets] = [size, new Set()];
      if (size === least && sets.size < most) sets.add(needed);
      budget.left -= 1 / 2;
      if (budget.left <= 0) yield;
    }
    const found: FoundRelaxation[] = [];
    for (const left of sets) found.push({ left, hosts: yield* this.hostsWithout(left, budget) });
    return mostHosts(found);
  }
}

function mostHosts(found: readonly FoundRelaxation[]): FoundRelaxation[] {
  return found.toSorted((a, b) => b.hosts - a.hosts || a.left - b.left).slice(0, MAX_RELAXATIONS);
}

function setsOfSize(count: number, size: number): number {
  let sets = 1;
  for (let number = 0; number < size; number++) sets = (sets * (count - number)) / (number + 1);
  return sets;
}

/** All of so many bits, in the order of their numbers (Gosper's hack). */
function* masksOfSize(count: number, size: number): Iterable<number> {
  let mask = 2 ** size - 1;
  while (mask < 2 ** count) {
    yield mask;
    const lowest = mask & -mask;
    const carried = mask + lowest;
    mask = carried + ((mask ^ carried) >>> (2 + lowestBit(mask)));
  }
}
