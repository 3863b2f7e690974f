import type { ProviderRows } from "../../operations/allocation-candidates.ts";
import { viewOf } from "../byte-writer.ts";
import { isPlainUuid } from "../plain-uuid.ts";

const ROOM_UNIT = 16;

export const UUID_LENGTH = 36;

/**
 * A cache of texts about providers, each made when it is first needed and again after the provider has
 * changed. They lie one after the other, so that providers that are asked for together are copied together.
 */
export abstract class RowTexts {
  readonly #providers: Pick<ProviderRows, "uuidOf" | "changesOf" | "endOfRows">;
  readonly #uuidOffset: number;
  /** All of it at once: it takes up memory only as far as it is written to, and is never copied. */
  readonly bytes: Buffer;
  /** The same bytes as `bytes`. */
  readonly view: DataView;
  #length = 0;
  #start = new Int32Array(0);
  #end = new Int32Array(0);
  /** Per row, what `changesOf` was when the text was rendered. */
  #changes = new Int32Array(0);
  readonly #oddUuids = new Set<number>();
  /** How many texts were given a place, and how many found none. */
  #kept = 0;
  #refused = 0;

  /**
   * @param maxBytes as much as is kept
   * @param uuidOffset where in a text the UUID is
   */
  constructor(
    providers: Pick<ProviderRows, "uuidOf" | "changesOf" | "endOfRows">,
    maxBytes: number,
    uuidOffset: number,
  ) {
    this.#providers = providers;
    this.#uuidOffset = uuidOffset;
    this.bytes = Buffer.allocUnsafeSlow(maxBytes);
    this.view = viewOf(this.bytes);
  }

  /** The text of a row, made anew. White space may follow it in the cache. */
  abstract textOf(row: number): string;

  /** Whether the text of a row may be made in one piece, and kept. */
  protected mayKeep(_row: number): boolean {
    return true;
  }

  /** Where the text of a row begins. Only for rows that `has` tells of. */
  startOf(row: number): number {
    return this.#start[row]!;
  }

  endOf(row: number): number {
    return this.#end[row]!;
  }

  /** Where the UUID of a row is, in 36 bytes that mean themselves in JSON. */
  uuidOf(row: number): number {
    return this.#start[row]! + this.#uuidOffset;
  }

  /** Whether the UUID of a row is not plain. Only for rows that were to be rendered. */
  hasOddUuid(row: number): boolean {
    return this.#oddUuids.size > 0 && this.#oddUuids.has(row);
  }

  has(row: number): boolean {
    return (
      row < this.#end.length &&
      this.#end[row]! > 0 &&
      this.#changes[row] === this.#providers.changesOf(row)
    );
  }

  /**
   * Renders the text of a row and keeps it; false when there is no room, or it may not be kept. Never moves another text
   * of a row that has not changed.
   */
  render(row: number): boolean {
    if (isPlainUuid(this.#providers.uuidOf(row))) this.#oddUuids.delete(row);
    else this.#oddUuids.add(row);
    if (!this.mayKeep(row)) return false;
    const isNew = row >= this.#end.length || this.#end[row] === 0;
    if (isNew && this.#refused > 0) {
      this.#refused += 1;
      return false;
    }
    const text = Buffer.from(this.textOf(row));
    if (row >= this.#end.length) this.#growRows();
    if (text.length > this.#end[row]! - this.#start[row]! && !this.#allocate(row, text.length)) {
      this.#refused += 1;
      return false;
    }
    text.copy(this.bytes, this.#start[row]);
    this.bytes.fill(" ", this.#start[row]! + text.length, this.#end[row]);
    this.#changes[row] = this.#providers.changesOf(row);
    return true;
  }

  /** Finds a place with some room to grow, so that a change of amounts does not move the text. */
  #allocate(row: number, size: number): boolean {
    const room = Math.ceil(size / ROOM_UNIT) * ROOM_UNIT;
    if (this.#length + room > this.bytes.length) return false;
    this.#start[row] = this.#length;
    this.#length += room;
    this.#end[row] = this.#length;
    this.#kept += 1;
    return true;
  }

  #growRows(): void {
    const rows = this.#providers.endOfRows;
    this.#start = enlarged(this.#start, rows);
    this.#end = enlarged(this.#end, rows);
    this.#changes = enlarged(this.#changes, rows);
  }

  /** Starts over once more texts were refused than there are: what is kept is not what is asked. */
  refresh(): void {
    if (this.#refused <= this.#kept) return;
    this.#start.fill(0);
    this.#end.fill(0);
    this.#oddUuids.clear();
    this.#length = 0;
    this.#kept = 0;
    this.#refused = 0;
  }
}

function enlarged(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(Math.ceil(length * 1.25));
  copy.set(array);
  return copy;
}
