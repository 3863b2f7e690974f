import type { Inventories } from "../index/reader.ts";
import type { Need } from "./provider-choice.ts";

/**
 * What providers have room for in another state than that of the index: as if nothing were claimed, or with
 * more taken than is. A search with rooms sees that state without a copy of anything.
 */
export class Rooms {
  readonly #isEmpty: boolean;
  readonly #taken = new Map<Inventories, Map<number, number>>();

  /** @param isEmpty whether it begins as if nothing were claimed */
  constructor(isEmpty: boolean) {
    this.#isEmpty = isEmpty;
  }

  /** How much all allocations together can still get; only of a provider that has inventory. */
  free(column: Inventories, row: number): number {
    const used = this.#isEmpty ? 0 : column.used(row);
    return column.capacity(row) - used - this.taken(column, row);
  }

  /** How much has been taken, besides what is used. */
  taken(column: Inventories, row: number): number {
    return this.#taken.get(column)?.get(row) ?? 0;
  }

  /** How much one of them can get. */
  room(column: Inventories, row: number): number {
    return Math.min(this.free(column, row), column.maxUnit(row));
  }

  /** Whether a provider has room for one allocation. */
  fit(needs: readonly Need[], row: number): boolean {
    for (const { column, amount } of needs) {
      if (column?.fitsIfEmpty(row, amount) !== true || amount > this.free(column, row)) {
        return false;
      }
    }
    return true;
  }

  take(column: Inventories, row: number, amount: number): void {
    let taken = this.#taken.get(column);
    if (taken === undefined) {
      taken = new Map();
      this.#taken.set(column, taken);
    }
    taken.set(row, (taken.get(row) ?? 0) + amount);
  }

  /** Everything that was taken, by class and row. */
  *all(): Generator<readonly [column: Inventories, row: number, amount: number]> {
    for (const [column, taken] of this.#taken) {
      for (const [row, amount] of taken) yield [column, row, amount];
    }
  }

  /** Forgets what was taken. */
  clear(): void {
    this.#taken.clear();
  }
}
