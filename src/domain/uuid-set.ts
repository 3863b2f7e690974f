/** Four numbers of 32 bits for each UUID. */
const WORDS = 4;
/** Of the places, so few are taken that the next free one is near. */
const PLACES_PER_UUID = 2;
const FREE = -1;

/**
 * A set of very many UUIDs: a hash table (open addressing) of some 25 bytes for each, where texts in a set
 * would take six times as much. It takes no more than it was made for, and each of them can be marked.
 */
export class UuidSet {
  readonly #words: Uint32Array;
  readonly #places: Int32Array;
  readonly #marks: Uint8Array;
  readonly #seed: number;
  readonly #key = new Uint32Array(WORDS);
  #size = 0;

  /** @param seed at random, so that nobody can choose UUIDs that all have the same place */
  constructor(most: number, seed: number) {
    this.#words = new Uint32Array(most * WORDS);
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(most * PLACES_PER_UUID + 2))).fill(FREE);
    this.#marks = new Uint8Array(most);
    this.#seed = seed;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Adds what stands there: hexadecimal digits with or without dashes, in capitals or not.
   *
   * @returns whether it is a UUID
   */
  addText(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#read(bytes, start, end)) return false;
    const place = this.#find();
    if (this.#places[place] !== FREE) return true;
    this.#words.set(this.#key, this.#size * WORDS);
    this.#places[place] = this.#size;
    this.#size += 1;
    return true;
  }

  /** Whether it is in the set; if so, it is marked. */
  mark(uuid: string): boolean {
    const bytes = new TextEncoder().encode(uuid);
    if (!this.#read(bytes, 0, bytes.length)) return false;
    const at = this.#places[this.#find()]!;
    if (at === FREE) return false;
    this.#marks[at] = 1;
    return true;
  }

  /** Those that were not marked, in the order in which they were added. */
  *unmarked(): Generator<string> {
    for (let at = 0; at < this.#size; at += 1) {
      if (this.#marks[at] === 0) yield this.#textOf(at);
    }
  }

  #read(bytes: Uint8Array, start: number, end: number): boolean {
    let digits = 0;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at]!;
      if (byte === DASH) continue;
      const digit = digitOf(byte);
      if (digit < 0 || digits === 32) return false;
      const word = digits >> 3;
      this.#key[word] = (this.#key[word]! << 4) | digit;
      digits += 1;
    }
    return digits === 32;
  }

  /** Where the key is, or would be. */
  #find(): number {
    const mask = this.#places.length - 1;
    for (let place = this.#hash() & mask; ; place = (place + 1) & mask) {
      const at = this.#places[place]!;
      if (at === FREE || this.#isKeyAt(at)) return place;
    }
  }

  #isKeyAt(at: number): boolean {
    for (let word = 0; word < WORDS; word += 1) {
      if (this.#words[at * WORDS + word] !== this.#key[word]) return false;
    }
    return true;
  }

  /** Mixes as MurmurHash3 does. */
  #hash(): number {
    let hash = this.#seed;
    for (const word of this.#key) {
      const mixed = Math.imul(word, 0xcc9e2d51);
      hash ^= Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
      hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  #textOf(at: number): string {
    let digits = "";
    for (let word = 0; word < WORDS; word += 1) {
      digits += this.#words[at * WORDS + word]!.toString(16).padStart(8, "0");
    }
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
}

const DASH = 0x2d;

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
