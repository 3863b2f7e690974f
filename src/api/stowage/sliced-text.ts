import { enterSearch, turns } from "../../operations/turns.ts";
import { SLICE_MS } from "../../scheduling/pace.ts";

/** A slice ends after so many characters, too. */
const SLICE_LENGTH = 256 * 1024;
/** The clock is looked at after so many pieces. */
const PIECES_BY_CLOCK = 16;

interface SlicedTerms {
  /** Whoever asks, with whom others take turns. */
  readonly client: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** Throws when it cannot go on. */
  readonly check: () => void;
  /** Called once, when it has ended, complete or not. */
  readonly onEnd: () => void;
}

/**
 * A text that takes long to write, as the body of an answer: written in slices, one in each round of the
 * event loop, and each when the client has taken the one before; so there is never more of it in memory.
 *
 * @throws TooManySearches
 */
export function slicedText(
  pieces: Iterator<string>,
  { client, signal, check, onEnd }: SlicedTerms,
): AsyncGenerator<Uint8Array> {
  let hasEnded = false;
  let leave: (() => void) | undefined;
  const end = () => {
    if (hasEnded) return;
    hasEnded = true;
    leave?.();
    onEnd();
  };
  try {
    leave = enterSearch(client);
  } catch (error) {
    end();
    throw error;
  }
  // A body that nobody ever asks for must not keep anything.
  signal.addEventListener("abort", end, { once: true });
  return (async function* () {
    try {
      while (!signal.aborted) {
        const [text, isDone] = await turns.goOn(client, () => {
          check();
          return writeSlice(pieces);
        });
        if (text !== "") yield Buffer.from(text);
        if (isDone) return;
      }
    } finally {
      end();
    }
  })();
}

function writeSlice(pieces: Iterator<string>): [text: string, isDone: boolean] {
  const endsAtMs = performance.now() + SLICE_MS;
  let text = "";
  for (let count = 1; text.length < SLICE_LENGTH; count += 1) {
    const piece = pieces.next();
    if (piece.done) return [text, true];
    text += piece.value;
    if (count % PIECES_BY_CLOCK === 0 && performance.now() > endsAtMs) break;
  }
  return [text, false];
}
