interface Bounds<Value> {
  /** So many entries at the most. */
  readonly entries?: number;
  /** So much in all, of what `weightOf` tells of each. */
  readonly weight?: number;
  readonly weightOf?: (value: Value) => number;
}

/**
 * A map for what may be forgotten: beyond its bounds, the oldest entry goes first. It is a FIFO cache by
 * `get`, and an LRU cache (least recently used) by `use`, which makes an entry the newest.
 */
export class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #maxEntries: number;
  readonly #maxWeight: number;
  readonly #weightOf: (value: Value) => number;
  #weight = 0;

  constructor({ entries = Infinity, weight = Infinity, weightOf = () => 0 }: Bounds<Value>) {
    this.#maxEntries = entries;
    this.#maxWeight = weight;
    this.#weightOf = weightOf;
  }

  /** Of all entries together. */
  get weight(): number {
    return this.#weight;
  }

  has(key: Key): boolean {
    return this.#entries.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  /** Like `get`; what is used goes last, as soon as the map is half full: until then nothing is near its end. */
  use(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined || !this.#isHalfFull) return value;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /**
   * Makes it the newest entry.
   *
   * @returns what was forgotten for it
   */
  set(key: Key, value: Value): readonly Value[] {
    this.delete(key);
    this.#entries.set(key, value);
    this.#weight += this.#weightOf(value);
    return this.#isFull ? this.forgetWhile(() => this.#isFull) : NOTHING;
  }

  delete(key: Key): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#weightOf(value);
  }

  /** Forgets the oldest entries, up to the first that is not to go. */
  forgetWhile(mayGo: (value: Value) => boolean): Value[] {
    const forgotten: Value[] = [];
    for (const [key, value] of this.#entries) {
      if (!mayGo(value)) break;
      this.delete(key);
      forgotten.push(value);
    }
    return forgotten;
  }

  get #isFull(): boolean {
    return this.#entries.size > this.#maxEntries || this.#weight > this.#maxWeight;
  }

  get #isHalfFull(): boolean {
    return this.#entries.size * 2 > this.#maxEntries || this.#weight * 2 > this.#maxWeight;
  }
}

const NOTHING: readonly never[] = [];
