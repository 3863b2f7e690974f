import { createHash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";

import { InvalidPosition } from "../domain/errors.ts";
import type { FeedMark } from "./feed-continuity.ts";

/** How far somebody has read the change feed, and which feed that was. */
export interface Position {
  /** Of the feed: one made anew has another. Undefined while it has none. */
  readonly epoch: string | undefined;
  /** Everything up to here was read, or will never be. */
  readonly floor: number;
  /** What was read above the floor, as ids become visible out of order. */
  readonly seen: ReadonlySet<number>;
  /** The newest change that was known. */
  readonly newest: NewestChange | undefined;
}

/** A backup that is restored gives the same ids out again: the rest of the change tells. */
interface NewestChange {
  readonly id: number;
  /** 32 bits of all that the change is, in hexadecimal. */
  readonly check: string;
}

/** What of a feed a position is held against. */
interface FeedNow {
  readonly epoch: string | undefined;
  /** Changes up to this id were deleted for their age. */
  readonly collectedUpTo: number;
  /** The greatest id. */
  readonly lastId: number;
  /** What the feed has under the id of the position's newest change, if anything. */
  readonly found: FeedMark | undefined;
}

/** A header has room for it, and so has a query. */
const MAX_BITMAP_LENGTH = 1024;

/** So far above the floor, ids are written down: 8 KiB of bits before they are deflated. */
const MAX_SPAN = 64 * 1024;

/** Longer than any that is written here. */
const MAX_TEXT = 2048;

const FORM =
  /^1\.(?<floor>\d{1,16})(?:~(?<bitmap>[\w-]+))?\.(?<epoch>[0-9a-f]{1,32})?(?:\.(?<id>\d{1,16})\.(?<check>[0-9a-f]{8}))?$/;

export function markNewest(change: FeedMark): NewestChange {
  const { id, kind, providerId, subject, requestId } = change;
  const hash = createHash("sha256");
  hash.update(JSON.stringify([id, kind, providerId, subject, requestId]));
  return { id, check: hash.digest("hex").slice(0, 8) };
}

/**
 * `1.<floor>`, with a bitmap of what was read above it, the epoch of the feed and the newest change. Of
 * so many ids that they take more than a kilobyte, the last ones are left out: they are told twice then, and
 * none is lost.
 */
export function writePosition({ epoch, floor, seen, newest }: Position): string {
  const bitmap = writeBitmap(floor, seen);
  return (
    `1.${floor}${bitmap === "" ? "" : `~${bitmap}`}.${epoch ?? ""}` +
    (newest ? `.${newest.id}.${newest.check}` : "")
  );
}

/** @throws InvalidPosition */
export function readPosition(text: string): Position {
  const groups = text.length <= MAX_TEXT ? FORM.exec(text)?.groups : undefined;
  if (!groups) throw new InvalidPosition();
  const { bitmap, epoch, id, check = "" } = groups;
  const floor = readId(groups["floor"]);
  return {
    epoch,
    floor,
    seen: bitmap === undefined ? new Set() : readBitmap(floor, bitmap),
    newest: id === undefined ? undefined : { id: readId(id), check },
  };
}

/** Whether a change was read by then. */
export function hasRead({ floor, seen }: Position, id: number): boolean {
  return id <= floor || seen.has(id);
}

/** Why what follows a position cannot be told; undefined if it can. */
export function whyGone(
  { epoch, floor, newest }: Position,
  now: FeedNow,
): "another feed" | "too old" | undefined {
  if (epoch !== now.epoch || floor > now.lastId) return "another feed";
  if (newest && newest.id > now.lastId) return "another feed";
  if (floor < now.collectedUpTo) return "too old";
  // What was collected is gone, and right so.
  if (!newest || newest.id <= now.collectedUpTo) return undefined;
  if (!now.found || markNewest(now.found).check !== newest.check) return "another feed";
  return undefined;
}

function writeBitmap(floor: number, seen: ReadonlySet<number>): string {
  if (seen.size === 0) return "";
  let last = 0;
  for (const id of seen) if (id - floor <= MAX_SPAN) last = Math.max(last, id - floor);
  for (let span = last; span > 0; span = Math.floor(span / 2)) {
    const bits = new Uint8Array(Math.ceil(span / 8));
    for (const id of seen) {
      const bit = id - floor - 1;
      if (bit >= 0 && bit < span) bits[bit >> 3]! |= 1 << (bit & 7);
    }
    const text = deflateRawSync(bits).toString("base64url");
    if (text.length <= MAX_BITMAP_LENGTH) return text;
  }
  return "";
}

function readBitmap(floor: number, text: string): Set<number> {
  const bits = inflate(text);
  const seen = new Set<number>();
  for (const [at, byte] of bits.entries()) {
    for (let bit = 0; bit < 8; bit += 1) {
      if (byte & (1 << bit)) seen.add(floor + 1 + at * 8 + bit);
    }
  }
  return seen;
}

function inflate(text: string): Uint8Array {
  try {
    return inflateRawSync(Buffer.from(text, "base64url"), { maxOutputLength: MAX_SPAN / 8 });
  } catch {
    throw new InvalidPosition();
  }
}

function readId(text: string | undefined): number {
  const id = Number(text);
  if (!Number.isSafeInteger(id)) throw new InvalidPosition();
  return id;
}
