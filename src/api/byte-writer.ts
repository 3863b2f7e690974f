const INITIAL_BYTES = 16 * 1024;
/** What is longer is sent in pieces. */
const MAX_EXPECTED_BYTES = 5 * 1024 * 1024;

const COPIES_AHEAD = 64;

/** How large an answer was lately: the next one is likely to be about as large. */
let expectedBytes = INITIAL_BYTES;

/** Bytes that are written one after the other. */
export class ByteWriter {
  #buffer: Buffer;
  #view: DataView;
  #length = 0;

  /** Copies of this lie ahead, up to `#aheadEnd`. */
  #ahead: Buffer | undefined;
  #aheadEnd = 0;

  /** @param bytes how many there will be, about; as many as lately unless given */
  constructor(bytes = expectedBytes) {
    this.#buffer = acquire(bytes);
    this.#view = viewOf(this.#buffer);
  }

  get length(): number {
    return this.#length;
  }

  text(text: string): void {
    // No character takes more than three bytes per UTF-16 unit.
    this.#ensure(text.length * 3);
    this.#length += this.#buffer.write(text, this.#length, "utf8");
    this.#ahead = undefined;
  }

  copy(source: Buffer, start: number, end: number): void {
    this.#ensure(end - start);
    source.copy(this.#buffer, this.#length, start, end);
    this.#length += end - start;
    this.#ahead = undefined;
  }

  /**
   * Copies what is likely to be copied again next; the result is where the copy begins. Many copies
   * are made at once, since making one costs as much.
   */
  copyTemplate(template: Buffer): number {
    const start = this.#length;
    if (this.#ahead !== template || start + template.length > this.#aheadEnd) {
      this.#ensure(template.length);
      this.#copyAhead(template);
    }
    this.#length += template.length;
    return start;
  }

  overwrite(position: number, byte: number): void {
    this.#buffer[position] = byte;
  }

  /**
   * Overwrites 36 bytes of what was written before with 36 bytes of ASCII: a UUID.
   *
   * Eight bytes at a time, as doubles, which ASCII never makes a NaN of: a fifth of the time that a
   * loop over bytes takes, or a call that copies.
   */
  overwriteUuid(position: number, source: DataView, start: number): void {
    const target = this.#view;
    target.setFloat64(position, source.getFloat64(start));
    target.setFloat64(position + 8, source.getFloat64(start + 8));
    target.setFloat64(position + 16, source.getFloat64(start + 16));
    target.setFloat64(position + 24, source.getFloat64(start + 24));
    target.setInt32(position + 32, source.getInt32(start + 32));
  }

  /** Overwrites what was written before with a UUID that was written, too. */
  repeatUuid(position: number, start: number): void {
    this.overwriteUuid(position, this.#view, start);
  }

  /** Overwrites what was written before with ASCII. */
  overwriteText(position: number, text: string): void {
    this.#buffer.write(text, position, "latin1");
  }

  /** A copy of what was written since the last call of `take`. */
  written(): Buffer {
    const copy = Buffer.allocUnsafeSlow(this.#length);
    this.#buffer.copy(copy, 0, 0, this.#length);
    return copy;
  }

  /** Forgets what was written, and is not to be written to again. */
  discard(): void {
    release(this.#buffer);
    this.#replaceBuffer(EMPTY);
    this.#length = 0;
  }

  /** What was written since the last call. */
  take(): Uint8Array {
    const written = this.#buffer.subarray(0, this.#length);
    // What is sent keeps all of its memory until it is sent.
    const isSparse = this.#length < this.#buffer.length / 4;
    const taken = isSparse ? Buffer.from(written) : written;
    if (isSparse) release(this.#buffer);
    const wanted = Math.min(this.#length + this.#length / 8, MAX_EXPECTED_BYTES);
    expectedBytes = Math.max(INITIAL_BYTES, rounded(wanted));
    this.#replaceBuffer(EMPTY);
    this.#length = 0;
    return taken;
  }

  #copyAhead(template: Buffer): void {
    const start = this.#length;
    const room = Math.floor((this.#buffer.length - start) / template.length);
    const end = start + Math.min(room, COPIES_AHEAD) * template.length;
    template.copy(this.#buffer, start);
    for (let filled = template.length; start + filled < end; filled *= 2) {
      this.#buffer.copyWithin(start + filled, start, Math.min(start + filled, end - filled));
    }
    this.#ahead = template;
    this.#aheadEnd = end;
  }

  #ensure(more: number): void {
    if (this.#length + more <= this.#buffer.length) return;
    const size = Math.max(this.#buffer.length * 2, this.#length + more, expectedBytes);
    const larger = acquire(size);
    this.#buffer.copy(larger, 0, 0, this.#length);
    release(this.#buffer);
    this.#replaceBuffer(larger);
  }

  #replaceBuffer(buffer: Buffer): void {
    this.#ahead = undefined;
    this.#buffer = buffer;
    this.#view = viewOf(buffer);
  }
}

/** Up, to one of four sizes between two powers of two: memory of an answer has to do for one as long. */
function rounded(size: number): number {
  const step = 2 ** (Math.floor(Math.log2(size)) - 2);
  return Math.ceil(size / step) * step;
}

const EMPTY = Buffer.alloc(0);

/**
 * Memory of answers that were sent, for the next ones. Fresh memory for each would cost more than to
 * write the answer: the system hands it out page by page, and the collector has to take it back.
 */
const free: Buffer[] = [];
let freeBytes = 0;
const MAX_FREE = 64;
const MAX_FREE_BYTES = 48 * 1024 * 1024;
/** The memory that this file has handed out; other memory may belong to anything. */
const handedOut = new WeakSet<ArrayBufferLike>();

function acquire(size: number): Buffer {
  const position = smallestFree(size);
  const [reused] = position === -1 ? [] : free.splice(position, 1);
  if (reused) freeBytes -= reused.length;
  const buffer = reused ?? Buffer.allocUnsafeSlow(size);
  handedOut.add(buffer.buffer);
  return buffer;
}

/** The one to use for so many bytes; -1 when all are smaller. */
function smallestFree(size: number): number {
  let best = -1;
  for (let position = 0; position < free.length; position++) {
    const { length } = free[position]!;
    if (length >= size && (best === -1 || length < free[best]!.length)) best = position;
  }
  return best;
}

/** Takes memory back that nobody reads any more, such as that of an answer that has been sent. */
export function release({ buffer }: Uint8Array): void {
  if (!handedOut.delete(buffer)) return;
  if (free.length >= MAX_FREE || freeBytes + buffer.byteLength > MAX_FREE_BYTES) return;
  free.push(Buffer.from(buffer));
  freeBytes += buffer.byteLength;
}

export function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
