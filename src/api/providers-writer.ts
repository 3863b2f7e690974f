import type { IdPage, ProviderListing } from "../operations/provider-listing.ts";
import { SLICE_MS } from "../scheduling/pace.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { PageText, PageTexts, WriteProvider } from "./page-texts.ts";
import type { Bytes } from "./response.ts";
import type { SlicedWriter } from "./sliced-answer.ts";

/** A slice ends after so many bytes, too. */
const SLICE_BYTES = 1024 * 1024;
/** So that an answer of usual size is one slice. */
const FIRST_SLICE_MS = 4;
/** The clock is looked at after so many providers that are written alone. */
const STEPS_BY_CLOCK = 16;
/** What is kept is sent from where it is; to copy less than this costs less than one part more. */
const MIN_PART_BYTES = 16 * 1024;

/** What stands around providers. */
export interface Frame {
  readonly begin: string;
  /** One character, instead of that which separates the first provider from none before it. */
  readonly opening: string;
  readonly end: string;
  /** Instead of opening and end where there are no providers. */
  readonly empty: string;
}

/** A list with commas, the last part of an object. */
export function frameOfList(begin: string): Frame {
  return { begin, opening: "[", end: "]}", empty: "[]}" };
}

/**
 * Writes all that is told of providers, a slice at a time: as it is kept, page by page, or one by one where they
 * have changed since or only some are asked for.
 */
export class ProvidersWriter implements SlicedWriter<Bytes> {
  readonly #listing: ProviderListing;
  readonly #texts: PageTexts;
  readonly #write: WriteProvider;
  readonly #frame: Frame;
  #out: ByteWriter | undefined;
  #parts: Uint8Array[] = [];
  #partsLength = 0;
  #pagesDone = 0;
  /** From which id on rows are written, and no pages. */
  #fromId: number | undefined;
  #rows: RowsToWrite | undefined;
  #isFirst = true;
  #isDone = false;
  #sliceMs = FIRST_SLICE_MS;

  constructor(listing: ProviderListing, texts: PageTexts, write: WriteProvider, frame: Frame) {
    this.#listing = listing;
    this.#texts = texts;
    this.#write = write;
    this.#frame = frame;
    this.#fromId = listing.isEverything ? undefined : 0;
    this.#addText(frame.begin);
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get length(): number {
    return this.#partsLength + (this.#out?.length ?? 0);
  }

  take(): Bytes {
    this.#flush();
    const parts = this.#parts;
    this.#parts = [];
    this.#partsLength = 0;
    return parts.length === 1 ? parts[0]! : parts;
  }

  writeSlice(): void {
    const slice = {
      end: this.length + SLICE_BYTES,
      endsAtMs: performance.now() + this.#sliceMs,
    };
    this.#sliceMs = SLICE_MS;
    if (!this.#listing.prepare(slice.endsAtMs)) return;
    if (this.#fromId === undefined && !this.#writePages(slice)) return;
    if (this.#fromId !== undefined && !this.#writeRows(this.#fromId, slice)) return;
    const { end, empty } = this.#frame;
    this.#addText(this.#isFirst ? empty : end);
    this.#isDone = true;
  }

  /** False when the slice is over. Ends early with a page that is not to be had as it was. */
  #writePages(slice: Slice): boolean {
    const { pages } = this.#listing;
    for (; this.#pagesDone < pages.length; this.#pagesDone += 1) {
      if (this.length >= slice.end || performance.now() > slice.endsAtMs) return false;
      const page = pages[this.#pagesDone]!;
      const text = this.#textOf(page, true);
      if (!text) {
        this.#fromId = page.firstId;
        return true;
      }
      this.#addRun(text, 0, page.rows.length - 1);
    }
    return true;
  }

  #writeRows(fromId: number, slice: Slice): boolean {
    const found = this.#listing.find(slice.endsAtMs);
    if (!found) return false;
    const rows = (this.#rows ??= new RowsToWrite(found, this.#listing.providers, fromId));
    for (let steps = 1; !rows.isDone; steps += 1) {
      if (this.length >= slice.end) return false;
      const { page } = rows;
      const text = page && this.#textOf(page, rows.areMost);
      if (page && text) this.#addRun(text, ...rows.takeRun(page, text));
      else this.#addAlone(rows.take());
      // To make the text of a page takes as long as many providers do.
      const isTimeToLook = text !== undefined || steps % STEPS_BY_CLOCK === 0;
      if (isTimeToLook && performance.now() > slice.endsAtMs) return rows.isDone;
    }
    return true;
  }

  /** As it was when the answer began. */
  #textOf(page: IdPage, mayMake: boolean): PageText | undefined {
    if (!this.#listing.isUnchanged(page)) return undefined;
    return this.#texts.find(page) ?? (mayMake ? this.#texts.make(page, this.#write) : undefined);
  }

  /** From the text of one place in a page to that of another. */
  #addRun(text: PageText, first: number, last: number): void {
    const [start, end] = [text.startOf(first), text.endOf(last)];
    if (start === end) return;
    if (end - start < MIN_PART_BYTES) {
      const out = (this.#out ??= new ByteWriter());
      out.copy(text.bytes, start, end);
      this.#begin(out.length - (end - start));
      return;
    }
    if (this.#isFirst) this.#addText(this.#frame.opening);
    this.#addPart(text.bytes.subarray(this.#isFirst ? start + 1 : start, end));
    this.#isFirst = false;
  }

  #addAlone(row: number): void {
    const out = (this.#out ??= new ByteWriter());
    const start = out.length;
    this.#write(out, row);
    this.#begin(start);
  }

  /** Everything is written after a separator; the first of all has something else there. */
  #begin(position: number): void {
    if (this.#isFirst) this.#out!.overwrite(position, this.#frame.opening.charCodeAt(0));
    this.#isFirst = false;
  }

  #addText(text: string): void {
    this.#addPart(Buffer.from(text));
  }

  #addPart(part: Uint8Array): void {
    this.#flush();
    this.#parts.push(part);
    this.#partsLength += part.byteLength;
  }

  #flush(): void {
    if (!this.#out?.length) return;
    const bytes = this.#out.take();
    this.#out = undefined;
    this.#parts.push(bytes);
    this.#partsLength += bytes.byteLength;
  }
}

/** Where a slice ends, whichever comes first. */
interface Slice {
  /** As a length of what was written. */
  readonly end: number;
  readonly endsAtMs: number;
}

/** Rows in the order of their ids, and the pages of the present that their ids are on. */
class RowsToWrite {
  readonly #rows: Int32Array;
  readonly #providers: ProviderListing["providers"];
  /** Whether they are so many that it is worth it to make the texts of whole pages. */
  readonly areMost: boolean;
  #next = 0;
  #page: IdPage | undefined;

  /** @param fromId those before it are left out */
  constructor(rows: Int32Array, providers: ProviderListing["providers"], fromId: number) {
    this.#rows = rows;
    this.#providers = providers;
    this.areMost = rows.length * 2 >= providers.size;
    for (let end = rows.length; this.#next < end;) {
      const middle = (this.#next + end) >>> 1;
      if (providers.idOf(rows[middle]!) < fromId) this.#next = middle + 1;
      else end = middle;
    }
  }

  get isDone(): boolean {
    return this.#next === this.#rows.length;
  }

  /** Of the next row; undefined when nobody has an id near it any more. */
  get page(): IdPage | undefined {
    const id = this.#nextId;
    if (!this.#page || placeIn(this.#page, id) === undefined)
      this.#page = this.#providers.pageOf(id);
    return this.#page;
  }

  take(): number {
    this.#next += 1;
    return this.#rows[this.#next - 1]!;
  }

  /** As many as stand one after the other in the text of their page: the places of the first and the last. */
  takeRun(page: IdPage, text: PageText): [first: number, last: number] {
    const first = placeIn(page, this.#nextId)!;
    let last = first;
    for (this.#next += 1; !this.isDone; this.#next += 1) {
      const place = placeIn(page, this.#nextId);
      if (place === undefined || text.startOf(place) !== text.endOf(last)) break;
      last = place;
    }
    return [first, last];
  }

  get #nextId(): number {
    return this.#providers.idOf(this.#rows[this.#next]!);
  }
}

function placeIn({ firstId, rows }: IdPage, id: number): number | undefined {
  const place = id - firstId;
  return place >= 0 && place < rows.length ? place : undefined;
}
