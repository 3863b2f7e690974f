import { distance as editDistance } from "fastest-levenshtein";

/** So many are told. */
const MAX_SIMILAR = 3;
/** Of a longer one, nobody waits for the similar ones. */
const MAX_LENGTH = 64;

/** Names that one may have been meant for, the likeliest first. */
export function similarNames(name: string, known: readonly string[]): string[] {
  if (name.length > MAX_LENGTH) return [];
  const most = Math.max(2, Math.floor(name.length / 4));
  return known
    .filter((other) => Math.abs(other.length - name.length) <= most)
    .map((other) => ({ other, distance: editDistance(name.toUpperCase(), other) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
    .slice(0, MAX_SIMILAR)
    .map(({ other }) => other);
}
