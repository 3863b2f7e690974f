/** What is counted besides answers. */
export type CounterName =
  /** Requests refused because of what they contain: 400, 413, 415 and their kin. */
  | "refusedInput"
  /** Answers 409. */
  | "conflicts"
  /** Transactions begun again because another one was first. */
  | "retries"
  /** Transactions that were to write and were rolled back for good. */
  | "rollbacks"
  /** Defects: errors that nobody foresaw, answered 500. */
  | "unexpectedErrors";

/** Numbers that only grow, for the life of the process: what a metrics endpoint would show. */
export class Counters {
  readonly #counts: Record<CounterName, number> = {
    refusedInput: 0,
    conflicts: 0,
    retries: 0,
    rollbacks: 0,
    unexpectedErrors: 0,
  };
  readonly #answersByStatus = new Map<number, number>();

  increment(name: CounterName): void {
    this.#counts[name]++;
  }

  countAnswer(status: number): void {
    this.#answersByStatus.set(status, (this.#answersByStatus.get(status) ?? 0) + 1);
  }

  get(name: CounterName): number {
    return this.#counts[name];
  }

  /** The counts at this moment. */
  snapshot(): CounterSnapshot {
    return { counts: { ...this.#counts }, answersByStatus: new Map(this.#answersByStatus) };
  }
}

export interface CounterSnapshot {
  readonly counts: Readonly<Record<CounterName, number>>;
  readonly answersByStatus: ReadonlyMap<number, number>;
}
