/**
 * Where providers lie, as their rows tell. Rows may hold anything: other programs, and releases of
 * before, have tied providers into loops, and left children in the tree that their parent had left. So
 * every walk here remembers where it has been.
 */
export interface ProviderPlace {
  readonly id: number;
  readonly parentId: number | null;
  readonly rootId: number | null;
}

export type PlacesById<Place extends ProviderPlace = ProviderPlace> = ReadonlyMap<number, Place>;

/**
 * Who is above a provider, nearest first, without itself. In a loop, each of it is above the others; a
 * parent that does not exist is not there.
 */
function ancestorsOf(places: PlacesById, id: number): Set<number> {
  const ancestors = new Set<number>();
  let parentId = places.get(id)?.parentId ?? null;
  while (parentId !== null && parentId !== id && !ancestors.has(parentId)) {
    const parent = places.get(parentId);
    if (!parent) break;
    ancestors.add(parentId);
    parentId = parent.parentId;
  }
  return ancestors;
}

/**
 * The one at the top of all that are above a provider, or itself. From anywhere in a loop or below it,
 * it is the same one: that of the lowest id in the loop.
 */
export function topOf(places: PlacesById, id: number): number {
  const chain = [id, ...ancestorsOf(places, id)];
  const top = chain.at(-1) ?? id;
  const start = chain.indexOf(places.get(top)?.parentId ?? NaN);
  if (start === -1) return top;
  return chain.slice(start).reduce((lowest, member) => Math.min(lowest, member));
}

/** Everyone below a provider, without itself, parents before their children. */
export function subtreeOf<Place extends ProviderPlace>(
  places: PlacesById<Place>,
  id: number,
): Place[] {
  const children = Map.groupBy(places.values(), ({ parentId }) => parentId);
  const subtree = new Map((children.get(id) ?? []).map((child) => [child.id, child]));
  subtree.delete(id);
  // The map grows while it is walked, until the leaves are reached.
  for (const memberId of subtree.keys()) {
    for (const child of children.get(memberId) ?? []) {
      if (child.id !== id) subtree.set(child.id, child);
    }
  }
  return [...subtree.values()];
}

/**
 * The root of each provider as its ancestors have it, whatever its row says; none for those in a loop
 * or below one.
 */
export function rootsByAncestry(places: PlacesById): Map<number, number> {
  const children = Map.groupBy(places.values(), ({ parentId }) => parentId);
  const roots = new Map<number, number>();
  for (const { id, parentId } of places.values()) {
    if (parentId === null || !places.has(parentId)) roots.set(id, id);
  }
  // The map grows while it is walked, until the leaves are reached.
  for (const [id, rootId] of roots) {
    for (const child of children.get(id) ?? []) roots.set(child.id, rootId);
  }
  return roots;
}

/** What the rows should not hold: ids of providers, ascending. */
interface OddPlaces {
  /** In a loop of parents. */
  readonly looped: readonly number[];
  /** In another tree than their parent, or without a parent and not the root of their tree. */
  readonly misplaced: readonly number[];
}

/** @param placeOf finds any provider; undefined for one that does not exist */
export function findOddPlaces(
  places: Iterable<ProviderPlace>,
  placeOf: (id: number) => ProviderPlace | undefined,
): OddPlaces {
  const misplaced: number[] = [];
  const looped = new Set<number>();
  /** Those with children of which it is known how they lie. */
  const settled = new Set<number>();
  for (const { id, parentId, rootId } of places) {
    const parent = parentId === null ? undefined : placeOf(parentId);
    const wanted = parentId === null ? id : parent?.rootId;
    if (rootId === null || rootId !== wanted) misplaced.push(id);
    if (!parent) continue;
    const path = new Set<number>();
    let above: ProviderPlace | undefined = parent;
    while (above && above.parentId !== null && !settled.has(above.id) && !path.has(above.id)) {
      path.add(above.id);
      above = placeOf(above.parentId);
    }
    if (above && path.has(above.id)) {
      const members = [...path];
      for (const member of members.slice(members.indexOf(above.id))) looped.add(member);
    }
    for (const member of path) settled.add(member);
  }
  return { looped: [...looped].sort(ascending), misplaced: misplaced.sort(ascending) };
}

function ascending(left: number, right: number): number {
  return left - right;
}
