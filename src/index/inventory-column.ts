import { capacityOf } from "../domain/inventory.ts";
import type { InventoryRecord } from "../domain/provider-record.ts";
import { Bitset } from "./bitset.ts";

const PAGE_ROWS = 1024;
const INITIAL_ENTRIES = 16;

/**
 * The inventories of one resource class: one typed array per attribute.
 *
 * Entries are dense, and pages lead from a row of the index to its entry, so that a class of which
 * only a few providers have inventory costs next to nothing for all others.
 */
export class InventoryColumn {
  readonly resourceClassId: number;
  /** The trees in which at least one provider has inventory of the class. */
  readonly trees = new Bitset();

  readonly #entryOfRow: (Int32Array | undefined)[] = [];
  readonly #freeEntries: number[] = [];
  #entries = 0;
  #total = new Int32Array(INITIAL_ENTRIES);
  #reserved = new Int32Array(INITIAL_ENTRIES);
  #minUnit = new Int32Array(INITIAL_ENTRIES);
  #maxUnit = new Int32Array(INITIAL_ENTRIES);
  #stepSize = new Int32Array(INITIAL_ENTRIES);
  #allocationRatio = new Float64Array(INITIAL_ENTRIES);
  #used = new Float64Array(INITIAL_ENTRIES);
  #capacity = new Float64Array(INITIAL_ENTRIES);
  /** The most that one allocation can still take; kept because the scan asks every provider. */
  #room = new Float64Array(INITIAL_ENTRIES);

  constructor(resourceClassId: number) {
    this.resourceClassId = resourceClassId;
  }

  has(row: number): boolean {
    return this.#entry(row) >= 0;
  }

  /** Whether one allocation of the amount is possible on the provider: units, step and capacity. */
  fits(row: number, amount: number): boolean {
    const entry = this.#entry(row);
    if (entry < 0 || amount > this.#room[entry]! || amount < this.#minUnit[entry]!) return false;
    const stepSize = this.#stepSize[entry]!;
    // The division is what takes longest, and hardly anybody needs it.
    return stepSize === 1 || amount % stepSize === 0;
  }

  /** The most that all request groups of one candidate together can take from the provider. */
  room(row: number): number {
    return this.#room[this.#entry(row)]!;
  }

  capacity(row: number): number {
    return this.#capacity[this.#entry(row)]!;
  }

  used(row: number): number {
    return this.#used[this.#entry(row)]!;
  }

  read(row: number): InventoryRecord {
    const entry = this.#entry(row);
    return {
      resourceClassId: this.resourceClassId,
      total: this.#total[entry]!,
      reserved: this.#reserved[entry]!,
      minUnit: this.#minUnit[entry]!,
      maxUnit: this.#maxUnit[entry]!,
      stepSize: this.#stepSize[entry]!,
      allocationRatio: this.#allocationRatio[entry]!,
      used: this.#used[entry]!,
    };
  }

  write(row: number, inventory: InventoryRecord): void {
    let entry = this.#entry(row);
    if (entry < 0) {
      entry = this.#allocateEntry();
      this.#setEntry(row, entry);
    }
    this.#total[entry] = inventory.total;
    this.#reserved[entry] = inventory.reserved;
    this.#minUnit[entry] = inventory.minUnit;
    this.#maxUnit[entry] = inventory.maxUnit;
    this.#stepSize[entry] = inventory.stepSize;
    this.#allocationRatio[entry] = inventory.allocationRatio;
    this.#used[entry] = inventory.used;
    this.#capacity[entry] = capacityOf(inventory);
    this.#updateRoom(entry);
  }

  /** Does nothing for a provider that has no inventory of the class. */
  writeUsed(row: number, used: number): void {
    const entry = this.#entry(row);
    if (entry < 0) return;
    this.#used[entry] = used;
    this.#updateRoom(entry);
  }

  delete(row: number): void {
    const entry = this.#entry(row);
    if (entry < 0) return;
    this.#setEntry(row, -1);
    this.#freeEntries.push(entry);
  }

  #updateRoom(entry: number): void {
    const free = this.#capacity[entry]! - this.#used[entry]!;
    this.#room[entry] = Math.min(free, this.#maxUnit[entry]!);
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
    if (this.#entries === this.#total.length) this.#grow();
    return this.#entries++;
  }

  #grow(): void {
    this.#total = enlarged(this.#total);
    this.#reserved = enlarged(this.#reserved);
    this.#minUnit = enlarged(this.#minUnit);
    this.#maxUnit = enlarged(this.#maxUnit);
    this.#stepSize = enlarged(this.#stepSize);
    this.#allocationRatio = enlarged(this.#allocationRatio);
    this.#used = enlarged(this.#used);
    this.#capacity = enlarged(this.#capacity);
    this.#room = enlarged(this.#room);
  }
}

/** A copy half as long again: less is wasted than by doubling, at one more copy per element. */
export function enlarged<T extends Int32Array | Float64Array>(array: T): T {
  const length = Math.ceil(array.length * 1.5);
  const copy = array instanceof Int32Array ? new Int32Array(length) : new Float64Array(length);
  copy.set(array);
  return copy as T;
}
