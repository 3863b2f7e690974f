import { distance as lettersBetween } from "fastest-levenshtein";

/** The name that a text is a misspelling of: the nearest, at most two letters away, in any case. */
export function findMisspelling(text: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({
    name,
    distance: lettersBetween(text.toLowerCase(), name.toLowerCase()),
  }));
  const [nearest] = distances.sort((one, other) => one.distance - other.distance);
  if (nearest === undefined) return undefined;
  // Of a short name, two letters leave nothing.
  const most = Math.min(2, Math.floor(nearest.name.length / 3));
  return nearest.distance <= most ? nearest.name : undefined;
}
