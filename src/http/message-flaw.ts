import type { IncomingHttpHeaders } from "node:http";
import { ERROR_CODES } from "../api/error-codes.ts";
import type { Problem } from "./problem.ts";

/** What makes an HTTP message unreadable: found by the parser, before any of our code runs. */
export class MessageFlaw extends Error implements Problem {
  readonly status: Problem["status"];
  readonly code = ERROR_CODES.undefined;
  readonly headers = {};

  constructor(status: Problem["status"], detail: string) {
    super(detail);
    this.status = status;
  }

  get detail(): string {
    return this.message;
  }
}

export const UNKNOWN_CODING = "The only transfer coding that is known is chunked.";

/** The parser takes whatever ends with `chunked`, such as `gzip, chunked`, and undoes only that. */
export function hasForeignCoding({ "transfer-encoding": coding }: IncomingHttpHeaders): boolean {
  return coding !== undefined && coding.toLowerCase() !== "chunked";
}

/** A flaw by the code of the parser's error; the parser's own words are not for clients. */
export function describeFlaw(code: string | undefined, headers: IncomingHttpHeaders): MessageFlaw {
  switch (code) {
    case "HPE_INVALID_CONTENT_LENGTH":
    case "HPE_UNEXPECTED_CONTENT_LENGTH":
      return new MessageFlaw(400, "content-length header must be an integer");
    case "HPE_INVALID_TRANSFER_ENCODING":
      // Also said of chunks with a length.
      if (!hasForeignCoding(headers)) break;
      return new MessageFlaw(501, UNKNOWN_CODING);
    case "HPE_HEADER_OVERFLOW":
      return new MessageFlaw(431, "");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new MessageFlaw(408, "");
    case "HPE_INVALID_EOF_STATE":
      return new MessageFlaw(400, "the request ended before it was complete");
    case "HPE_INVALID_METHOD":
    case "HPE_INVALID_URL":
    case "HPE_INVALID_CONSTANT":
    case "HPE_INVALID_VERSION":
      return new MessageFlaw(400, "the request line is malformed");
    default:
  }
  return new MessageFlaw(400, "the request is malformed");
}
