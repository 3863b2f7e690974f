/**
 * The items in an order that nobody knows before.
 *
 * @param random numbers from 0 up to 1
 */
export function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([left], [right]) => left - right)
    .map(([, item]) => item);
}
