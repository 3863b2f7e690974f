import { SLICE_MS } from "../scheduling/pace.ts";

/** A slice ends after so many characters, too. */
const SLICE_LENGTH = 256 * 1024;

/**
 * As much of a text that comes in pieces as is written in one slice of time.
 *
 * @param piecesByClock the clock is looked at after so many pieces, and after one that is empty
 */
export function writeTextSlice(
  pieces: Iterator<string>,
  piecesByClock: number,
): { readonly text: string; readonly isLast: boolean } {
  const endsAtMs = performance.now() + SLICE_MS;
  let text = "";
  for (let count = 1; text.length < SLICE_LENGTH; count += 1) {
    const piece = pieces.next();
    if (piece.done) return { text, isLast: true };
    text += piece.value;
    const isPause = piece.value === "" || count % piecesByClock === 0;
    if (isPause && performance.now() > endsAtMs) break;
  }
  return { text, isLast: false };
}
