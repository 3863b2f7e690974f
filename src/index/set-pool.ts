const NO_MEMBERS = new Int32Array(0);

/**
 * Sets of integers, each kept once (interning) however many providers have it. Hosts of one kind have the same
 * traits, so that a provider needs four bytes for them, and a condition on traits is evaluated once
 * for each set that occurs and not once for each provider.
 *
 * Set 0 is the empty set. Other numbers are used again after the last `release`.
 */
export class SetPool {
  readonly #members: Int32Array[] = [NO_MEMBERS];
  readonly #keys: string[] = [""];
  readonly #references: number[] = [1];
  readonly #numberOfKey = new Map<string, number>([["", 0]]);
  readonly #free: number[] = [];

  /** The number of the set with these members, which are in ascending order. */
  acquire(members: readonly number[] | Int32Array): number {
    if (members.length === 0) return 0;
    const key = members.join(",");
    const known = this.#numberOfKey.get(key);
    if (known !== undefined) return this.retain(known);
    const set = this.#free.pop() ?? this.#members.length;
    this.#members[set] = Int32Array.from(members);
    this.#keys[set] = key;
    this.#references[set] = 1;
    this.#numberOfKey.set(key, set);
    return set;
  }

  /** Counts one more user of a set. */
  retain(set: number): number {
    this.#references[set]! += 1;
    return set;
  }

  release(set: number): void {
    if (set === 0) return;
    this.#references[set]! -= 1;
    if (this.#references[set] !== 0) return;
    this.#numberOfKey.delete(this.#keys[set]!);
    this.#members[set] = NO_MEMBERS;
    this.#keys[set] = "";
    this.#free.push(set);
  }

  /** The members in ascending order; not to be changed. */
  members(set: number): Int32Array {
    return this.#members[set]!;
  }

  has(set: number, member: number): boolean {
    return this.#members[set]!.includes(member);
  }
}
