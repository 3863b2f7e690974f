const INITIAL_BYTES = 16 * 1024;
const MAX_EXPECTED_BYTES = 2 * 1024 * 1024;

/** How large an answer was lately: the next one is likely to be about as large. */
let expectedBytes = INITIAL_BYTES;

/** Bytes that are written one after the other. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(expectedBytes);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  text(text: string): void {
    // No character takes more than three bytes per UTF-16 unit.
    this.#ensure(text.length * 3);
    this.#length += this.#buffer.write(text, this.#length, "utf8");
  }

  /** Copies part of another buffer; the result is where the copy begins. */
  copy(source: Buffer, start: number, end: number): number {
    this.#ensure(end - start);
    source.copy(this.#buffer, this.#length, start, end);
    this.#length += end - start;
    return this.#length - (end - start);
  }

  /** Overwrites what was written before. */
  overwrite(position: number, source: Uint8Array, start: number, count: number): void {
    const target = this.#buffer;
    // A call for so few bytes would cost more than the loop.
    for (let offset = 0; offset < count; offset++) {
      target[position + offset] = source[start + offset]!;
    }
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const written = this.#buffer.subarray(0, this.#length);
    // What is sent keeps all of its memory until it is sent.
    const taken = this.#length < this.#buffer.length / 2 ? Buffer.from(written) : written;
    const wanted = Math.min(this.#length + this.#length / 8, MAX_EXPECTED_BYTES);
    expectedBytes = Math.max(INITIAL_BYTES, Math.ceil(wanted));
    this.#buffer = EMPTY;
    this.#length = 0;
    return taken;
  }

  #ensure(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const size = Math.max(this.#buffer.length * 2, this.#length + more, expectedBytes);
    const larger = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

const EMPTY = Buffer.alloc(0);
