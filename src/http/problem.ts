import type { ErrorCode } from "../api/error-codes.ts";
import type { ErrorData } from "../api/http-error.ts";
import type { ErrorStatus } from "../api/statuses.ts";

/** An error that the client is told about: a handler's `HttpError`, or one of the transport. */
export interface Problem {
  readonly status: ErrorStatus;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly data?: ErrorData | undefined;
}
