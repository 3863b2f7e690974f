import { badRequest } from "../http-error.ts";
import type { ApiRequest } from "../request.ts";
import { turns } from "../../operations/turns.ts";
import { SLICE_MS } from "../../scheduling/pace.ts";
import { malformed, parseJson } from "./parse-json.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number | undefined> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number | undefined> = new Set([0x5d, 0x7d]);
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const BLANKS: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The body of a request that may be large: parsed if it is no larger than those of other requests, else
 * to be read member by member.
 *
 * @throws HttpError 400
 */
export async function readMuch(
  request: Pick<ApiRequest, "readBody" | "config" | "context">,
): Promise<unknown> {
  const body = await request.readBody();
  const { maxSmallBodySize } = request.config.stowage;
  return body.byteLength > maxSmallBodySize
    ? new JsonCursor(body, maxSmallBodySize, request.context.userId)
    : parseJson(body);
}

/**
 * A streaming parser for a large object: goes from member to member, so that nobody has to hold all of
 * it parsed (which takes up to twenty times as much memory as the text), the first fault ends it, and
 * others have their turn in between.
 */
export class JsonCursor {
  readonly #bytes: Uint8Array;
  readonly #maxValueBytes: number;
  readonly #client: string;
  #at = 0;
  #sliceEndsMs = performance.now() + SLICE_MS;

  /**
   * @param maxValueBytes how large a value may be that is read in one piece
   * @param client who has the turns
   */
  constructor(bytes: Uint8Array, maxValueBytes: number, client = "") {
    this.#bytes = bytes;
    this.#client = client;
    this.#maxValueBytes = maxValueBytes;
  }

  /**
   * The keys of the object that comes next. After each, its value has to be read, by `value` or by
   * `members`.
   *
   * @throws HttpError 400 when it is no object, or is malformed
   */
  async *members(): AsyncGenerator<string> {
    if (this.#next() !== OPENING_BRACE) throw badRequest(NO_OBJECT);
    this.#at++;
    if (this.#next() === CLOSING_BRACE) {
      this.#at++;
      return;
    }
    for (;;) {
      if (performance.now() > this.#sliceEndsMs) {
        await turns.goOn(this.#client, () => {});
        this.#sliceEndsMs = performance.now() + SLICE_MS;
      }
      if (this.#next() !== QUOTE) throw this.#expecting("property name enclosed in double quotes");
      const key = String(this.value());
      if (this.#next() !== COLON) throw this.#expecting("':' delimiter");
      this.#at++;
      yield key;
      const delimiter = this.#next();
      if (delimiter !== COMMA && delimiter !== CLOSING_BRACE)
        throw this.#expecting("',' delimiter");
      this.#at++;
      if (delimiter === CLOSING_BRACE) return;
    }
  }

  /**
   * The value that comes next.
   *
   * @throws HttpError 400 when it is malformed or too large
   */
  value(): unknown {
    this.#next();
    const start = this.#at;
    this.#skipValue(start + this.#maxValueBytes);
    return parseJson(this.#bytes.subarray(start, this.#at), start);
  }

  /** @throws HttpError 400 when anything but blanks is left */
  end(): void {
    if (this.#next() === undefined) return;
    throw malformed(`Extra data: (char ${this.#at})`);
  }

  /**
   * Goes to the next byte that is no blank.
   *
   * @throws HttpError 400 where that is further away than a value may be long: it is done in one piece
   */
  #next(): number | undefined {
    const limit = this.#at + this.#maxValueBytes;
    while (BLANKS.has(this.#bytes[this.#at])) {
      if (this.#at === limit) {
        throw badRequest(`There are more than ${this.#maxValueBytes} blanks in a row.`);
      }
      this.#at++;
    }
    return this.#bytes[this.#at];
  }

  /** To where the value ends if it is well-formed; whether it is, is found when it is parsed. */
  #skipValue(limit: number): void {
    let depth = 0;
    do {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      if (byte === QUOTE) this.#skipString(limit);
      else {
        if (OPENING.has(byte)) depth++;
        else if (CLOSING.has(byte) && --depth < 0) break;
        this.#at++;
      }
      if (this.#at > limit)
        throw badRequest(`A member is larger than ${this.#maxValueBytes} bytes.`);
    } while (depth > 0 || !this.#isAtDelimiter());
  }

  #skipString(limit: number): void {
    for (this.#at++; this.#at <= limit; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return;
      if (byte === BACKSLASH) this.#at++;
      else if (byte === QUOTE) {
        this.#at++;
        return;
      }
    }
  }

  #isAtDelimiter(): boolean {
    const byte = this.#bytes[this.#at];
    return (
      byte === undefined ||
      byte === COMMA ||
      byte === COLON ||
      CLOSING.has(byte) ||
      BLANKS.has(byte)
    );
  }

  #expecting(what: string): Error {
    return malformed(`Expecting ${what}: (char ${this.#at})`);
  }
}

const NO_OBJECT =
  "JSON does not validate: the body, or a member that holds many, is not of type 'object'";
