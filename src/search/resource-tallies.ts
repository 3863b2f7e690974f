import type { ResourceCause } from "../domain/explanation.ts";
import type { AmountLimits } from "../index/inventory-column.ts";
import type { Inventories } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import type { ResourceBit } from "./row-masks.ts";

/** Of causes in several providers of a tree, the one that is the least far from fitting counts. */
const CAUSES: readonly ResourceCause[] = ["noInventory", "units", "tooSmall", "occupied"];

/** Per resource constraint: why it failed where it did, and the most that one allocation could get. */
export class ResourceTallies {
  readonly causes: Record<ResourceCause, number>[];
  readonly largest: { now: number; ifEmpty: number }[];
  /** Of the provider that was judged last: per constraint that it fails, the most that it can give now. */
  readonly free: Float64Array;
  /** Of that provider: the largest share of an amount that is missing. */
  shortness = 0;
  /** Whether it would have all amounts if nothing of it were used. */
  wouldFit = true;
  readonly #resources: readonly ResourceBit[];
  /** Each once, with the number of the first constraint on it. */
  readonly #columns: readonly { readonly column: Inventories; readonly number: number }[];
  readonly #limits: AmountLimits = { room: 0, minUnit: 0, stepSize: 0, maxUnit: 0, capacity: 0 };

  constructor(resources: readonly ResourceBit[]) {
    this.#resources = resources;
    this.causes = resources.map(() => ({ noInventory: 0, units: 0, tooSmall: 0, occupied: 0 }));
    const ofColumn = new Map(resources.map(({ column }) => [column, { now: 0, ifEmpty: 0 }]));
    this.largest = resources.map(({ column }) => ofColumn.get(column)!);
    this.#columns = resources.flatMap(({ column }, number) =>
      column !== undefined && resources.findIndex((it) => it.column === column) === number
        ? [{ column, number }]
        : [],
    );
    this.free = new Float64Array(resources.length);
  }

  /** Looks at what a provider could give. */
  look(row: number): void {
    for (const { column, number } of this.#columns) {
      if (column.readLimits(row, this.#limits)) this.#noteLargest(number);
    }
  }

  /**
   * Looks at the only provider of a host, and counts why it fails what it fails.
   *
   * @returns the bits of the amounts that it has no room for
   */
  judge(row: number): number {
    const limits = this.#limits;
    let mask = 0;
    this.shortness = 0;
    this.wouldFit = true;
    for (let number = 0; number < this.#resources.length; number++) {
      const { bit, column, amount } = this.#resources[number]!;
      if (column?.readLimits(row, limits) !== true) {
        mask |= bit;
        this.causes[number]!.noInventory += 1;
        this.#miss(number, amount, 0, false);
        continue;
      }
      this.#noteLargest(number);
      if (fitsIn(limits.room, limits, amount)) continue;
      mask |= bit;
      const cause = causeOf(limits, amount);
      this.causes[number]![cause] += 1;
      this.#miss(number, amount, inUnits(limits, limits.room), cause === "occupied");
    }
    return mask;
  }

  /** Counts a host in which some amounts fit no provider, which are those of these numbers. */
  *countFailures(
    numbers: readonly number[],
    rows: readonly number[],
    budget: Budget,
  ): Generator<void, void> {
    for (const number of numbers) {
      const { column, amount } = this.#resources[number]!;
      let best = 0;
      for (const row of rows) {
        budget.left -= 1 / 8;
        if (budget.left <= 0) yield;
        if (column?.readLimits(row, this.#limits) !== true) continue;
        best = Math.max(best, CAUSES.indexOf(causeOf(this.#limits, amount)));
      }
      this.causes[number]![CAUSES[best]!] += 1;
    }
  }

  #noteLargest(number: number): void {
    const limits = this.#limits;
    const most = this.largest[number]!;
    if (limits.room > most.now) most.now = Math.max(most.now, inUnits(limits, limits.room));
    const ifEmpty = Math.min(limits.capacity, limits.maxUnit);
    if (ifEmpty > most.ifEmpty) most.ifEmpty = Math.max(most.ifEmpty, inUnits(limits, ifEmpty));
  }

  #miss(number: number, amount: number, free: number, wouldFit: boolean): void {
    this.free[number] = free;
    this.shortness = Math.max(this.shortness, (amount - free) / amount);
    if (!wouldFit) this.wouldFit = false;
  }
}

function fitsIn(room: number, { minUnit, stepSize }: AmountLimits, amount: number): boolean {
  return amount <= room && amount >= minUnit && (stepSize === 1 || amount % stepSize === 0);
}

function causeOf(limits: AmountLimits, amount: number): ResourceCause {
  if (amount > limits.capacity || amount > limits.maxUnit) return "tooSmall";
  return fitsIn(Infinity, limits, amount) ? "occupied" : "units";
}

/** The most that one allocation can get now; 0 when nothing. */
export function largestNow(column: Inventories | undefined, row: number): number {
  const limits = { room: 0, minUnit: 0, stepSize: 0, maxUnit: 0, capacity: 0 };
  return column?.readLimits(row, limits) === true ? inUnits(limits, limits.room) : 0;
}

function inUnits({ minUnit, stepSize }: AmountLimits, most: number): number {
  const amount = stepSize === 1 ? most : most - (most % stepSize);
  return amount >= minUnit && amount > 0 ? amount : 0;
}
