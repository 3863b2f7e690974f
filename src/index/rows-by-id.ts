import { NONE } from "./tree-table.ts";

const PAGE_BITS = 7;
/** So many ids lie together on a page. */
const IDS_OF_PAGE = 1 << PAGE_BITS;
const IN_PAGE = IDS_OF_PAGE - 1;

/** The present rows of providers whose ids lie together. */
export interface IdPage {
  readonly firstId: number;
  /** From the first id on; negative where there is no provider. */
  readonly rows: Int32Array;
  /** The position of the journal when anything about one of them was changed last, or one came or went. */
  readonly changedAt: number;
}

type OwnPage = { -readonly [Member in keyof IdPage]: IdPage[Member] } & { size: number };

/**
 * The present rows of providers by their ids, page by page: all of them are at hand in the order of ids, and it
 * is known of each page whether anything of it has changed, so that what was written of it can be used again.
 */
export class RowsById {
  readonly #byNumber = new Map<number, OwnPage>();
  #pages: readonly OwnPage[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** In order. The array stays as it is when pages come and go: then there is another one. */
  get pages(): readonly IdPage[] {
    return this.#pages;
  }

  /** Where an id would be. */
  pageOf(id: number): IdPage | undefined {
    return this.#byNumber.get(id >>> PAGE_BITS);
  }

  get(id: number): number | undefined {
    const row = this.#byNumber.get(id >>> PAGE_BITS)?.rows[id & IN_PAGE];
    return row === NONE ? undefined : row;
  }

  set(id: number, row: number): void {
    const page = this.#byNumber.get(id >>> PAGE_BITS) ?? this.#addPage(id >>> PAGE_BITS);
    if (page.rows[id & IN_PAGE] === NONE) {
      page.size += 1;
      this.#size += 1;
    }
    page.rows[id & IN_PAGE] = row;
  }

  /** @param position of the journal */
  delete(id: number, position: number): void {
    const page = this.#byNumber.get(id >>> PAGE_BITS);
    if (page === undefined || page.rows[id & IN_PAGE] === NONE) return;
    page.rows[id & IN_PAGE] = NONE;
    page.changedAt = position;
    page.size -= 1;
    this.#size -= 1;
    if (page.size > 0) return;
    this.#byNumber.delete(id >>> PAGE_BITS);
    this.#pages = this.#pages.toSpliced(this.#placeOf(page.firstId), 1);
  }

  /** @param position of the journal */
  noteChange(id: number, position: number): void {
    const page = this.#byNumber.get(id >>> PAGE_BITS);
    if (page !== undefined) page.changedAt = position;
  }

  /** All rows, in the order of ids. */
  *rows(): Generator<number> {
    for (const { rows } of this.#pages) {
      for (const row of rows) if (row !== NONE) yield row;
    }
  }

  #addPage(number: number): OwnPage {
    const rows = new Int32Array(IDS_OF_PAGE).fill(NONE);
    const page = { firstId: number << PAGE_BITS, rows, changedAt: 0, size: 0 };
    this.#byNumber.set(number, page);
    this.#pages = this.#pages.toSpliced(this.#placeOf(page.firstId), 0, page);
    return page;
  }

  /** Where a page is, or would have to be. */
  #placeOf(firstId: number): number {
    let [low, high] = [0, this.#pages.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#pages[middle]!.firstId < firstId) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
