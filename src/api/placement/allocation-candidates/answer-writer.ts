import type {
  CandidateListing,
  FoundCandidates,
} from "../../../operations/allocation-candidates.ts";
import { SLICE_MS } from "../../../scheduling/pace.ts";
import { ByteWriter } from "../../byte-writer.ts";
import { RequestKeeper } from "./kept-requests.ts";
import { NumberSet } from "./number-set.ts";
import {
  type AllocationRequestForm,
  RequestTemplates,
  type RequestTemplate,
} from "./request-templates.ts";
import { UUID_LENGTH } from "../row-texts.ts";
import { SummaryCache, type SummaryForm } from "./summary-cache.ts";

export interface AnswerForm extends AllocationRequestForm, SummaryForm {
  /** Summaries tell about all providers of trees in play, and not only about those in use. */
  readonly hasWholeTrees: boolean;
}

/** What was found, for those who count. */
export type Finding = Pick<FoundCandidates, "count" | "isLimited">;

/** A slice ends after so many bytes, too. */
const SLICE_BYTES = 256 * 1024;
/** So that an answer of usual size is one slice, also where a thousand trees have to be searched. */
const FIRST_SLICE_MS = 4;
const FIRST_SLICE_BYTES = 1280 * 1024;
/** The clock is looked at after so many steps of the search, or so many summaries. */
const STEPS_BY_CLOCK = 512;
const SUMMARIES_BY_CLOCK = 64;

/**
 * Writes the answer to a query for allocation candidates, a slice at a time: the allocation
 * requests as they are found, then a summary of each provider of the trees that they come from.
 */
export class AnswerWriter {
  readonly #listing: CandidateListing;
  readonly #form: AnswerForm;
  readonly #templates: RequestTemplates;
  readonly #summaries: SummaryCache;
  readonly #out = new ByteWriter();
  readonly #query: string;
  readonly #keeper: RequestKeeper;
  /** What is found, where it is to be kept. */
  #found: FoundCandidates | undefined;
  /** Trees, or rows where whole trees are not told about, in the order of the first candidate. */
  #inPlay = new NumberSet();
  #summarized = 0;
  /** Where to go on in the first tree that is not summarized; undefined at its begin. */
  #nextRow: number | undefined;
  /** What is left of a summary that is too long to be written in one piece. */
  #rest: Iterator<string> | undefined;
  #phase: "requests" | "summaries" | "done" = "requests";
  #isFirst = true;
  #count = 0;
  #finding: Finding | undefined;
  #sliceMs = FIRST_SLICE_MS;
  #sliceBytes = FIRST_SLICE_BYTES;

  /** @param query all that the answer depends on, besides the providers */
  constructor(listing: CandidateListing, form: AnswerForm, query: string) {
    this.#listing = listing;
    this.#form = form;
    this.#templates = new RequestTemplates(listing, form);
    this.#summaries = SummaryCache.for(listing.providers, form);
    this.#query = query;
    this.#keeper = RequestKeeper.for(listing.providers);
    const kept = this.#keeper.find(query, listing);
    if (kept) {
      this.#out.copy(kept.bytes, 0, kept.bytes.length);
      this.#inPlay = kept.inPlay;
      this.#phase = "summaries";
      this.#finding = kept.found;
      return;
    }
    this.#out.text('{"allocation_requests":');
    if (this.#keeper.isWorthKeeping(query)) this.#found = listing.beginToNote();
  }

  get isDone(): boolean {
    return this.#phase === "done";
  }

  /** As soon as all candidates are written. */
  get finding(): Finding | undefined {
    return this.#finding;
  }

  /** The size of what can be taken. */
  get length(): number {
    return this.#out.length;
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    // What is taken before all requests are there is too large to be kept.
    this.#found = undefined;
    return this.#out.take();
  }

  writeSlice(): void {
    const slice = {
      end: this.#out.length + this.#sliceBytes,
      endsAtMs: performance.now() + this.#sliceMs,
    };
    this.#sliceMs = SLICE_MS;
    this.#sliceBytes = SLICE_BYTES;
    if (this.#phase === "requests") this.#writeRequests(slice);
    if (this.#phase === "summaries") this.#writeSummaries(slice);
  }

  #writeRequests(slice: Slice): void {
    const listing = this.#listing;
    const budget = { left: STEPS_BY_CLOCK };
    while (this.#out.length < slice.end) {
      const progress = listing.next(budget);
      if (progress === "paused") {
        if (performance.now() > slice.endsAtMs) return;
        budget.left = STEPS_BY_CLOCK;
      } else if (progress === "found") {
        this.#writeRequest(listing.rows);
        this.#found?.add(listing.rows);
        this.#count += 1;
      } else {
        this.#out.text(this.#isFirst ? "[]" : "]");
        this.#out.text(',"provider_summaries":');
        this.#phase = "summaries";
        this.#isFirst = true;
        this.#finding = { count: this.#count, isLimited: listing.isLimited };
        this.#keep();
        return;
      }
    }
  }

  #keep(): void {
    if (!this.#found) return;
    this.#found.end(this.#listing.isLimited);
    const bytes = this.#out.written();
    this.#keeper.keep(this.#query, { bytes, inPlay: this.#inPlay, found: this.#found });
    this.#found = undefined;
  }

  #writeRequest(rows: readonly number[]): void {
    const template = this.#templates.find(rows);
    const start = this.#out.length;
    const form = this.#formOfUuids(template, rows);
    if (form === "odd") this.#out.text(spell(template, rows, this.#listing));
    else this.#fill(template, rows, form === "kept");
    this.#begin(start, "[");
    for (const choice of template.takingChoices) {
      const row = rows[choice]!;
      this.#inPlay.add(this.#form.hasWholeTrees ? this.#listing.providers.treeOf(row) : row);
    }
  }

  /**
   * With its summary, which is needed later on, the cache keeps the UUID of a provider in the form
   * that fits the holes. Some that it has no room for are to be had as text.
   */
  #formOfUuids(
    { distinctChoices }: RequestTemplate,
    rows: readonly number[],
  ): "kept" | "some as text" | "odd" {
    const summaries = this.#summaries;
    let form: "kept" | "some as text" = "kept";
    for (const choice of distinctChoices) {
      const row = rows[choice]!;
      if (!summaries.has(row) && !summaries.render(row)) form = "some as text";
      if (summaries.hasOddUuid(row)) return "odd";
    }
    return form;
  }

  #fill({ bytes, holes }: RequestTemplate, rows: readonly number[], areAllKept: boolean): void {
    const summaries = this.#summaries;
    const base = this.#out.copyTemplate(bytes);
    const source = summaries.view;
    for (const { position, choice } of holes) {
      const row = rows[choice]!;
      if (areAllKept || summaries.has(row)) {
        this.#out.overwriteUuid(base + position, source, summaries.uuidOf(row));
      } else {
        this.#out.overwriteText(base + position, this.#listing.providers.uuidOf(row));
      }
    }
  }

  #writeSummaries(slice: Slice): void {
    const start = this.#out.length;
    const run = new SummaryRun(this.#summaries, this.#out);
    let written = 0;
    while (this.#hasMoreSummaries && this.#out.length + run.length < slice.end) {
      if (this.#rest) this.#writePiece(this.#rest);
      else this.#summarize(this.#nextToSummarize(), run);
      written += 1;
      if (written % SUMMARIES_BY_CLOCK === 0 && performance.now() > slice.endsAtMs) break;
    }
    run.flush();
    if (this.#out.length > start) this.#begin(start, "{");
    if (this.#hasMoreSummaries) return;
    this.#out.text(this.#isFirst ? "{}}" : "}}");
    this.#phase = "done";
  }

  get #hasMoreSummaries(): boolean {
    return this.#rest !== undefined || this.#summarized < this.#inPlay.size;
  }

  #summarize(row: number, run: SummaryRun): void {
    if (this.#summaries.has(row) || !this.#summaries.isLong(row)) {
      run.add(row);
      return;
    }
    run.flush();
    this.#rest = this.#summaries.piecesOf(row);
  }

  #writePiece(rest: Iterator<string>): void {
    const piece = rest.next();
    if (piece.done) this.#rest = undefined;
    else this.#out.text(piece.value);
  }

  #nextToSummarize(): number {
    const { providers } = this.#listing;
    const number = this.#inPlay.at(this.#summarized);
    if (!this.#form.hasWholeTrees) {
      this.#summarized += 1;
      return number;
    }
    const first = providers.trees.firstRow(number);
    const row = this.#nextRow ?? first;
    const next = providers.trees.nextRow(row);
    this.#nextRow = next === first ? undefined : next;
    if (next === first) this.#summarized += 1;
    return row;
  }

  /** Everything is written after a comma; the first of a list or object has a bracket instead. */
  #begin(position: number, bracket: "[" | "{"): void {
    if (this.#isFirst) this.#out.overwrite(position, bracket.charCodeAt(0));
    this.#isFirst = false;
  }
}

/** Where a slice ends, whichever comes first. */
interface Slice {
  /** As a length of what was written. */
  readonly end: number;
  readonly endsAtMs: number;
}

/** Summaries that lie one after the other in the cache, copied at once. */
class SummaryRun {
  readonly #summaries: SummaryCache;
  readonly #out: ByteWriter;
  #start = 0;
  #end = 0;

  constructor(summaries: SummaryCache, out: ByteWriter) {
    this.#summaries = summaries;
    this.#out = out;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  add(row: number): void {
    const summaries = this.#summaries;
    if (!summaries.has(row)) {
      this.flush();
      if (!summaries.render(row)) {
        this.#out.text(summaries.textOf(row));
        return;
      }
    }
    if (summaries.startOf(row) !== this.#end) {
      this.flush();
      this.#start = summaries.startOf(row);
    }
    this.#end = summaries.endOf(row);
  }

  flush(): void {
    if (this.#end === this.#start) return;
    this.#out.copy(this.#summaries.bytes, this.#start, this.#end);
    this.#start = this.#end;
  }
}

/** The slow way, for UUIDs that do not fit the holes. */
function spell(
  { bytes, holes }: RequestTemplate,
  rows: readonly number[],
  { providers }: CandidateListing,
): string {
  const blank = bytes.toString("latin1");
  let text = "";
  let position = 0;
  for (const hole of holes) {
    const uuid = JSON.stringify(providers.uuidOf(rows[hole.choice]!)).slice(1, -1);
    text += blank.slice(position, hole.position) + uuid;
    position = hole.position + UUID_LENGTH;
  }
  return text + blank.slice(position);
}
