import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";
import type { ErrorStatus } from "./statuses.ts";

/** Facts behind an error, as JSON, whose shape belongs to the code: told under `/stowage` only. */
export type ErrorData = Readonly<Record<string, unknown>>;

/** An error that the client is told about: thrown anywhere in `api`, rendered by the server. */
export class HttpError extends Error {
  readonly status: ErrorStatus;
  /** The text after the status' own explanation in `detail`. */
  readonly detail: string;
  readonly code: ErrorCode;
  /** Further headers, such as `allow`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly data: ErrorData | undefined;

  constructor(
    status: ErrorStatus,
    detail: string,
    { code = ERROR_CODES.undefined, headers = {}, data }: HttpErrorOptions = {},
  ) {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.code = code;
    this.headers = headers;
    this.data = data;
  }
}

interface HttpErrorOptions {
  readonly code?: ErrorCode;
  readonly headers?: Readonly<Record<string, string>>;
  readonly data?: ErrorData;
}

export function badRequest(detail: string, code?: ErrorCode): HttpError {
  return new HttpError(400, detail, code ? { code } : {});
}

export function notFound(detail: string, code?: ErrorCode): HttpError {
  return new HttpError(404, detail, code ? { code } : {});
}

export function conflict(detail: string, code?: ErrorCode): HttpError {
  return new HttpError(409, detail, code ? { code } : {});
}
