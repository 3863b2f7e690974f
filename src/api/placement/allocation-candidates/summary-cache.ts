import { BoundedMap } from "../../../domain/bounded-map.ts";
import type { ProviderSummary } from "../../../domain/provider-summary.ts";
import { type ProviderRows, summarize } from "../../../operations/allocation-candidates.ts";
import { viewOf } from "./byte-writer.ts";

/** What of a provider is told: more in newer versions. */
export interface SummaryForm {
  readonly hasTraits: boolean;
  readonly hasParents: boolean;
  /** The resource classes to tell about; undefined for all. */
  readonly resourceClasses: ReadonlySet<string> | undefined;
}

/** As much text of summaries as is kept per form. */
const MAX_BYTES = 32 * 1024 * 1024;
/** Clients of one deployment speak one or two versions. */
const MAX_FORMS = 3;

const ROOM_UNIT = 16;

export const UUID_LENGTH = 36;
const PLAIN_UUID = /^[0-9A-Za-z-]{36}$/;
/** Before the UUID: a comma and a quotation mark. */
const UUID_OFFSET = 2;

/**
 * Summaries of providers as JSON text, each rendered when it is first needed and again after the
 * provider has changed. The texts lie one after the other, so that providers that are asked for
 * together are copied together.
 */
export class SummaryCache {
  static readonly #caches = new WeakMap<ProviderRows, BoundedMap<string, SummaryCache>>();

  readonly #providers: ProviderRows;
  readonly #form: SummaryForm;
  /** All of it at once: it takes up memory only as far as it is written to, and is never copied. */
  readonly bytes = Buffer.allocUnsafeSlow(MAX_BYTES);
  /** The same bytes as `bytes`. */
  readonly view = viewOf(this.bytes);
  #length = 0;
  #start = new Int32Array(0);
  #end = new Int32Array(0);
  /** Per row, what `changesOf` was when the text was rendered. */
  #changes = new Int32Array(0);
  readonly #oddUuids = new Set<number>();
  /** How many texts were given a place, and how many found none. */
  #kept = 0;
  #refused = 0;

  private constructor(providers: ProviderRows, form: SummaryForm) {
    this.#providers = providers;
    this.#form = form;
  }

  /** The cache for a form, as kept from earlier answers; to be asked for by each answer anew. */
  static for(providers: ProviderRows, form: SummaryForm): SummaryCache {
    const caches =
      SummaryCache.#caches.get(providers) ??
      new BoundedMap<string, SummaryCache>({ entries: MAX_FORMS });
    SummaryCache.#caches.set(providers, caches);
    const classes = form.resourceClasses && [...form.resourceClasses].sort();
    const { renames } = providers.resourceClasses;
    const key = JSON.stringify([form.hasTraits, form.hasParents, classes, renames]);
    const cache = caches.use(key) ?? new SummaryCache(providers, form);
    cache.#refresh();
    caches.set(key, cache);
    return cache;
  }

  /** Where the text `,"<uuid>":{…}` of a row begins; white space may follow it. Only for rows that `has` tells of. */
  startOf(row: number): number {
    return this.#start[row]!;
  }

  endOf(row: number): number {
    return this.#end[row]!;
  }

  /** Where the UUID of a row is, in 36 bytes that mean themselves in JSON. */
  uuidOf(row: number): number {
    return this.#start[row]! + UUID_OFFSET;
  }

  /** Whether the UUID of a row is none of 36 plain characters, as very old databases may have. */
  hasOddUuid(row: number): boolean {
    return this.#oddUuids.size > 0 && this.#oddUuids.has(row);
  }

  has(row: number): boolean {
    return (
      row < this.#end.length &&
      this.#end[row]! > 0 &&
      this.#changes[row] === this.#providers.changesOf(row)
    );
  }

  /**
   * Renders the text of a row and keeps it; false when there is no room. Never moves another text
   * of a row that has not changed.
   */
  render(row: number): boolean {
    if (PLAIN_UUID.test(this.#providers.uuidOf(row))) this.#oddUuids.delete(row);
    else this.#oddUuids.add(row);
    const isNew = row >= this.#end.length || this.#end[row] === 0;
    if (isNew && this.#refused > 0) {
      this.#refused += 1;
      return false;
    }
    const text = Buffer.from(this.textOf(row));
    if (row >= this.#end.length) this.#growRows();
    if (text.length > this.#end[row]! - this.#start[row]! && !this.#allocate(row, text.length)) {
      this.#refused += 1;
      return false;
    }
    text.copy(this.bytes, this.#start[row]);
    this.bytes.fill(" ", this.#start[row]! + text.length, this.#end[row]);
    this.#changes[row] = this.#providers.changesOf(row);
    return true;
  }

  /** The text of a row, made anew. */
  textOf(row: number): string {
    const summary = summarize(this.#providers, row);
    return `,${JSON.stringify(summary.uuid)}:${renderSummary(summary, this.#form)}`;
  }

  /** Finds a place with some room to grow, so that a change of amounts does not move the text. */
  #allocate(row: number, size: number): boolean {
    const room = Math.ceil(size / ROOM_UNIT) * ROOM_UNIT;
    if (this.#length + room > MAX_BYTES) return false;
    this.#start[row] = this.#length;
    this.#length += room;
    this.#end[row] = this.#length;
    this.#kept += 1;
    return true;
  }

  #growRows(): void {
    const rows = this.#providers.endOfRows;
    this.#start = enlarged(this.#start, rows);
    this.#end = enlarged(this.#end, rows);
    this.#changes = enlarged(this.#changes, rows);
  }

  /** Starts over once more texts were refused than there are: what is kept is not what is asked. */
  #refresh(): void {
    if (this.#refused <= this.#kept) return;
    this.#start.fill(0);
    this.#end.fill(0);
    this.#oddUuids.clear();
    this.#length = 0;
    this.#kept = 0;
    this.#refused = 0;
  }
}

function renderSummary(summary: ProviderSummary, form: SummaryForm): string {
  const { resourceClasses, hasTraits, hasParents } = form;
  const resources = summary.resources
    .filter(({ resourceClass }) => resourceClasses?.has(resourceClass) ?? true)
    .map(({ resourceClass, capacity, used }) => {
      const amounts = `{"capacity":${renderInteger(capacity)},"used":${renderInteger(used)}}`;
      return `${JSON.stringify(resourceClass)}:${amounts}`;
    });
  const parts = [`"resources":{${resources.join(",")}}`];
  if (hasTraits) parts.push(`"traits":${JSON.stringify(summary.traits)}`);
  if (hasParents) {
    parts.push(
      `"parent_provider_uuid":${JSON.stringify(summary.parentUuid)}`,
      `"root_provider_uuid":${JSON.stringify(summary.rootUuid)}`,
    );
  }
  return `{${parts.join(",")}}`;
}

/** All digits, however large: `1e+21` would be no integer for many clients. */
function renderInteger(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : String(BigInt(value));
}

function enlarged(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const copy = new Int32Array(Math.ceil(length * 1.25));
  copy.set(array);
  return copy;
}
