import { bitCount } from "./constraint-masks.ts";

/** An amount with the number of its resource constraint. */
export interface LoneAmount {
  readonly bit: number;
  readonly resource: number;
}

/** Hosts of one provider that fail the same, which is the whole truth about them. */
interface LoneTally {
  readonly mask: number;
  readonly failures: number;
  hosts: number;
  /** Per amount that they fail, told by itself: the most that one of them has, and how many have that much. */
  readonly best: number[];
  readonly hostsWithBest: number[];
}

/** Hosts of one provider, counted by the mask of what they fail (a histogram). */
export class LoneHosts {
  readonly #tallies = new Map<number, LoneTally>();
  readonly #amounts: readonly LoneAmount[];
  /** Most hosts fail what the one before has failed. */
  #last: LoneTally | undefined;

  /** @param amounts those that are told about one by one */
  constructor(amounts: readonly LoneAmount[]) {
    this.#amounts = amounts;
  }

  /** How many different masks there are. */
  get size(): number {
    return this.#tallies.size;
  }

  all(): IterableIterator<LoneTally> {
    return this.#tallies.values();
  }

  /**
   * Counts a host.
   *
   * @param free per resource constraint that it fails, how much it has
   * @returns how many constraints it fails
   */
  add(mask: number, free: Float64Array): number {
    const tally = this.#last?.mask === mask ? this.#last : (this.#last = this.#tallyOf(mask));
    tally.hosts += 1;
    if (tally.failures === 0) return 0;
    for (let number = 0; number < this.#amounts.length; number++) {
      const { bit, resource } = this.#amounts[number]!;
      if ((mask & bit) === 0) continue;
      const amount = free[resource]!;
      if (amount > tally.best[number]!) {
        tally.best[number] = amount;
        tally.hostsWithBest[number] = 1;
      } else if (amount === tally.best[number]) tally.hostsWithBest[number]! += 1;
    }
    return tally.failures;
  }

  /**
   * The most that a host has of one amount that it fails, of those that fail nothing else but some constraints,
   * and how many have that much.
   */
  bestOf(bit: number, within: number): { readonly amount: number; readonly hosts: number } {
    const number = this.#amounts.findIndex((it) => it.bit === bit);
    let amount = 0;
    let hosts = 0;
    for (const { mask, best, hostsWithBest } of this.#tallies.values()) {
      if ((mask & bit) === 0 || (mask & ~within) !== 0 || best[number]! < amount) continue;
      if (best[number]! > amount) hosts = 0;
      amount = best[number]!;
      hosts += hostsWithBest[number]!;
    }
    return { amount, hosts };
  }

  #tallyOf(mask: number): LoneTally {
    let tally = this.#tallies.get(mask);
    if (tally === undefined) {
      const best = this.#amounts.map(() => 0);
      tally = { mask, failures: bitCount(mask), hosts: 0, best, hostsWithBest: [...best] };
      this.#tallies.set(mask, tally);
    }
    return tally;
  }
}
