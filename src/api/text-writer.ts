import type { ApiRequest } from "./request.ts";
import type { ApiResponse } from "./response.ts";
import { answerInSlices, type Held, type SlicedWriter } from "./sliced-answer.ts";
import { writeTextSlice } from "./text-slice.ts";

/** Of pieces of some hundred characters. */
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
    const { text, isLast } = writeTextSlice(this.#pieces, PIECES_BY_CLOCK);
    const part = Buffer.from(text);
    this.#parts.push(part);
    this.#length += part.length;
    this.#isDone = isLast;
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
  const terms = { client: context.userId ?? "", signal, mayWait: held === undefined };
  return { status: 200, body: await answerInSlices(new TextWriter(pieces), terms, held) };
}

/** So many objects are looked at between two pauses. */
const NOTED_BY_STEP = 64;

/** Takes note of each object, before the first of them is written, so that headers can tell the newest. */
export function* noting<Item>(
  items: Iterable<Item>,
  note: (item: Item) => void,
): Generator<string> {
  let count = 0;
  for (const item of items) {
    note(item);
    count += 1;
    if (count % NOTED_BY_STEP === 0) yield "";
  }
}
