const PAGE_BITS = 14;
const PAGE_LENGTH = 1 << PAGE_BITS;
const IN_PAGE = PAGE_LENGTH - 1;

/** Where in its page a position is. */
export function inPage(position: number): number {
  return position & IN_PAGE;
}

/**
 * Integers by position, in pages, of which one more is made when it is needed. To enlarge arrays of
 * a million numbers, of which the read model has dozens, would hold everybody up for 100 ms.
 *
 * Does not share its code with `PagedNumbers`: one function that sees both kinds of pages makes the
 * search a sixth slower.
 */
export class PagedIntegers {
  readonly #pages: Int32Array[] = [new Int32Array(PAGE_LENGTH)];
  /** Of most fleets, all that there is. It makes an answer an eighth faster. */
  readonly #first = this.#pages[0]!;

  /** Only of a position that `reach` has made room for. */
  get(position: number): number {
    if (position < PAGE_LENGTH) return this.#first[position]!;
    return this.#pages[position >>> PAGE_BITS]![position & IN_PAGE]!;
  }

  set(position: number, value: number): void {
    this.#pages[position >>> PAGE_BITS]![position & IN_PAGE] = value;
  }

  /** Makes room for a position and all before it; what has not been set is zero. */
  reach(position: number): void {
    while (position >= this.#pages.length << PAGE_BITS) {
      this.#pages.push(new Int32Array(PAGE_LENGTH));
    }
  }
}

/** The same for numbers of any kind. */
export class PagedNumbers {
  readonly #pages: Float64Array[] = [new Float64Array(PAGE_LENGTH)];
  readonly #first = this.#pages[0]!;

  /** For numbers that are read together, and lie in one page: those from a multiple of 4 to the next. */
  page(position: number): Float64Array {
    return this.#pages[position >>> PAGE_BITS]!;
  }

  get(position: number): number {
    if (position < PAGE_LENGTH) return this.#first[position]!;
    return this.#pages[position >>> PAGE_BITS]![position & IN_PAGE]!;
  }

  set(position: number, value: number): void {
    this.#pages[position >>> PAGE_BITS]![position & IN_PAGE] = value;
  }

  reach(position: number): void {
    while (position >= this.#pages.length << PAGE_BITS) {
      this.#pages.push(new Float64Array(PAGE_LENGTH));
    }
  }
}
