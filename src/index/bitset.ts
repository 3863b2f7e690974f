/** How many bits one chunk holds. */
export const CHUNK_BITS = 1024;
/** How many 32-bit words one chunk holds. */
export const CHUNK_WORDS = CHUNK_BITS / 32;

/**
 * A set of small integers, sparse, in chunks of 1024 bits that exist only where something is set: a trait
 * of every host and an aggregate of three hosts are both small.
 */
export class Bitset {
  readonly #chunks = new Map<number, Int32Array>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(bit: number): boolean {
    const chunk = this.#chunks.get(bit >>> 10);
    return chunk !== undefined && ((chunk[(bit & 1023) >>> 5]! >>> (bit & 31)) & 1) === 1;
  }

  add(bit: number): void {
    let chunk = this.#chunks.get(bit >>> 10);
    if (chunk === undefined) {
      chunk = new Int32Array(CHUNK_WORDS);
      this.#chunks.set(bit >>> 10, chunk);
    }
    const word = (bit & 1023) >>> 5;
    const mask = 1 << (bit & 31);
    if ((chunk[word]! & mask) !== 0) return;
    chunk[word]! |= mask;
    this.#size += 1;
  }

  delete(bit: number): void {
    if (!this.has(bit)) return;
    this.#chunks.get(bit >>> 10)![(bit & 1023) >>> 5]! &= ~(1 << (bit & 31));
    this.#size -= 1;
  }

  /** The words of bits `index * 1024` to `index * 1024 + 1023`; undefined when none is set. */
  chunk(index: number): Int32Array | undefined {
    return this.#chunks.get(index);
  }
}
