import type { CandidateQuery } from "../../src/domain/candidate-query.ts";
import { plainSearch, type Fleet, type PlainCandidate } from "./plain-search.ts";

/** A fleet in which somebody has claimed what a candidate takes. */
export function claimed(fleet: Fleet, { allocations }: Pick<PlainCandidate, "allocations">): Fleet {
  const providers = fleet.providers.map((provider) => {
    const amounts = allocations[provider.uuid];
    if (amounts === undefined) return provider;
    const inventories = provider.inventories.map((inventory) => {
      const amount = Object.entries(amounts).reduce(
        (sum, [name, it]) =>
          fleet.resourceClasses[name] === inventory.resourceClassId ? sum + it : sum,
        0,
      );
      return { ...inventory, used: inventory.used + amount };
    });
    return { ...provider, inventories };
  });
  return { ...fleet, providers };
}

/** A fleet from which nobody has claimed anything. */
export function emptied(fleet: Fleet): Fleet {
  const providers = fleet.providers.map((provider) => ({
    ...provider,
    inventories: provider.inventories.map((inventory) => ({ ...inventory, used: 0 })),
  }));
  return { ...fleet, providers };
}

/** How often a query can be claimed, any candidate each time, until nothing is found. */
export function claimAtRandom(fleet: Fleet, query: CandidateQuery, random: () => number): number {
  let present = fleet;
  for (let claims = 0; ; claims++) {
    const { candidates } = plainSearch(present, query);
    if (candidates.length === 0) return claims;
    present = claimed(present, candidates[Math.floor(random() * candidates.length)]!);
  }
}

/** How often it can be claimed if always the best candidate is taken; undefined for too many ways to try. */
export function claimAtBest(
  fleet: Fleet,
  query: CandidateQuery,
  maxStates: number,
): number | undefined {
  const known = new Map<string, number>();
  const best = (present: Fleet): number => {
    const key = present.providers
      .map(({ inventories }) => inventories.map(({ used }) => used).join(" "))
      .join(",");
    const before = known.get(key);
    if (before !== undefined) return before;
    if (known.size >= maxStates) throw new TooManyStates();
    known.set(key, 0);
    let most = 0;
    for (const candidate of plainSearch(present, query).candidates) {
      most = Math.max(most, 1 + best(claimed(present, candidate)));
    }
    known.set(key, most);
    return most;
  };
  try {
    return best(fleet);
  } catch (error) {
    if (error instanceof TooManyStates) return undefined;
    throw error;
  }
}

class TooManyStates extends Error {}
