import { STATUS_CODES, type IncomingHttpHeaders } from "node:http";
import type { Answer } from "./answer.ts";
import type { RequestHead } from "./exchange.ts";

/** Reading and writing HTTP by hand, for messages that the parser of `node:http` refuses. */

/** What can be made out of the head of a refused message; nothing of it may be relied on. */
export function readHead(packet: Buffer | undefined): RequestHead {
  const [requestLine = "", ...fields] = (packet?.toString("latin1") ?? "")
    .split("\r\n\r\n", 1)[0]!
    .split("\r\n");
  const [, method, target] = /^([A-Z]+) (\S+) HTTP\/1\.[01]$/.exec(requestLine) ?? [];
  if (method === undefined || target === undefined) return NO_HEAD;
  const headers: IncomingHttpHeaders = {};
  for (const field of fields) {
    const [, name, value] = /^([!#$%&'*+\-.^_`|~\w]+):(.*)$/.exec(field) ?? [];
    if (name !== undefined) headers[name.toLowerCase()] = value?.replace(BLANKS_AROUND, "");
  }
  return { method, target, headers };
}

/** The blanks at the end are looked at from the first of them only: there may be very many. */
const BLANKS_AROUND = /^[ \t]+|(?<![ \t])[ \t]+$/g;

/** Counts as a request for the root: the message says nothing that a token could protect. */
const NO_HEAD: RequestHead = { method: "GET", target: "/", headers: {} };

/** An answer as bytes; the connection is closed after it. */
export function writeAnswer({ status, headers, body }: Answer): Buffer {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, "connection: close"];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return body instanceof Uint8Array ? Buffer.concat([head, body]) : head;
}
