import { SLICE_MS } from "../scheduling/pace.ts";
import type { ApiRequest } from "./request.ts";
import type { ApiResponse } from "./response.ts";
import { answerInSlices, type Held, type SlicedWriter } from "./sliced-answer.ts";

/** A slice ends after so many characters, too. */
const SLICE_LENGTH = 256 * 1024;
/** The clock is looked at after so many pieces. */
const PIECES_BY_CLOCK = 64;

/** Writes a text that comes in pieces, each of some hundred characters at most, a slice at a time. */
class TextWriter implements SlicedWriter {
  readonly #pieces: Iterator<string>;
  #parts: Buffer[] = [];
  #length = 0;
  #isDone = false;

  constructor(pieces: Iterator<string>) {
    this.#pieces = pieces;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get length(): number {
    return this.#length;
  }

  take(): Uint8Array {
    const parts = this.#parts;
    this.#parts = [];
    this.#length = 0;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  writeSlice(): void {
    const endsAtMs = performance.now() + SLICE_MS;
    let text = "";
    for (let count = 1; text.length < SLICE_LENGTH; count += 1) {
      const piece = this.#pieces.next();
      if (piece.done) {
        this.#isDone = true;
        break;
      }
      text += piece.value;
      if (count % PIECES_BY_CLOCK === 0 && performance.now() > endsAtMs) break;
    }
    const part = Buffer.from(text);
    this.#parts.push(part);
    this.#length += part.length;
  }
}

/** The members of a list or object with commas in between; `undefined` among them is a pause. */
export function* joined(members: Iterable<string | undefined>): Generator<string> {
  let separator = "";
  for (const member of members) {
    if (member === undefined) {
      yield "";
      continue;
    }
    yield separator + member;
    separator = ",";
  }
}

/** The answer to a request: a text in pieces, about something that is held from the second slice on. */
export async function answerText(
  { context, signal }: ApiRequest,
  pieces: Iterator<string>,
  held?: Held,
): Promise<ApiResponse> {
  const terms = { client: context.userId ?? "", signal };
  return { status: 200, body: await answerInSlices(new TextWriter(pieces), terms, held) };
}
