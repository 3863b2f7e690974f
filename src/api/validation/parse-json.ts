import { isUtf8 } from "node:buffer";
import { badRequest, type HttpError } from "../http-error.ts";

/** Deeper than any body of the API by far; a hostile one must not cost a stack. */
const MAX_DEPTH = 100;

/**
 * What is parsed may take twenty times as much memory as its text where that is dense: an empty object is two
 * characters and 56 bytes. So a body is weighed, in bytes of text that each part has to bring for what it takes to
 * be no more than four times as much; and so many more are let through. Inventories bring 92 for 49 a class,
 * allocations 61 for 43 a provider, however many there are.
 */
const FREE_BYTES = 65_536;
const NEEDED_BYTES = { container: 14, key: 5 };

/** An integer literal of so many digits may be too big for a double. */
const HUGE_DIGITS = 309;

/**
 * A body as Python's `json.loads` sees it: UTF-8, the last of several equal keys wins, an integer
 * stays one however long it is. Stricter than upstream, which answers some of these with 500: no
 * NaN or Infinity, no lone surrogates, no NUL characters, no deep nesting.
 *
 * @param offset where it begins in a larger document: then places are told by the character alone
 * @param hasFreeWeight whether it is of whoever runs the program, and may take what memory it takes
 *
 * @throws HttpError 400 with `Malformed JSON: …`, and for what would take much more memory than its text
 */
export function parseJson(body: Uint8Array, offset = 0, hasFreeWeight = false): unknown {
  if (!isUtf8(body)) throw malformed("'utf-8' codec can't decode the body: invalid byte sequence");
  const { depth, weight, hasHugeIntegers, hasSurrogateEscapes, hasNulEscapes } = scan(body);
  if (depth > MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH} levels`);
  if (!hasFreeWeight && weight > FREE_BYTES + body.length) {
    throw badRequest("The body has far more members than any that says something.");
  }
  // PostgreSQL stores no NUL, and no name or id has one.
  if (hasNulEscapes) throw malformed("NUL character in a string");
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
  const value = parseText(text, hasHugeIntegers, offset);
  // Only an escape can spell half of a surrogate pair: the bytes have been found to be UTF-8.
  if (hasSurrogateEscapes && !isWellFormed(value)) throw malformed("Unpaired surrogate");
  return value;
}

function parseText(text: string, hasHugeIntegers: boolean, offset: number): unknown {
  try {
    const parsed: unknown = hasHugeIntegers ? JSON.parse(text, keepHugeInteger) : JSON.parse(text);
    return parsed;
  } catch (error) {
    throw malformed(describe(text, error instanceof Error ? error.message : "", offset));
  }
}

/** An integer beyond the range of doubles becomes the greatest double, which is an integer too. */
function keepHugeInteger(_key: string, value: unknown, { source }: { source?: string } = {}) {
  if (typeof value !== "number" || Number.isFinite(value)) return value;
  if (source === undefined || !/^-?[0-9]+$/.test(source)) return value;
  return value > 0 ? Number.MAX_VALUE : -Number.MAX_VALUE;
}

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

/** One pass over the bytes, before anything is built from them. */
function scan(body: Uint8Array) {
  let depth = 0;
  let deepest = 0;
  let weight = 0;
  let isInString = false;
  let digits = 0;
  let hasHugeIntegers = false;
  let hasSurrogateEscapes = false;
  let hasNulEscapes = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (isInString) {
      if (byte === QUOTE) isInString = false;
      else if (byte === BACKSLASH) {
        at++;
        if (body[at] === 0x75) {
          if (((body[at + 1] ?? 0) | 0x20) === 0x64) hasSurrogateEscapes = true;
          else if (isFourZeros(body, at + 1)) hasNulEscapes = true;
        }
      }
    } else if (isDigit(byte)) {
      if (++digits >= HUGE_DIGITS) hasHugeIntegers = true;
      continue;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === COLON) weight += NEEDED_BYTES.key;
    else if (byte === 0x5b || byte === 0x7b) {
      deepest = Math.max(deepest, ++depth);
      weight += NEEDED_BYTES.container;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
    digits = 0;
  }
  return { depth: deepest, weight, hasHugeIntegers, hasSurrogateEscapes, hasNulEscapes };
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isFourZeros(body: Uint8Array, at: number): boolean {
  return [0, 1, 2, 3].every((offset) => body[at + offset] === 0x30);
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (Array.isArray(value)) return value.every(isWellFormed);
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, child]) => key.isWellFormed() && isWellFormed(child));
}

/** What V8 finds wrong, and what Python says about the same. */
const PYTHON_WORDS: readonly (readonly [pattern: RegExp, words: string])[] = [
  [/^Expected (property name|double-quoted)/, "Expecting property name enclosed in double quotes"],
  [/^Expected ':'/, "Expecting ':' delimiter"],
  [/^Expected ','/, "Expecting ',' delimiter"],
  [/^Unexpected (non-whitespace|number)/, "Extra data"],
  [/^Bad control character/, "Invalid control character at"],
  [/^Unterminated string/, "Unterminated string"],
  [/^Bad escaped/, "Invalid \\escape"],
  [/^Bad Unicode/, "Invalid \\uXXXX escape"],
];

/** V8's own text is not shown, because it quotes the body. */
function describe(text: string, message: string, offset: number): string {
  const words = PYTHON_WORDS.find(([pattern]) => pattern.test(message))?.[1] ?? "Expecting value";
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return `${words}: ${locate(text, Number(position), offset)}`;
  return text.trim() === "" || message.startsWith("Unexpected end")
    ? `${words}: ${locate(text, text.length, offset)}`
    : words;
}

function locate(text: string, position: number, offset: number): string {
  if (offset > 0) return `(char ${offset + position})`;
  const before = text.slice(0, position);
  const line = before.split("\n").length;
  const column = position - before.lastIndexOf("\n");
  return `line ${line} column ${column} (char ${position})`;
}

export function malformed(reason: string): HttpError {
  return badRequest(`Malformed JSON: ${reason}`);
}
