import { isUtf8 } from "node:buffer";

/**
 * A part of a URL with its `%XX` resolved and read as UTF-8; `undefined` when that is not UTF-8, or
 * holds a NUL, which no name has and PostgreSQL does not take. What is no escape stays as it is, as
 * Python's `unquote` leaves it.
 */
export function decodePercent(text: string): string | undefined {
  if (!text.includes("%")) return text;
  // The parser of node:http refuses a request line with anything but ASCII.
  const bytes = Buffer.from(text, "latin1");
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    const escaped = bytes[at] === PERCENT ? ESCAPE.exec(text.slice(at, at + 3))?.[1] : undefined;
    bytes[length++] = escaped === undefined ? (bytes[at] ?? 0) : Number.parseInt(escaped, 16);
    if (escaped !== undefined) at += 2;
  }
  const decoded = bytes.subarray(0, length);
  return isUtf8(decoded) && !decoded.includes(0) ? decoded.toString("utf8") : undefined;
}

const PERCENT = 0x25;
const ESCAPE = /^%([0-9a-f]{2})$/i;
