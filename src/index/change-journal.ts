/** So many changes are remembered. */
const LENGTH = 1024;

/** Which trees have changed of late. */
export class ChangeJournal {
  readonly #trees = new Int32Array(LENGTH);
  #count = 0;

  /** How many changes there have been: stands for the present in `since`. */
  get position(): number {
    return this.#count;
  }

  note(tree: number): void {
    this.#trees[this.#count % LENGTH] = tree;
    this.#count += 1;
  }

  /** The trees that have changed since a position, each once; undefined when that is not known any more. */
  since(position: number): ReadonlySet<number> | undefined {
    if (this.#count - position > LENGTH) return undefined;
    const trees = new Set<number>();
    for (let number = position; number < this.#count; number++) {
      trees.add(this.#trees[number % LENGTH]!);
    }
    return trees;
  }
}
