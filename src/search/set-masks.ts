import type { Sets } from "../index/reader.ts";

/** A constraint on a set of traits or of aggregates. */
interface SetBit {
  readonly bit: number;
  readonly members: ReadonlySet<number>;
  /** Whether a set fails that has one of the members, and not one that has none. */
  readonly isForbidden?: boolean;
}

/** Of more sets, what they fail is worked out each time: it would take more memory than it saves time. */
const MAX_SETS = 65_536;

/** For a set of traits or of aggregates, the mask of the constraints that it fails, worked out once. */
export class SetMasks {
  readonly #pool: Sets;
  readonly #bits: readonly SetBit[];
  readonly #masks: number[] = [];

  /** @param tell is given what takes the constraints */
  constructor(pool: Sets, tell: (add: (bit: SetBit) => void) => void) {
    this.#pool = pool;
    const bits: SetBit[] = [];
    tell((bit) => bits.push(bit));
    this.#bits = bits;
  }

  /** Whether no set fails anything. */
  get isEmpty(): boolean {
    return this.#bits.length === 0;
  }

  of(set: number): number {
    if (this.#bits.length === 0) return 0;
    if (set >= MAX_SETS) return this.#work(this.#pool.members(set));
    return (this.#masks[set] ??= this.#work(this.#pool.members(set)));
  }

  #work(members: Int32Array): number {
    let mask = 0;
    for (const { bit, members: wanted, isForbidden = false } of this.#bits) {
      if ((mask & bit) !== 0) continue;
      if (members.some((member) => wanted.has(member)) === isForbidden) mask |= bit;
    }
    return mask;
  }
}
