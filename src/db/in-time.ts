import { AsyncLocalStorage } from "node:async_hooks";

import { DatabaseUnavailable } from "../domain/errors.ts";

// One limit for all that is done for a request: waiting for a connection, statements, repetitions.

/** The clock is that of `performance.now()`. */
const deadlines = new AsyncLocalStorage<number>();

/** Does work that has to be finished by a time; without one it may take as long as it takes. */
export function withDeadline<Result>(deadlineMs: number | undefined, work: () => Result): Result {
  return deadlineMs === undefined ? work() : deadlines.run(deadlineMs, work);
}

/** By when the work under way has to be finished; `Infinity` if that does not matter. */
export function currentDeadlineMs(): number {
  return deadlines.getStore() ?? Infinity;
}

/**
 * Waits for work, but no longer than until a time. The work goes on, and nobody learns what becomes
 * of it.
 *
 * @param giveUp is called when it is too late
 * @throws DatabaseUnavailable
 */
export async function inTime<Result>(
  work: Promise<Result>,
  deadlineMs: number,
  giveUp: () => void = () => undefined,
): Promise<Result> {
  if (deadlineMs === Infinity) return work;
  const tooLate = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => {
      giveUp();
      tooLate.reject(new DatabaseUnavailable("the database did not answer in time"));
    },
    Math.max(deadlineMs - performance.now(), 0),
  );
  try {
    return await Promise.race([work, tooLate.promise]);
  } finally {
    clearTimeout(timer);
  }
}
