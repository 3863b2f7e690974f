/** So many are told. */
const MAX_SIMILAR = 3;
/** Of more names, or of a longer one, nobody waits for the similar ones. */
const MAX_COMPARED = 5000;
const MAX_LENGTH = 64;

/** Names that one may have been meant for, the likeliest first. */
export function similarNames(name: string, known: readonly string[]): string[] {
  if (name.length > MAX_LENGTH) return [];
  const most = Math.max(2, Math.floor(name.length / 4));
  return known
    .slice(0, MAX_COMPARED)
    .filter((other) => Math.abs(other.length - name.length) <= most)
    .map((other) => ({ other, distance: editDistance(name.toUpperCase(), other) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
    .slice(0, MAX_SIMILAR)
    .map(({ other }) => other);
}

/** How many letters have to be changed, added or taken away (Levenshtein). */
function editDistance(some: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let row = 1; row <= some.length; row++) {
    const present = [row];
    for (let column = 1; column <= other.length; column++) {
      const isSame = some[row - 1] === other[column - 1];
      present[column] = Math.min(
        present[column - 1]! + 1,
        previous[column]! + 1,
        previous[column - 1]! + (isSame ? 0 : 1),
      );
    }
    previous = present;
  }
  return previous[other.length]!;
}
