/**
 * What waits for its turn, by whom it belongs to. Owners take turns (round robin), so that nobody waits longer
 * for how much another one has waiting; what belongs to one comes in its order.
 */
export class RoundRobin<Item> {
  /** In the order of turns; without owners of whom nothing waits. */
  readonly #items = new Map<string, Item[]>();

  get isEmpty(): boolean {
    return this.#items.size === 0;
  }

  add(owner: string, item: Item): void {
    const items = this.#items.get(owner);
    if (items === undefined) this.#items.set(owner, [item]);
    else items.push(item);
  }

  /** @param mayHaveTurn passes owners by, who keep their place */
  take(mayHaveTurn: (owner: string) => boolean = () => true): Item | undefined {
    for (const [owner, items] of this.#items) {
      if (!mayHaveTurn(owner)) continue;
      const item = items.shift();
      this.#items.delete(owner);
      if (items.length > 0) this.#items.set(owner, items);
      return item;
    }
    return undefined;
  }

  /** Takes the last to come of the owner of whom most is waiting. */
  takeLastOfLongest(): Item | undefined {
    let longest: [owner: string, items: Item[]] | undefined;
    for (const entry of this.#items) {
      if (longest === undefined || entry[1].length > longest[1].length) longest = entry;
    }
    if (longest === undefined) return undefined;
    const [owner, items] = longest;
    const item = items.pop();
    if (items.length === 0) this.#items.delete(owner);
    return item;
  }
}
