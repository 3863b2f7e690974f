import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

/** Status codes that a handler answers errors with, and the titles of their bodies. */
export const ERROR_TITLES = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  409: "Conflict",
  413: "Request Entity Too Large",
  415: "Unsupported Media Type",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

export type ErrorStatus = keyof typeof ERROR_TITLES;

/** An error that the client is told about: thrown anywhere in `api`, rendered by the server. */
export class HttpError extends Error {
  readonly status: ErrorStatus;
  /** The text after the status' own explanation in `detail`. */
  readonly detail: string;
  readonly code: ErrorCode;
  /** Further headers, such as `allow`. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: ErrorStatus,
    detail: string,
    { code = ERROR_CODES.undefined, headers = {} }: HttpErrorOptions = {},
  ) {
    super(detail);
    this.status = status;
    this.detail = detail;
    this.code = code;
    this.headers = headers;
  }
}

export interface HttpErrorOptions {
  readonly code?: ErrorCode;
  readonly headers?: Readonly<Record<string, string>>;
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
