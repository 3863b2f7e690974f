import type { OnBudget, Purse } from "./budget.ts";

/** So many providers of a list are gone through before the purse is asked. */
const PORTION = 256;
/** What it takes to go through one, as a part of a step. */
const EFFORT = 1 / 16;

/**
 * Whether each of some groups can be given one of the providers that do for it, when a provider can take
 * only so many of them: a bipartite matching with capacities, by augmenting paths. It sees what takes an
 * enumeration for ever: that more groups want some providers than these can take (the pigeonhole
 * principle, or Hall's theorem), whichever groups and providers that are.
 *
 * @param options per group, the providers that do for it, each of which can take one at least
 */
export function* canAllBeServed(
  options: readonly (readonly number[])[],
  capacityOf: (provider: number) => number,
  purse: Purse,
): OnBudget<boolean> {
  if (!(yield* isReached(options.length, options, capacityOf, purse))) return false;
  // A group that has as many providers as there are groups finds one, whatever the others take.
  const hard = options.filter((providers) => providers.length < options.length);
  const matching = new Matching(hard, capacityOf);
  for (let group = 0; group < hard.length; group++) {
    if (!(yield* matching.serve(group, purse))) return false;
  }
  return true;
}

/** Which provider each group has. */
class Matching {
  readonly #options: readonly (readonly number[])[];
  readonly #capacityOf: (provider: number) => number;
  readonly #providerOf = new Map<number, number>();
  readonly #holders = new Map<number, number[]>();

  constructor(options: readonly (readonly number[])[], capacityOf: (provider: number) => number) {
    this.#options = options;
    this.#capacityOf = capacityOf;
  }

  /** Finds one more group a provider, be it that others have to move: the nearest way, breadth first. */
  *serve(group: number, purse: Purse): OnBudget<boolean> {
    /** Per provider, the group that would have it. */
    const wantedBy = new Map<number, number>();
    const groups = [group];
    for (const wanting of groups) {
      for (const provider of this.#options[wanting]!) {
        if (wantedBy.has(provider)) continue;
        wantedBy.set(provider, wanting);
        const holders = this.#holders.get(provider) ?? [];
        if (holders.length < this.#capacityOf(provider)) {
          this.#move(provider, wantedBy);
          return true;
        }
        groups.push(...holders);
      }
      if (purse.spend(this.#options[wanting]!.length * EFFORT)) yield* purse.refill();
    }
    return false;
  }

  /** Gives a provider that has room to the group that wants it, what that one had to who wants that, and so on. */
  #move(free: number, wantedBy: ReadonlyMap<number, number>): void {
    let provider: number | undefined = free;
    while (provider !== undefined) {
      const group: number = wantedBy.get(provider)!;
      const before = this.#providerOf.get(group);
      this.#providerOf.set(group, provider);
      const holders = this.#holders.get(provider);
      if (holders === undefined) this.#holders.set(provider, [group]);
      else holders.push(group);
      if (before !== undefined) {
        const left = this.#holders.get(before)!;
        left.splice(left.indexOf(group), 1);
      }
      provider = before;
    }
  }
}

/** The simplest of these arguments: what all providers that do for any group have together. */
export function* isReached(
  needed: number,
  options: readonly (readonly number[])[],
  roomOf: (provider: number) => number,
  purse: Purse,
): OnBudget<boolean> {
  const counted = new Set<number>();
  let room = 0;
  for (const providers of new Set(options)) {
    for (let start = 0; start < providers.length; start += PORTION) {
      const end = Math.min(start + PORTION, providers.length);
      for (let place = start; place < end; place++) {
        const provider = providers[place]!;
        if (counted.has(provider)) continue;
        counted.add(provider);
        room += roomOf(provider);
        if (room >= needed) return true;
      }
      if (purse.spend((end - start) * EFFORT)) yield* purse.refill();
    }
  }
  return room >= needed;
}
