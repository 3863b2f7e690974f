import { ERROR_CODES, type ErrorCode } from "../api/error-codes.ts";
import { badRequest, conflict, HttpError, notFound } from "../api/http-error.ts";
import { renderFacts } from "../api/refusal-facts.ts";
import { AuthenticationUnavailable } from "../auth/authenticator.ts";
import {
  CommitOutcomeUnknown,
  DatabaseUnavailable,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
  UnstorableValue,
  CandidatesOutdated,
  ConcurrentUpdateDetected,
  Exists,
  NotFound,
  PlacementError,
  SearchEffortExceeded,
  TooManySearches,
} from "../domain/errors.ts";
import { HistoryTooLong } from "../domain/history-errors.ts";
import type { Problem } from "./problem.ts";
import { MessageFlaw } from "./message-flaw.ts";

type Rule = readonly [errorClass: abstract new (...values: never[]) => Error, answer: Translate];
type Translate = (error: Error) => Problem;

/**
 * What the errors become that no handler has given a text of its own: the first line that fits.
 * Anything else that is thrown is a defect.
 */
const RULES: readonly Rule[] = [
  [AuthenticationUnavailable, () => new HttpError(503, NO_KEYSTONE)],
  [NotFound, ({ message }) => notFound(message)],
  [ConcurrentUpdateDetected, ({ message }) => conflict(message, ERROR_CODES.concurrentUpdate)],
  [Exists, ({ message }) => conflict(message)],
  [UnstorableValue, () => badRequest(UNSTORABLE)],
  // Both: another process has made or deleted it since it was looked for.
  [DuplicateEntry, () => conflict(TRY_AGAIN, ERROR_CODES.concurrentUpdate)],
  [ReferenceViolation, () => conflict(TRY_AGAIN, ERROR_CODES.concurrentUpdate)],
  [TransactionConflict, () => conflict(TRY_AGAIN, ERROR_CODES.concurrentUpdate)],
  [CommitOutcomeUnknown, () => new HttpError(503, NOT_KNOWN, { headers: RETRY_SOON })],
  [CandidatesOutdated, ({ message }) => new HttpError(503, message, { headers: RETRY_SOON })],
  [
    SearchEffortExceeded,
    ({ message }) => busy(message, ERROR_CODES.searchEffortExceeded, RETRY_LATER),
  ],
  [HistoryTooLong, ({ message }) => busy(message, ERROR_CODES.searchEffortExceeded, RETRY_LATER)],
  [TooManySearches, ({ message }) => busy(message, ERROR_CODES.tooManySearches, RETRY_SOON)],
  [DatabaseUnavailable, () => new HttpError(503, NO_DATABASE, { headers: RETRY_SOON })],
];

const UNSTORABLE = "The database cannot store a value of the request: its length or characters.";
const TRY_AGAIN = "Another thread concurrently updated the data. Please retry your update";
const NO_KEYSTONE = "The Keystone service is temporarily unavailable.";
const NO_DATABASE = "The database is not available.";
const NOT_KNOWN =
  "The database did not say whether the change was made: look before you repeat it.";
const RETRY_SOON = { "retry-after": "5" };
/** When claims have changed what there is to search. */
const RETRY_LATER = { "retry-after": "60" };

function busy(detail: string, code: ErrorCode, headers: Readonly<Record<string, string>>): Problem {
  return new HttpError(503, detail, { code, headers });
}

/** What the client is told about an error; `undefined` for one that nobody foresaw. */
export function findProblem(error: unknown): Problem | undefined {
  if (error instanceof HttpError || error instanceof MessageFlaw) return error;
  if (!(error instanceof Error)) return undefined;
  const rule = RULES.find(([errorClass]) => error instanceof errorClass);
  const problem = rule?.[1](error);
  return problem instanceof HttpError ? withFacts(problem, error) : problem;
}

/** What was refused is told with its reasons where the dialect has room for them. */
function withFacts(problem: HttpError, error: Error): HttpError {
  const refusal = error instanceof PlacementError ? error.refusal : undefined;
  if (!refusal || problem.data) return problem;
  const { status, detail, code, headers } = problem;
  const data = { reason: refusal.reason, ...renderFacts(refusal) };
  return new HttpError(status, detail, { code, headers, data });
}
