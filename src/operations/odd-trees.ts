import { loadNestedProviders } from "../db/provider-trees.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import { findOddPlaces } from "../domain/provider-tree.ts";
import type { ProviderIndex } from "../index/provider-index.ts";

/** Providers, by UUID, that lie as no request puts them: other programs have written their rows. */
export interface OddTrees {
  readonly looped: readonly string[];
  readonly misplaced: readonly string[];
}

export async function findOddTreesOfTables(tx: ReadTransaction): Promise<OddTrees> {
  const places = await loadNestedProviders(tx);
  const { looped, misplaced } = findOddPlaces(places.values(), (id) => places.get(id));
  const uuidOf = (id: number) => places.get(id)?.uuid ?? [];
  return { looped: looped.flatMap(uuidOf), misplaced: misplaced.flatMap(uuidOf) };
}

export function findOddTreesOfIndex(index: ProviderIndex): OddTrees {
  const { looped, misplaced } = findOddPlaces(index.places(), (id) => index.placeOf(id));
  const uuidOf = (id: number) => index.getById(id)?.uuid ?? [];
  return { looped: looped.flatMap(uuidOf), misplaced: misplaced.flatMap(uuidOf) };
}

/** What is odd and what to do, a sentence or two for each kind; nothing where nothing is. */
export function describeOddTrees({ looped, misplaced }: OddTrees): string[] {
  const kinds: string[] = [];
  if (looped.length > 0) {
    kinds.push(
      `Resource providers that are their own ancestors: ${listSome(looped)}. ` +
        `Give one of each loop another parent, or null: ${REQUEST}.`,
    );
  }
  if (misplaced.length > 0) {
    kinds.push(
      "Resource providers that are in another tree than their parent, or in none of their own: " +
        `${listSome(misplaced)}. Give each its parent, or null, anew: ${REQUEST}.`,
    );
  }
  return kinds;
}

const REQUEST = 'PUT /resource_providers/{uuid} with "parent_provider_uuid", microversion 1.37';

/** So many are named: a line stays one that can be read. */
const MOST_NAMED = 10;

function listSome(uuids: readonly string[]): string {
  const named = uuids.slice(0, MOST_NAMED).join(", ");
  const others = uuids.length - MOST_NAMED;
  return others > 0 ? `${named} and ${others} more` : named;
}
