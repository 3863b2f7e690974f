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
  /** What is asked for, as the change feed tells it: `PUT /allocations`. */
  readonly cause?: string | undefined;
  /**
   * By when the database has to have done all of it, on the clock of `performance.now()`; it may
   * take its time if there is none.
   */
  readonly deadlineMs?: number;
  /** How often a claim is tried that others are in the way of; once if not given. */
  readonly claimAttempts?: number;
  /** Takes note of what was done for it. */
  readonly effort?: Effort;
}

/** How hard a request was, and where its time went. */
export class Effort {
  /** Transactions begun again because another one was first. */
  retries = 0;
  /** Transactions that were to write and were rolled back for good. */
  rollbacks = 0;
  /** Waiting for all that was committed before the request. */
  freshnessMs = 0;
  /** Searching for candidates and writing them down, with what others did in between. */
  searchMs = 0;
  /** In transactions that read. */
  databaseMs = 0;
  /** In transactions that write. */
  writingMs = 0;
  /** How many providers a search has looked at, in all combinations; those passed over quickly count in part. */
  lookedAt = 0;
}
