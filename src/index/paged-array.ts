const PAGE_BITS = 14;
const PAGE_LENGTH = 1 << PAGE_BITS;
const IN_PAGE = PAGE_LENGTH - 1;
/** How long the first page is at first: a copy of one tree does not need more. */
const FIRST_LENGTH = 64;

/** Where in its page a position is. */
export function inPage(position: number): number {
  return position & IN_PAGE;
}

/**
 * Integers by position, in pages, of which one more is made when it is needed. To enlarge arrays of
 * a million numbers, of which the read model has dozens, would hold everybody up for 100 ms. Only the
 * first page grows, so that an index of a few providers takes kilobytes.
 *
 * Does not share its code with `PagedNumbers`: one function that sees both kinds of pages makes the
 * search a sixth slower.
 */
export class PagedIntegers {
  readonly #pages: Int32Array[] = [];
  /** Of most fleets, all that there is. It makes an answer an eighth faster. */
  #first: Int32Array = new Int32Array(0);

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
    if (position >= this.#first.length && this.#first.length < PAGE_LENGTH) this.#grow(position);
    while (position >= this.#pages.length << PAGE_BITS) {
      this.#pages.push(new Int32Array(PAGE_LENGTH));
    }
  }

  #grow(position: number): void {
    const page = new Int32Array(lengthOfFirst(position));
    page.set(this.#first);
    this.#first = page;
    this.#pages[0] = page;
  }
}

/** The same for numbers of any kind. */
export class PagedNumbers {
  readonly #pages: Float64Array[] = [];
  #first: Float64Array = new Float64Array(0);

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
    if (position >= this.#first.length && this.#first.length < PAGE_LENGTH) this.#grow(position);
    while (position >= this.#pages.length << PAGE_BITS) {
      this.#pages.push(new Float64Array(PAGE_LENGTH));
    }
  }

  #grow(position: number): void {
    const page = new Float64Array(lengthOfFirst(position));
    page.set(this.#first);
    this.#first = page;
    this.#pages[0] = page;
  }
}

/** Doubled until the position is in it. */
function lengthOfFirst(position: number): number {
  let length = FIRST_LENGTH;
  while (length <= position && length < PAGE_LENGTH) length *= 2;
  return length;
}
