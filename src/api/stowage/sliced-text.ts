import { enterSearch, turns } from "../../operations/turns.ts";
import { writeTextSlice } from "../text-slice.ts";

/** Of pieces that may take as long as a provider with all that it has. */
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
        const { text, isLast } = await turns.goOn(client, () => {
          check();
          return writeTextSlice(pieces, PIECES_BY_CLOCK);
        });
        if (text !== "") yield Buffer.from(text);
        if (isLast) return;
      }
    } finally {
      end();
    }
  })();
}
