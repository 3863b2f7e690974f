import type { ErrorCode } from "../api/error-codes.ts";
import { ERROR_TITLES } from "../api/http-error.ts";
import {
  formatMicroversion,
  MAX_MICROVERSION,
  MIN_MICROVERSION,
  supports,
} from "../api/microversions.ts";
import { acceptableOffers, type MediaType } from "./accept.ts";
import { commonHeaders, type Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";

/** Titles of the statuses that the server itself answers, besides those of the API. */
const TITLES = {
  ...ERROR_TITLES,
  408: "Request Timeout",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
} as const;

/** An error that the client is told about: a handler's `HttpError`, or one of the transport. */
export interface Problem {
  readonly status: keyof typeof TITLES;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * An error as WebOb writes it for upstream: JSON, HTML or plain text by `Accept`. Clients search
 * `errors[0].detail`, of which some show the last line, so the blanks around the text are kept.
 */
export function renderError(error: Problem, exchange: Exchange): Answer {
  const type: MediaType =
    exchange.accept === "application/json"
      ? "application/json"
      : (acceptableOffers(exchange.accept, ["text/html", "application/json"])[0] ?? "text/plain");
  const body = Buffer.from(WRITERS[type](error, exchange));
  const headers = [
    "content-type",
    type === "application/json" ? type : `${type}; charset=UTF-8`,
    "content-length",
    String(body.byteLength),
    ...Object.entries(error.headers).flat(),
    ...commonHeaders(exchange),
  ];
  return { status: error.status, headers, body };
}

const WRITERS: Readonly<Record<MediaType, (error: Problem, exchange: Exchange) => string>> = {
  "application/json": writeJson,
  "text/html": writeHtml,
  "text/plain": writePlain,
};

function writeJson(error: Problem, exchange: Exchange): string {
  const { status, code } = error;
  const { microversion, requestId } = exchange;
  return JSON.stringify({
    errors: [
      {
        status,
        title: TITLES[status],
        detail: plainText(error, exchange),
        ...(microversion && supports({ microversion }, "errorCodes") && { code }),
        request_id: requestId,
        ...(status === 406 && !microversion && SUPPORTED_VERSIONS),
      },
    ],
  });
}

/** Told when it was the version that could not be had. */
const SUPPORTED_VERSIONS = {
  max_version: formatMicroversion(MAX_MICROVERSION),
  min_version: formatMicroversion(MIN_MICROVERSION),
};

function writePlain(error: Problem, exchange: Exchange): string {
  return `${error.status} ${TITLES[error.status]}\n\n${plainText(error, exchange)}`;
}

function writeHtml(error: Problem, exchange: Exchange): string {
  const status = `${error.status} ${TITLES[error.status]}`;
  const { explanation, end } = explain(error, exchange);
  const text = `${escapeHtml(explanation)}<br /><br />\n${escapeHtml(bounded(error.detail))}${end}`;
  return `<html>
 <head>
  <title>${status}</title>
 </head>
 <body>
  <h1>${status}</h1>
  ${text}
 </body>
</html>`;
}

/** WebOb makes its text from HTML: line ends become blanks, tags vanish, even those of a client. */
function plainText(error: Problem, exchange: Exchange): string {
  const { explanation, end } = explain(error, exchange);
  const detail = bounded(error.detail)
    .replaceAll("\r", "")
    .replaceAll("\n", " ")
    .replace(/<!--|-->/g, "")
    .replace(/<[^>]*(>?)/g, (tag, closed) => (closed === "" ? tag : ""));
  return `${explanation}\n\n ${detail}${end.replaceAll("\n", " ")}`;
}

/**
 * In characters, of which each may become six when it is escaped. Few texts of ours are longer; what
 * a client sent is not echoed without end.
 */
const MAX_DETAIL = 1024;
const MAX_HEADER = 200;

function bounded(text: string, limit = MAX_DETAIL): string {
  return text.length > limit ? `${text.slice(0, limit).toWellFormed()}...` : text;
}

interface Explanation {
  readonly explanation: string;
  /** What stands behind the detail. */
  readonly end: "" | "\n\n";
}

/** WebOb's sentence for a status, which some clients show. */
function explain({ status }: Problem, { head, accept }: Exchange): Explanation {
  switch (status) {
    case 405:
      return {
        explanation: `The method ${head.method} is not allowed for this resource. `,
        end: "",
      };
    case 406:
      return {
        explanation:
          "The resource could not be generated that was acceptable to your browser " +
          `(content of type ${bounded(accept, MAX_HEADER)}. `,
        end: "",
      };
    case 415: {
      const type = head.headers["content-type"] ?? "None";
      return {
        explanation: `The request media type ${bounded(type, MAX_HEADER)} is not supported by this server. `,
        end: "",
      };
    }
    default:
      return { explanation: EXPLANATIONS[status], end: "\n\n" };
  }
}

const EXPLANATIONS = {
  400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
  401:
    "This server could not verify that you are authorized to access the document you requested. " +
    "Either you supplied the wrong credentials (e.g., bad password), or your browser does not " +
    "understand how to supply the credentials required.",
  403: "Access was denied to this resource.",
  404: "The resource could not be found.",
  409: "There was a conflict when trying to complete your request.",
  408: "The server has waited too long for the request to be sent by the client.",
  413: "The body of your request was too large for this server.",
  421: "The request was sent to a server that does not answer for its host.",
  431: "The request header fields were too large",
  500: "The server has either erred or is incapable of performing the requested operation.",
  501: "The server does not support what the request needs.",
  503: "The server is currently unavailable. Please try again at a later time.",
} as const;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => HTML_ENTITIES[character] ?? character);
}

const HTML_ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#x27;",
};
