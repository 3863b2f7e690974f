import { CHUNK_BITS, CHUNK_WORDS } from "./bitset.ts";
import type { TreesWith } from "./reader.ts";

/** To look through a chunk of so many sets takes about as long as to look at a provider. */
const SETS_BY_STEP = 8;

/** Sets of trees of which a tree must be in at least one. */
export type AnyOf = readonly (TreesWith | undefined)[];

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

  /**
   * The next tree, or -1 when there are no more.
   *
   * @param budget is used up by looking through sets; undefined when it is, and there may be more
   */
  next(): number;
  next(budget: { left: number }): number | undefined;
  next(budget: { left: number } = { left: Infinity }): number | undefined {
    while (this.#bits === 0) {
      this.#word += 1;
      if (this.#word >= CHUNK_WORDS) {
        // So that it is the next chunk that is gone on with after a pause.
        this.#word = CHUNK_WORDS;
        if (budget.left <= 0) return undefined;
        if (!this.#nextChunk(budget)) return this.#chunk * CHUNK_BITS >= this.end ? -1 : undefined;
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

  /** Goes on to the next chunk in which every condition has something; false at the end or for a pause. */
  #nextChunk(budget: { left: number }): boolean {
    for (;;) {
      if (budget.left <= 0) return false;
      this.#chunk += 1;
      if (this.#chunk * CHUNK_BITS >= this.end) return false;
      this.#words.fill(-1);
      const isHit = this.#conditions.every((anyOf) => {
        budget.left -= anyOf.length / SETS_BY_STEP;
        return this.#intersect(anyOf);
      });
      if (isHit) return true;
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
