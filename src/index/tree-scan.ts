import { type Bitset, CHUNK_BITS, CHUNK_WORDS } from "./bitset.ts";

/** Sets of trees of which a tree must be in at least one. */
export type AnyOf = readonly (Bitset | undefined)[];

/**
 * The numbers of the trees that are in one of each of several sets of trees, ascending, 32 at a
 * time and no further than asked for.
 */
export class TreeScan {
  readonly #conditions: readonly AnyOf[];
  /** One more than the highest tree to look at. */
  readonly end: number;
  readonly #words = new Int32Array(CHUNK_WORDS);
  #chunk = -1;
  #word = CHUNK_WORDS;
  #bits = 0;

  constructor(conditions: readonly AnyOf[], end: number) {
    this.#conditions = conditions;
    this.end = end;
  }

  /** The next tree, or -1 when there are no more. */
  next(): number {
    while (this.#bits === 0) {
      this.#word += 1;
      if (this.#word >= CHUNK_WORDS) {
        if (!this.#nextChunk()) return -1;
        this.#word = 0;
      }
      this.#bits = this.#words[this.#word]!;
    }
    const bit = 31 - Math.clz32(this.#bits & -this.#bits);
    this.#bits &= this.#bits - 1;
    const tree = this.#chunk * CHUNK_BITS + this.#word * 32 + bit;
    return tree < this.end ? tree : -1;
  }

  /** Whether a tree is among those that the scan goes through. */
  has(tree: number): boolean {
    return this.#conditions.every((anyOf) => anyOf.some((bitset) => bitset?.has(tree)));
  }

  /** Goes on to the next chunk in which every condition has something. */
  #nextChunk(): boolean {
    for (;;) {
      this.#chunk += 1;
      if (this.#chunk * CHUNK_BITS >= this.end) return false;
      this.#words.fill(-1);
      if (this.#conditions.every((anyOf) => this.#intersect(anyOf))) return true;
    }
  }

  #intersect(anyOf: AnyOf): boolean {
    const words = this.#words;
    const chunks: Int32Array[] = [];
    for (const bitset of anyOf) {
      const chunk = bitset?.chunk(this.#chunk);
      if (chunk !== undefined) chunks.push(chunk);
    }
    if (chunks.length === 0) return false;
    for (let word = 0; word < CHUNK_WORDS; word++) {
      let union = 0;
      for (const chunk of chunks) union |= chunk[word]!;
      words[word]! &= union;
    }
    return true;
  }
}
