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

/** Levenshtein's distance: how many letters have to be put in, taken out or replaced. */
function lettersBetween(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) return Infinity;
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [index, letter] of Array.from(from).entries()) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at++) {
      const replaced = (row[at - 1] ?? 0) + (letter === to[at - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? Infinity;
}
