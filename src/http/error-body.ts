import {
  formatMicroversion,
  MAX_MICROVERSION,
  MIN_MICROVERSION,
  supports,
} from "../api/microversions.ts";
import { STATUSES } from "../api/statuses.ts";
import { acceptableOffers } from "./accept.ts";
import { commonHeaders, type Answer } from "./answer.ts";
import type { Exchange } from "./exchange.ts";
import type { Problem } from "./problem.ts";

type MediaType = "application/json" | "text/html" | "text/plain";

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
  const { status, code, data } = error;
  const { microversion, requestId, dialect } = exchange;
  const isOurs = dialect === "stowage";
  return JSON.stringify({
    errors: [
      {
        status,
        title: STATUSES[status].title,
        detail: isOurs ? ourText(error, exchange) : plainText(error, exchange),
        ...((isOurs || (microversion && supports({ microversion }, "errorCodes"))) && { code }),
        request_id: requestId,
        ...(isOurs && data && { data }),
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
  return `${error.status} ${STATUSES[error.status].title}\n\n${plainText(error, exchange)}`;
}

function writeHtml(error: Problem, exchange: Exchange): string {
  const status = `${error.status} ${STATUSES[error.status].title}`;
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

/** Under `/stowage`, where nobody expects WebOb's frame: the detail, or what the status says. */
function ourText(error: Problem, exchange: Exchange): string {
  return bounded(error.detail) || explain(error, exchange).explanation.trim();
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

function explain({ status }: Problem, exchange: Exchange): Explanation {
  const { explanation } = STATUSES[status];
  if (!explanation.includes("{}")) return { explanation, end: "\n\n" };
  const said = bounded(whatWasSaid(status, exchange), MAX_HEADER);
  return { explanation: explanation.replace("{}", () => said), end: "" };
}

/** What the explanation of a status quotes. */
function whatWasSaid(status: Problem["status"], { head, accept }: Exchange): string {
  if (status === 405) return head.method;
  return status === 406 ? accept : (head.headers["content-type"] ?? "None");
}

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
