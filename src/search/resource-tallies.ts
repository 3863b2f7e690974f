import type { ResourceCause } from "../domain/explanation.ts";
import type { Inventories } from "../index/reader.ts";
import type { ResourceBit } from "./constraint-masks.ts";

/** Of causes in several providers of a tree, the one that is the least far from fitting counts. */
const CAUSES: readonly ResourceCause[] = ["noInventory", "units", "tooSmall", "occupied"];

/** Per resource constraint: why it failed where it did, and the most that one allocation could get. */
export class ResourceTallies {
  readonly causes: Record<ResourceCause, number>[];
  readonly largest: { now: number; ifEmpty: number }[];
  readonly #resources: readonly ResourceBit[];

  constructor(resources: readonly ResourceBit[]) {
    this.#resources = resources;
    this.causes = resources.map(() => ({ noInventory: 0, units: 0, tooSmall: 0, occupied: 0 }));
    this.largest = resources.map(() => ({ now: 0, ifEmpty: 0 }));
  }

  /** Looks at what a provider could give. */
  look(row: number): void {
    for (let number = 0; number < this.#resources.length; number++) {
      const { column } = this.#resources[number]!;
      if (column === undefined || !column.has(row)) continue;
      const most = this.largest[number]!;
      const now = column.room(row);
      if (now > most.now) most.now = Math.max(most.now, inUnits(column, row, now));
      const capacity = column.capacity(row);
      if (capacity <= most.ifEmpty) continue;
      const ifEmpty = inUnits(column, row, Math.min(capacity, column.maxUnit(row)));
      most.ifEmpty = Math.max(most.ifEmpty, ifEmpty);
    }
  }

  /**
   * Counts a host whose only provider some amounts do not fit.
   *
   * @returns whether they would fit if nothing of it were used
   */
  countLoneFailure(bits: number, row: number): boolean {
    let wouldFit = true;
    for (let number = 0; number < this.#resources.length; number++) {
      const { bit, column, amount } = this.#resources[number]!;
      if ((bits & bit) === 0) continue;
      const cause = causeOf(column, row, amount);
      this.causes[number]![cause] += 1;
      if (cause !== "occupied") wouldFit = false;
    }
    return wouldFit;
  }

  /** Counts a host in which some amounts fit no provider. */
  countFailures(bits: number, rows: readonly number[]): void {
    for (let number = 0; number < this.#resources.length; number++) {
      const { bit, column, amount } = this.#resources[number]!;
      if ((bits & bit) === 0) continue;
      let best = 0;
      for (const row of rows) best = Math.max(best, CAUSES.indexOf(causeOf(column, row, amount)));
      this.causes[number]![CAUSES[best]!] += 1;
    }
  }
}

function causeOf(column: Inventories | undefined, row: number, amount: number): ResourceCause {
  if (column === undefined || !column.has(row)) return "noInventory";
  if (amount > column.capacity(row) || amount > column.maxUnit(row)) return "tooSmall";
  if (amount < column.minUnit(row) || amount % column.stepSize(row) !== 0) return "units";
  return "occupied";
}

/** The most that one allocation can get now; 0 when nothing. */
export function largestNow(column: Inventories | undefined, row: number): number {
  return column?.has(row) === true ? inUnits(column, row, column.room(row)) : 0;
}

function inUnits(column: Inventories, row: number, most: number): number {
  const amount = most - (most % column.stepSize(row));
  return amount >= column.minUnit(row) && amount > 0 ? amount : 0;
}
