/**
 * Who asks, and under which id: passed explicitly from the HTTP server down to the database, one
 * per request, never shared between two.
 */
export interface RequestContext {
  /** `req-` and a UUID; in every answer, every error, every log line and every change row. */
  readonly requestId: string;
  /** The id that the client gave to the larger operation which this request is part of. */
  readonly globalRequestId: string | undefined;
  readonly userId: string | undefined;
  readonly projectId: string | undefined;
  readonly roles: readonly string[];
  /**
   * By when the database has to have done all of it, on the clock of `performance.now()`; it may
   * take its time if there is none.
   */
  readonly deadlineMs?: number;
  /** How often a claim is tried that others are in the way of; once if not given. */
  readonly claimAttempts?: number;
  /** Counts what the database had to do again for it. */
  readonly effort?: Effort;
}

/** How hard a request was for the database. */
export interface Effort {
  /** Transactions begun again because another one was first. */
  retries: number;
  /** Transactions that were to write and were rolled back for good. */
  rollbacks: number;
}
