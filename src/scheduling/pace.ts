import { setImmediate } from "node:timers/promises";

/** A slice of long work ends after so long, so that others are served in between. */
export const SLICE_MS = 2;

/**
 * So many items are no long work. A claim on one provider is two items, which take some 10 µs each from the
 * body to the statements, and of a batch of a hundred such claims none is to wait for a pause.
 */
const FEW = 500;

/**
 * Cooperative scheduling of work that cannot queue for its turn behind others, because it holds what they
 * wait for: long work pauses after each slice for one round of the event loop. Short work never does.
 */
export class Pace {
  readonly #isLong: boolean;
  #sliceEndsMs = performance.now() + SLICE_MS;

  /** @param items how many there are to be worked on */
  constructor(items: number) {
    this.#isLong = items > FEW;
  }

  /** Pauses if the slice has lasted long enough. */
  async rest(): Promise<void> {
    if (!this.#isDue()) return;
    await setImmediate();
    this.#sliceEndsMs = performance.now() + SLICE_MS;
  }

  /** Does work that yields where it may pause. */
  async run<Result>(work: Iterator<void, Result>): Promise<Result> {
    for (;;) {
      const step = work.next();
      if (step.done) return step.value;
      if (this.#isDue()) await this.rest();
    }
  }

  #isDue(): boolean {
    return this.#isLong && performance.now() >= this.#sliceEndsMs;
  }
}

/** So many steps take less than half a millisecond. */
const STEPS = 64;

/**
 * Counts the steps of work that yields from within functions in functions: to yield costs as much as a step, so
 * that it is done from time to time only.
 */
export class Steps {
  #count = 0;

  /** To be asked after each step: whether to yield. */
  mayPause(): boolean {
    this.#count += 1;
    if (this.#count < STEPS) return false;
    this.#count = 0;
    return true;
  }
}

/** So many items are made in some 100 µs where each is a text. */
const ITEMS = 16;

/** What is made of each item, in work that may pause in between. */
export function* eachPausing<From, To>(
  items: readonly From[],
  make: (item: From) => To,
): Generator<void, To[]> {
  const made: To[] = [];
  for (const item of items) {
    made.push(make(item));
    if (made.length % ITEMS === 0) yield;
  }
  return made;
}

/** The items so many at a time, in their order. */
export function* portionsOf<Item>(
  items: readonly Item[],
  size: number,
): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** So many are sorted, or merged, before it yields. */
const RUN = 256;

/** The items in order: a merge sort that can pause, unlike that of an array. */
export function* sorted<Item>(
  items: readonly Item[],
  compare: (left: Item, right: Item) => number,
): Generator<void, Item[]> {
  if (items.length <= RUN) return items.toSorted(compare);
  let runs: Item[][] = [];
  for (const run of portionsOf(items, RUN)) {
    runs.push(run.toSorted(compare));
    yield;
  }
  while (runs.length > 1) {
    const longer: Item[][] = [];
    for (const [left = [], right = []] of portionsOf(runs, 2)) {
      longer.push(yield* merged(left, right, compare));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}

function* merged<Item>(
  left: readonly Item[],
  right: readonly Item[],
  compare: (left: Item, right: Item) => number,
): Generator<void, Item[]> {
  const all: Item[] = [];
  let [l, r] = [0, 0];
  while (l < left.length || r < right.length) {
    const isLeft = r === right.length || (l < left.length && compare(left[l]!, right[r]!) <= 0);
    all.push(isLeft ? left[l++]! : right[r++]!);
    if (all.length % RUN === 0) yield;
  }
  return all;
}
