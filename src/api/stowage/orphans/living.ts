import { randomInt } from "node:crypto";

import { UuidSet } from "../../../domain/uuid-set.ts";
import { turns } from "../../../operations/turns.ts";
import { SLICE_MS } from "../../../scheduling/pace.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest } from "../../http-error.ts";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const RETURN = 0x0d;

/** So many living are taken in. */
const MOST = 1_000_000;
/** The clock is looked at after so many lines. */
const LINES_BY_CLOCK = 256;
/** A line with a UUID in hexadecimal digits, and nothing else, has no fewer bytes. */
const BYTES_OF_LINE = 33;

/** @throws HttpError 400 for what is no UUID */
export function setOfTexts(uuids: readonly string[]): UuidSet {
  const set = new UuidSet(uuids.length, randomInt(2 ** 31));
  for (const uuid of uuids) {
    const bytes = Buffer.from(uuid.replaceAll(/urn:|uuid:|[{}]/g, ""));
    if (!set.addText(bytes, 0, bytes.length)) throw badRequest(`'${uuid}' in alive is no UUID.`);
  }
  return set;
}

/**
 * The UUIDs of a body of lines, with or without quotes; empty lines count for nothing. It is read in slices.
 *
 * @param start where they begin
 * @throws HttpError 400 names the line that is wrong
 */
export async function setOfLines(
  body: Uint8Array,
  start: number,
  client: string,
): Promise<UuidSet> {
  const most = Math.ceil((body.length - start + 1) / BYTES_OF_LINE);
  const set = new UuidSet(Math.min(most, MOST + 1), randomInt(2 ** 31));
  const reading = readLines(body, start, set);
  for (let isDone = false; !isDone;) isDone = await turns.goOn(client, () => goOn(reading));
  return set;
}

function goOn(reading: Iterator<void>): boolean {
  const endsAtMs = performance.now() + SLICE_MS;
  do {
    if (reading.next().done) return true;
  } while (performance.now() < endsAtMs);
  return false;
}

function* readLines(body: Uint8Array, start: number, set: UuidSet): Generator<void> {
  let line = 1;
  for (let at = start; at < body.length; line += 1) {
    if (line % LINES_BY_CLOCK === 0) yield;
    const found = body.indexOf(NEWLINE, at);
    const end = found === -1 ? body.length : found;
    let [first, last] = [at, end];
    if (body[last - 1] === RETURN) last -= 1;
    if (body[first] === QUOTE && body[last - 1] === QUOTE) [first, last] = [first + 1, last - 1];
    if (last > first && !set.addText(body, first, last)) {
      throw badRequest(`Line ${line + 1} is no UUID.`);
    }
    if (set.size > MOST) {
      throw badRequest(`More than ${MOST} UUIDs are not taken in.`, ERROR_CODES.tooLarge);
    }
    at = end + 1;
  }
}
