import type { CandidateListing, ProviderRows } from "../../operations/allocation-candidates.ts";
import { ByteWriter } from "./byte-writer.ts";
import { NumberSet } from "./number-set.ts";
import {
  type AllocationRequestForm,
  RequestTemplates,
  type RequestTemplate,
} from "./request-templates.ts";
import { SummaryCache, type SummaryForm, UUID_LENGTH } from "./summary-cache.ts";

export interface AnswerForm extends AllocationRequestForm, SummaryForm {
  /** Summaries tell about all providers of trees in play, and not only about those in use. */
  readonly hasWholeTrees: boolean;
}

/** A slice ends after so many bytes or steps of the search: about two milliseconds. */
const SLICE_BYTES = 256 * 1024;
const SLICE_STEPS = 10_000;
/** So that an answer of usual size is one slice: most of it is copied, which is fast. */
const FIRST_SLICE_BYTES = 1280 * 1024;

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
  /** Trees, or rows where whole trees are not told about, in the order of the first candidate. */
  readonly #inPlay = new NumberSet();
  #summarized = 0;
  #phase: "requests" | "summaries" | "done" = "requests";
  #isFirst = true;
  #sliceBytes = FIRST_SLICE_BYTES;

  constructor(listing: CandidateListing, form: AnswerForm) {
    this.#listing = listing;
    this.#form = form;
    this.#templates = new RequestTemplates(listing, form);
    this.#summaries = SummaryCache.for(listing.providers, form);
    this.#out.text('{"allocation_requests":');
  }

  get isDone(): boolean {
    return this.#phase === "done";
  }

  /** The size of what can be taken. */
  get length(): number {
    return this.#out.length;
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    return this.#out.take();
  }

  writeSlice(): void {
    const end = this.#out.length + this.#sliceBytes;
    this.#sliceBytes = SLICE_BYTES;
    if (this.#phase === "requests") this.#writeRequests(end);
    if (this.#phase === "summaries") this.#writeSummaries(end);
  }

  #writeRequests(end: number): void {
    const listing = this.#listing;
    const budget = { left: SLICE_STEPS };
    while (this.#out.length < end) {
      const progress = listing.next(budget);
      if (progress === "paused") return;
      if (progress === "done") {
        this.#out.text(this.#isFirst ? "[]" : "]");
        this.#out.text(',"provider_summaries":');
        this.#phase = "summaries";
        this.#isFirst = true;
        return;
      }
      this.#writeRequest(listing.rows);
    }
  }

  #writeRequest(rows: readonly number[]): void {
    const template = this.#templates.find(rows);
    const start = this.#out.length;
    if (this.#hasUuids(template, rows)) this.#fill(template, rows);
    else this.#out.text(spell(template, rows, this.#listing));
    this.#begin(start, "[");
    for (const choice of template.takingChoices) {
      const row = rows[choice]!;
      this.#inPlay.add(this.#form.hasWholeTrees ? this.#listing.providers.treeOf(row) : row);
    }
  }

  /** Sees to it that the cache has all UUIDs in the form that fits the holes. */
  #hasUuids({ distinctChoices }: RequestTemplate, rows: readonly number[]): boolean {
    const summaries = this.#summaries;
    for (const choice of distinctChoices) {
      const row = rows[choice]!;
      if (!summaries.has(row) && !summaries.render(row)) return false;
      if (summaries.hasOddUuid(row)) return false;
    }
    return true;
  }

  #fill({ bytes, holes }: RequestTemplate, rows: readonly number[]): void {
    const base = this.#out.copyTemplate(bytes);
    const source = this.#summaries.view;
    for (const { position, choice } of holes) {
      const uuid = this.#summaries.uuidOf(rows[choice]!);
      this.#out.overwriteUuid(base + position, source, uuid);
    }
  }

  #writeSummaries(end: number): void {
    const { providers } = this.#listing;
    const start = this.#out.length;
    const run = new SummaryRun(this.#summaries, this.#out);
    while (this.#summarized < this.#inPlay.size && this.#out.length + run.length < end) {
      const number = this.#inPlay.at(this.#summarized);
      this.#summarized += 1;
      if (this.#form.hasWholeTrees) run.addTree(number, providers);
      else run.add(number);
    }
    run.flush();
    if (this.#out.length > start) this.#begin(start, "{");
    if (this.#summarized < this.#inPlay.size) return;
    this.#out.text(this.#isFirst ? "{}}" : "}}");
    this.#phase = "done";
  }

  /** Everything is written after a comma; the first of a list or object has a bracket instead. */
  #begin(position: number, bracket: "[" | "{"): void {
    if (this.#isFirst) this.#out.overwrite(position, bracket.charCodeAt(0));
    this.#isFirst = false;
  }
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

  addTree(tree: number, providers: ProviderRows): void {
    const first = providers.firstRowOf(tree);
    let row = first;
    do {
      this.add(row);
      row = providers.nextRowOf(row);
    } while (row !== first);
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
