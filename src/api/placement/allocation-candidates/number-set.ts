const PAGE_BITS = 12;
const PAGE_LENGTH = 1 << PAGE_BITS;

/** A set of small numbers, in the order in which they were added; grows without being copied. */
export class NumberSet {
  /** A bit for each number: 128 KiB for a million. */
  #bits = new Int32Array(64);
  readonly #pages: Int32Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(number: number): void {
    const word = number >>> 5;
    const mask = 1 << (number & 31);
    if (word >= this.#bits.length) this.#growBits(word);
    if ((this.#bits[word]! & mask) !== 0) return;
    this.#bits[word]! |= mask;
    const position = this.#size++;
    const page = (this.#pages[position >>> PAGE_BITS] ??= new Int32Array(PAGE_LENGTH));
    page[position & (PAGE_LENGTH - 1)] = number;
  }

  at(position: number): number {
    return this.#pages[position >>> PAGE_BITS]![position & (PAGE_LENGTH - 1)]!;
  }

  #growBits(word: number): void {
    const bits = new Int32Array(word * 2);
    bits.set(this.#bits);
    this.#bits = bits;
  }
}
