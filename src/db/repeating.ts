import { setTimeout as sleep } from "node:timers/promises";

import {
  ConcurrentUpdateDetected,
  ConsumerExists,
  DatabaseUnavailable,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
} from "../domain/errors.ts";
import { DatabaseMisconfigured, OutcomePending } from "./errors.ts";

/** When something that has failed is done again (retry with backoff), and until when. */
interface Repetition<Failure extends Error> {
  readonly isWorthRepeating: (error: unknown) => error is Failure;
  /** How often it is done at most, the first time included. */
  readonly most: number;
  /** For how long at most, besides the deadline of whoever asks. */
  readonly forMs?: number;
  /** @param attempt that has failed; counts from 1 */
  readonly pauseMs: (attempt: number) => number;
}

interface RepeatingOptions<Failure extends Error> {
  /** On the clock of `performance.now()`. */
  readonly deadlineMs?: number;
  /** Is called before it is done again, and ends that by throwing. */
  readonly beforeNext?: (failure: Failure, attempt: number) => void | Promise<void>;
  /** What is thrown when it is not done again; the failure itself if not given. */
  readonly asFinal?: (failure: Failure, isTooLate: boolean) => Error;
}

/** The one loop that repeats what has failed. */
export async function repeating<Result, Failure extends Error>(
  { isWorthRepeating, most, forMs = Infinity, pauseMs }: Repetition<Failure>,
  work: () => Promise<Result>,
  { deadlineMs = Infinity, beforeNext, asFinal = (error) => error }: RepeatingOptions<Failure> = {},
): Promise<Result> {
  const endsAtMs = Math.min(deadlineMs, performance.now() + forMs);
  let failure: Failure | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const nextAfterMs = pauseMs(attempt);
    try {
      return await work();
    } catch (error) {
      if (isWorthRepeating(error)) failure = error;
      // That the time is up says less than why it had to be done again.
      else if (!failure || performance.now() < endsAtMs) throw error;
      const isTooLate = performance.now() + nextAfterMs >= endsAtMs;
      if (isTooLate || attempt >= most) throw asFinal(failure, isTooLate);
    }
    await beforeNext?.(failure, attempt);
    if (nextAfterMs > 0) await sleep(nextAfterMs);
  }
}

// All that is repeated, from the inside to the outside. One may run within another: a claim is tried up to
// eleven times, as upstream does, and each of these is a transaction that is begun up to ten times. What keeps
// the product in bounds is the deadline of the request, which ends all of them.

/**
 * A transaction that another process was in the way of. A row that is there already was not when the
 * transaction looked, or it would not have inserted it: begun anew, it finds it.
 */
export const TRANSACTION: Repetition<TransactionConflict | DuplicateEntry> = {
  isWorthRepeating: isConflict,
  most: 10,
  pauseMs: (attempt) => randomDelayMs(attempt, { unitMs: 5, mostMs: 500 }),
};

/**
 * The question what became of a commit: for as long as a server takes to start, or a cluster to find together
 * again.
 */
export const OUTCOME: Repetition<Error> = {
  isWorthRepeating: isPassing,
  most: Infinity,
  forMs: 10_000,
  pauseMs: () => 200,
};

/** A change of the schema while another process makes one, where no lock keeps it away. */
export const SCHEMA_CHANGE: Repetition<TransactionConflict | DuplicateEntry> = {
  isWorthRepeating: isConflict,
  most: Infinity,
  forMs: 20_000,
  pauseMs: () => 0,
};

/** What needs something of which it is not known yet whether it was committed: it waits for that, not here. */
export const PENDING: Repetition<OutcomePending> = {
  isWorthRepeating: (error) => error instanceof OutcomePending,
  most: Infinity,
  pauseMs: () => 0,
};

/**
 * A write that relied on what another process has deleted since, or begun to use: on a fresh read model, it
 * finds that out.
 */
export const SURPRISE: Repetition<ReferenceViolation> = {
  isWorthRepeating: (error) => error instanceof ReferenceViolation,
  most: 4,
  pauseMs: () => 0,
};

/**
 * A batch of claims that relied on what another process has changed since.
 *
 * @param most of the option `allocation_conflict_retry_count`
 */
export function claimRepetition(
  most: number,
): Repetition<ConcurrentUpdateDetected | ConsumerExists> {
  return {
    isWorthRepeating: isOutdated,
    most,
    // Replicas that contend for a provider must not meet again and again.
    pauseMs: (attempt) => (attempt > 1 ? randomDelayMs(attempt, { unitMs: 1, mostMs: 100 }) : 0),
  };
}

/**
 * The first connection: a server may be starting at the same time. Like upstream, it does not wait where that
 * does not help.
 *
 * @param maxRetries of the option; no end if it is negative
 */
export function connectionRepetition(
  maxRetries: number,
  retryIntervalS: number,
): Repetition<DatabaseUnavailable> {
  return {
    isWorthRepeating: (error): error is DatabaseUnavailable =>
      error instanceof DatabaseUnavailable && !(error instanceof DatabaseMisconfigured),
    most: maxRetries < 0 ? Infinity : maxRetries + 1,
    pauseMs: () => retryIntervalS * 1000,
  };
}

/** Whether what a claim relied on is not so any more. */
export function isOutdated(error: unknown): error is ConcurrentUpdateDetected | ConsumerExists {
  return error instanceof ConcurrentUpdateDetected || error instanceof ConsumerExists;
}

function isConflict(error: unknown): error is TransactionConflict | DuplicateEntry {
  return error instanceof TransactionConflict || error instanceof DuplicateEntry;
}

/** Whether the same may succeed another time. */
export function isPassing(error: unknown): error is Error {
  return error instanceof DatabaseUnavailable || isConflict(error);
}

/**
 * Twice as long at most from attempt to attempt, and random, so that two that conflict do not meet again
 * (exponential backoff with jitter).
 */
function randomDelayMs(
  attempt: number,
  { unitMs, mostMs }: { readonly unitMs: number; readonly mostMs: number },
): number {
  return Math.random() * Math.min(unitMs * 2 ** attempt, mostMs);
}
