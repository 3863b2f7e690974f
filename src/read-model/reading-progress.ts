import { writePosition, type Position } from "./written-position.ts";

/** A position that moves on, change by change, with a text for each step. */
export class ReadingProgress {
  readonly #epoch: string | undefined;
  #floor: number;
  readonly #seen: Set<number>;
  /** The newest change that is known, whether it was told or not. */
  newest: Position["newest"];

  constructor({ epoch, floor, seen, newest }: Position) {
    this.#epoch = epoch;
    this.#floor = floor;
    this.#seen = new Set(seen);
    this.newest = newest;
  }

  /** A change was read. */
  add(id: number): void {
    if (id > this.#floor) this.#seen.add(id);
    this.#rise();
  }

  /** What was not read up to an id will never be there. */
  settle(upTo: number): void {
    if (upTo <= this.#floor) return;
    this.#floor = upTo;
    for (const id of this.#seen) if (id <= upTo) this.#seen.delete(id);
    this.#rise();
  }

  write(): string {
    return writePosition({
      epoch: this.#epoch,
      floor: this.#floor,
      seen: this.#seen,
      newest: this.newest,
    });
  }

  #rise(): void {
    while (this.#seen.delete(this.#floor + 1)) this.#floor += 1;
  }
}
