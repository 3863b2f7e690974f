/**
 * Whether each of some groups can be given one of the providers that do for it, when a provider can take
 * only so many of them: a bipartite matching with capacities, by augmenting paths. It sees what takes an
 * enumeration for ever: that more groups want some providers than these can take (the pigeonhole
 * principle, or Hall's theorem), whichever groups and providers that are.
 *
 * @param options per group, the providers that do for it, each of which can take one at least
 */
export function canAllBeServed(
  options: readonly (readonly number[])[],
  capacityOf: (provider: number) => number,
): boolean {
  if (!hasRoomFor(options, capacityOf)) return false;
  // A group that has as many providers as there are groups finds one, whatever the others take.
  const hard = options.filter((providers) => providers.length < options.length);
  const holders = new Map<number, number[]>();
  const assign = (group: number, visited: Set<number>): boolean => {
    const providers = hard[group]!;
    for (const provider of providers) {
      const held = holders.get(provider);
      if (held !== undefined && held.length >= capacityOf(provider)) continue;
      if (held === undefined) holders.set(provider, [group]);
      else held.push(group);
      return true;
    }
    for (const provider of providers) {
      if (visited.has(provider)) continue;
      visited.add(provider);
      const held = holders.get(provider)!;
      const place = held.findIndex((other) => assign(other, visited));
      if (place < 0) continue;
      held[place] = group;
      return true;
    }
    return false;
  };
  return hard.every((_, group) => assign(group, new Set()));
}

/** The simplest of these arguments: the number of groups, and what all providers can take together. */
export function hasRoomFor(
  options: readonly (readonly number[])[],
  capacityOf: (provider: number) => number,
): boolean {
  const counted = new Set<number>();
  let room = 0;
  for (const providers of new Set(options)) {
    for (const provider of providers) {
      if (counted.has(provider)) continue;
      counted.add(provider);
      room += capacityOf(provider);
      if (room >= options.length) return true;
    }
  }
  return room >= options.length;
}
