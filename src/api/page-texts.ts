import type { IdPage, ProviderRows } from "../operations/provider-listing.ts";
import { ByteWriter } from "./byte-writer.ts";

/**
 * So much is kept of all forms together, of one read model. 100,000 hosts take 71 MiB in lists of one microversion
 * and as much in snapshots.
 */
const MAX_BYTES = 160 * 1024 * 1024;

/** A page that takes more is of providers with thousands of inventories or traits, and is written anew each time. */
const MAX_PAGE_BYTES = 512 * 1024;
/** What most pages have room in. */
const USUAL_PAGE_BYTES = 128 * 1024;

/** A form that was asked for that lately is not forgotten for another one: each would make the other be made anew. */
const RECENT_USES = 16;

/** Clients of one deployment ask in a few; whoever makes up prefixes of paths has them made anew. */
const MAX_FORMS = 48;

/** Writes what is told of the provider of a row, after one character that separates it from the one before. */
export type WriteProvider = (out: ByteWriter, row: number) => void;

/** What is told of the providers of a page. Never changes, as it may be on its way to a client. */
export class PageText {
  readonly bytes: Buffer;
  /** The position of the journal when it was made. */
  readonly madeAt: number;
  /** By place in the page: where the text of one ends, and that of the next begins. */
  readonly #ends: Int32Array;
  readonly #rows: Int32Array;
  readonly #changes: Int32Array;

  constructor(bytes: Buffer, madeAt: number, places: Places) {
    this.bytes = bytes;
    this.madeAt = madeAt;
    this.#ends = places.ends;
    this.#rows = places.rows;
    this.#changes = places.changes;
  }

  /** In memory, with three numbers for each place. */
  get size(): number {
    return this.bytes.length + 3 * this.#ends.byteLength;
  }

  startOf(place: number): number {
    return place === 0 ? 0 : this.#ends[place - 1]!;
  }

  endOf(place: number): number {
    return this.#ends[place]!;
  }

  /** Whether it has the text of a row, which has not changed since. */
  has(place: number, row: number, changes: number): boolean {
    return this.#rows[place] === row && this.#changes[place] === changes;
  }
}

interface Places {
  readonly ends: Int32Array;
  readonly rows: Int32Array;
  readonly changes: Int32Array;
}

/**
 * A cache of what is told of providers in one form, page by page of their ids. A page is made when it is first
 * asked for, and again after one of its providers has changed: then the texts of all others are copied.
 */
export class PageTexts {
  readonly #providers: ProviderRows;
  readonly #budget: Budget;
  readonly #pages = new Map<number, PageText>();
  readonly #tooLong = new Set<number>();

  private constructor(providers: ProviderRows, budget: Budget) {
    this.#providers = providers;
    this.#budget = budget;
  }

  /**
   * Those of a form, as kept from earlier answers; to be asked for by each answer anew.
   *
   * @param form names all that the texts depend on, besides the providers
   */
  static for(providers: ProviderRows, form: string): PageTexts {
    const budget = Budget.of(providers);
    const { resourceClasses, traits } = providers;
    const key = `${resourceClasses.renames} ${traits.renames} ${form}`;
    const texts = budget.use(key) ?? new PageTexts(providers, budget);
    budget.keep(key, texts);
    if (texts.#pages.size > providers.pages.length) texts.#forgetOthers();
    return texts;
  }

  /** The text of a page as it is now, if it is kept. */
  find(page: IdPage): PageText | undefined {
    const text = this.#pages.get(page.firstId);
    return text !== undefined && page.changedAt <= text.madeAt ? text : undefined;
  }

  /**
   * Makes the text of a page as it is now; undefined for one that is too long to be made in one piece, or when there
   * is no room to keep it: fresh memory for each page would cost more than to write its providers one by one.
   */
  make(page: IdPage, write: WriteProvider): PageText | undefined {
    if (this.#tooLong.has(page.firstId)) return undefined;
    const former = this.#pages.get(page.firstId);
    if (!former && !this.#budget.hasRoom(this, USUAL_PAGE_BYTES)) return undefined;
    const out = new ByteWriter(USUAL_PAGE_BYTES);
    const places = this.#write(page, out, former, write);
    const text = places && new PageText(out.written(), this.#providers.journal.position, places);
    out.discard();
    if (!text) this.#tooLong.add(page.firstId);
    this.#forget(page.firstId);
    if (text && this.#budget.take(this, text.size)) this.#pages.set(page.firstId, text);
    return text;
  }

  /** @returns how much room that makes */
  clear(): number {
    let bytes = 0;
    for (const text of this.#pages.values()) bytes += text.size;
    this.#pages.clear();
    this.#tooLong.clear();
    return bytes;
  }

  #write(
    page: IdPage,
    out: ByteWriter,
    former: PageText | undefined,
    write: WriteProvider,
  ): Places | undefined {
    const rows = page.rows.slice();
    const [ends, changes] = [new Int32Array(rows.length), new Int32Array(rows.length)];
    for (const [place, row] of rows.entries()) {
      if (row >= 0) {
        changes[place] = this.#providers.changesOf(row);
        if (former?.has(place, row, changes[place]) === true) {
          out.copy(former.bytes, former.startOf(place), former.endOf(place));
        } else write(out, row);
        if (out.length > MAX_PAGE_BYTES) return undefined;
      }
      ends[place] = out.length;
    }
    return { ends, rows, changes };
  }

  #forget(firstId: number): void {
    const text = this.#pages.get(firstId);
    if (text === undefined) return;
    this.#pages.delete(firstId);
    this.#budget.giveBack(text.size);
  }

  /** Those of providers that are not there any more. */
  #forgetOthers(): void {
    const present = new Set(this.#providers.pages.map(({ firstId }) => firstId));
    for (const firstId of this.#pages.keys()) if (!present.has(firstId)) this.#forget(firstId);
  }
}

/** The room for the texts of all forms: an LRU cache of forms, of which only those not used lately make room. */
class Budget {
  static readonly #budgets = new WeakMap<ProviderRows, Budget>();

  /** The least recently used first. */
  readonly #forms = new Map<string, { readonly texts: PageTexts; readonly usedAt: number }>();
  #bytes = 0;
  #uses = 0;

  static of(providers: ProviderRows): Budget {
    const budget = Budget.#budgets.get(providers) ?? new Budget();
    Budget.#budgets.set(providers, budget);
    return budget;
  }

  use(form: string): PageTexts | undefined {
    return this.#forms.get(form)?.texts;
  }

  keep(form: string, texts: PageTexts): void {
    this.#uses += 1;
    this.#forms.delete(form);
    this.#forms.set(form, { texts, usedAt: this.#uses });
    const [oldest] = this.#forms;
    if (oldest && this.#forms.size > MAX_FORMS) this.#forget(oldest);
  }

  take(texts: PageTexts, bytes: number): boolean {
    const hasRoom = this.hasRoom(texts, bytes);
    if (hasRoom) this.#bytes += bytes;
    return hasRoom;
  }

  /** Maybe instead of another form, which is forgotten. */
  hasRoom(texts: PageTexts, bytes: number): boolean {
    while (this.#bytes + bytes > MAX_BYTES) {
      const [oldest] = this.#forms;
      if (oldest === undefined || !this.#isForgotten(oldest[1], texts)) return false;
      this.#forget(oldest);
    }
    return true;
  }

  #forget([form, { texts }]: [string, { readonly texts: PageTexts }]): void {
    this.#forms.delete(form);
    this.#bytes -= texts.clear();
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }

  #isForgotten(
    { texts, usedAt }: { readonly texts: PageTexts; readonly usedAt: number },
    other: PageTexts,
  ): boolean {
    return texts !== other && this.#uses - usedAt >= RECENT_USES;
  }
}
