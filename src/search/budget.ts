import { sorted } from "../scheduling/pace.ts";

/**
 * How much may still be tried before a search has to pause; one is about a provider looked at. It
 * may be overdrawn by what is not worth dividing, such as one anchor's providers.
 */
export interface Budget {
  left: number;
}

/** Work that pauses when the budget is used up, and is gone on with on another one, or the same filled up. */
export type OnBudget<Result> = Generator<void, Result, Budget>;

/**
 * Spends budgets where it would be too much to go back to whoever has one for each step: a number or two is
 * compared in a tenth of the time that it takes to look at a provider.
 */
export class Purse {
  #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get budget(): Budget {
    return this.#budget;
  }

  /** Whether it is used up by this, and has to be filled up. */
  spend(amount: number): boolean {
    this.#budget.left -= amount;
    return this.#budget.left <= 0;
  }

  *refill(): OnBudget<void> {
    this.#budget = yield;
  }
}

/** What it costs to make a search ready. */
export const STEPS_OF_SEARCH = 32;

/** What it costs to sort as many as are sorted between two pauses. */
const STEPS_OF_SORTING = 128;

/** The items in order. Pauses each time the budget is used up. */
export function* sortedWithin<Item>(
  budget: Budget,
  items: readonly Item[],
  compare: (left: Item, right: Item) => number,
): Generator<void, Item[]> {
  const sorting = sorted(items, compare);
  for (;;) {
    const step = sorting.next();
    if (step.done) return step.value;
    budget.left -= STEPS_OF_SORTING;
    if (budget.left <= 0) yield;
  }
}
