const SHARDS = 64;

/**
 * A map in many parts. When one map of a hundred thousand entries makes room for more, it moves all of them, which
 * holds everybody up for some 5 ms, and of a million for 60; the parts do so one after the other.
 */
export class ShardedMap<Key, Value> {
  readonly #shards: (Map<Key, Value> | undefined)[] = [];
  readonly #hashOf: (key: Key) => number;
  #size = 0;

  /** @param hashOf an integer, of which the lowest bits differ between keys */
  constructor(hashOf: (key: Key) => number) {
    this.#hashOf = hashOf;
  }

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    return this.#shards[this.#hashOf(key) & (SHARDS - 1)]?.get(key);
  }

  set(key: Key, value: Value): void {
    const shard = (this.#shards[this.#hashOf(key) & (SHARDS - 1)] ??= new Map());
    const before = shard.size;
    shard.set(key, value);
    this.#size += shard.size - before;
  }

  delete(key: Key): void {
    if (this.#shards[this.#hashOf(key) & (SHARDS - 1)]?.delete(key) === true) this.#size -= 1;
  }
}
