import { capacityOf } from "../domain/inventory.ts";
import type { InventoryRecord } from "../domain/provider-record.ts";
import type { Bitset } from "./bitset.ts";
import { inPage, PagedIntegers, PagedNumbers } from "./paged-array.ts";

const PAGE_ROWS = 1024;

/** Four numbers per entry, next to each other because the scan asks every provider for them. */
const LIMITS = 4;
const ROOM = 0;
const MIN_UNIT = 1;
const STEP_SIZE = 2;
const MAX_UNIT = 3;

/** What one allocation from a provider may be, now and if nothing of it were used. */
export interface AmountLimits {
  room: number;
  minUnit: number;
  stepSize: number;
  maxUnit: number;
  capacity: number;
}

/**
 * The inventories of one resource class: one array per attribute.
 *
 * Entries are dense, and pages lead from a row of the index to its entry, so that a class of which
 * only a few providers have inventory costs next to nothing for all others.
 */
export class InventoryColumn {
  readonly resourceClassId: number;
  /** The trees in which at least one provider has inventory of the class. */
  readonly trees: Bitset;

  readonly #entryOfRow: (Int32Array | undefined)[] = [];
  readonly #freeEntries: number[] = [];
  #entries = 0;
  readonly #total = new PagedIntegers();
  readonly #reserved = new PagedIntegers();
  readonly #allocationRatio = new PagedNumbers();
  readonly #used = new PagedNumbers();
  readonly #capacity = new PagedNumbers();
  readonly #modifiedAt = new PagedIntegers();
  /** Room is the most that one allocation can still take. */
  readonly #limits = new PagedNumbers();
  readonly #arrays = [
    this.#total,
    this.#reserved,
    this.#allocationRatio,
    this.#used,
    this.#capacity,
    this.#modifiedAt,
  ];

  constructor(resourceClassId: number, trees: Bitset) {
    this.resourceClassId = resourceClassId;
    this.trees = trees;
  }

  has(row: number): boolean {
    return this.#entry(row) >= 0;
  }

  /** Whether one allocation of the amount is possible on the provider: units, step and capacity. */
  fits(row: number, amount: number): boolean {
    const entry = this.#entry(row);
    if (entry < 0) return false;
    const limits = this.#limits.page(entry * LIMITS);
    const start = inPage(entry * LIMITS);
    if (amount > limits[start + ROOM]! || amount < limits[start + MIN_UNIT]!) return false;
    const stepSize = limits[start + STEP_SIZE]!;
    // The division is what takes longest, and hardly anybody needs it.
    return stepSize === 1 || amount % stepSize === 0;
  }

  /**
   * Tells all limits of a provider at once, in an object that is used again: whoever asks every provider asks
   * for one place in the arrays instead of five.
   *
   * @returns false where there is no inventory
   */
  readLimits(row: number, into: AmountLimits): boolean {
    const entry = this.#entry(row);
    if (entry < 0) return false;
    const limits = this.#limits.page(entry * LIMITS);
    const start = inPage(entry * LIMITS);
    into.room = limits[start + ROOM]!;
    into.minUnit = limits[start + MIN_UNIT]!;
    into.stepSize = limits[start + STEP_SIZE]!;
    into.maxUnit = limits[start + MAX_UNIT]!;
    into.capacity = this.#capacity.get(entry);
    return true;
  }

  /** The same if nothing of it were claimed. */
  fitsIfEmpty(row: number, amount: number): boolean {
    const entry = this.#entry(row);
    if (entry < 0 || amount > this.#capacity.get(entry)) return false;
    const limits = this.#limits.page(entry * LIMITS);
    const start = inPage(entry * LIMITS);
    if (amount > limits[start + MAX_UNIT]! || amount < limits[start + MIN_UNIT]!) return false;
    const stepSize = limits[start + STEP_SIZE]!;
    return stepSize === 1 || amount % stepSize === 0;
  }

  /** The most that all request groups of one candidate together can take from the provider. */
  room(row: number): number {
    return this.#limits.get(this.#entry(row) * LIMITS + ROOM);
  }

  capacity(row: number): number {
    return this.#capacity.get(this.#entry(row));
  }

  used(row: number): number {
    return this.#used.get(this.#entry(row));
  }

  minUnit(row: number): number {
    return this.#limits.get(this.#entry(row) * LIMITS + MIN_UNIT);
  }

  maxUnit(row: number): number {
    return this.#limits.get(this.#entry(row) * LIMITS + MAX_UNIT);
  }

  stepSize(row: number): number {
    return this.#limits.get(this.#entry(row) * LIMITS + STEP_SIZE);
  }

  modifiedAt(row: number): number | undefined {
    return secondsOf(this.#modifiedAt.get(this.#entry(row)));
  }

  read(row: number): InventoryRecord {
    const entry = this.#entry(row);
    return {
      resourceClassId: this.resourceClassId,
      total: this.#total.get(entry),
      reserved: this.#reserved.get(entry),
      minUnit: this.#limits.get(entry * LIMITS + MIN_UNIT),
      maxUnit: this.#limits.get(entry * LIMITS + MAX_UNIT),
      stepSize: this.#limits.get(entry * LIMITS + STEP_SIZE),
      allocationRatio: this.#allocationRatio.get(entry),
      used: this.#used.get(entry),
      modifiedAt: this.modifiedAt(row),
    };
  }

  write(row: number, inventory: InventoryRecord): void {
    let entry = this.#entry(row);
    if (entry < 0) {
      entry = this.#allocateEntry();
      this.#setEntry(row, entry);
    }
    this.#total.set(entry, inventory.total);
    this.#reserved.set(entry, inventory.reserved);
    this.#limits.set(entry * LIMITS + MIN_UNIT, inventory.minUnit);
    this.#limits.set(entry * LIMITS + MAX_UNIT, inventory.maxUnit);
    this.#limits.set(entry * LIMITS + STEP_SIZE, inventory.stepSize);
    this.#allocationRatio.set(entry, inventory.allocationRatio);
    this.#used.set(entry, inventory.used);
    this.#capacity.set(entry, capacityOf(inventory));
    this.#modifiedAt.set(entry, inventory.modifiedAt ?? 0);
    this.#updateRoom(entry);
  }

  /** Gives another row the same inventory. */
  copy(row: number, to: number): void {
    const entry = this.#entry(row);
    const copy = this.#allocateEntry();
    this.#setEntry(to, copy);
    for (const array of this.#arrays) array.set(copy, array.get(entry));
    for (let limit = 0; limit < LIMITS; limit++) {
      this.#limits.set(copy * LIMITS + limit, this.#limits.get(entry * LIMITS + limit));
    }
  }

  /** Does nothing for a provider that has no inventory of the class. */
  writeUsed(row: number, used: number): void {
    const entry = this.#entry(row);
    if (entry < 0) return;
    this.#used.set(entry, used);
    this.#updateRoom(entry);
  }

  delete(row: number): void {
    const entry = this.#entry(row);
    if (entry < 0) return;
    this.#setEntry(row, -1);
    this.#freeEntries.push(entry);
  }

  #updateRoom(entry: number): void {
    const free = this.#capacity.get(entry) - this.#used.get(entry);
    this.#limits.set(
      entry * LIMITS + ROOM,
      Math.min(free, this.#limits.get(entry * LIMITS + MAX_UNIT)),
    );
  }

  #entry(row: number): number {
    const page = this.#entryOfRow[row >>> 10];
    return page === undefined ? -1 : page[row & (PAGE_ROWS - 1)]!;
  }

  #setEntry(row: number, entry: number): void {
    const page = (this.#entryOfRow[row >>> 10] ??= new Int32Array(PAGE_ROWS).fill(-1));
    page[row & (PAGE_ROWS - 1)] = entry;
  }

  #allocateEntry(): number {
    const free = this.#freeEntries.pop();
    if (free !== undefined) return free;
    const entry = this.#entries++;
    for (const array of this.#arrays) array.reach(entry);
    this.#limits.reach(entry * LIMITS + LIMITS - 1);
    return entry;
  }
}

/** Seconds since 1970 beyond 2038 are kept in 32 bits as well; none are zero. */
export function secondsOf(bits: number): number | undefined {
  return bits === 0 ? undefined : bits >>> 0;
}
