import { enterSearch, turns } from "../operations/turns.ts";
import type { Bytes } from "./response.ts";

/** Up to this size an answer is sent as a whole; what is larger is sent as it is made. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/** Writes an answer, a slice at a time. */
export interface SlicedWriter<Part extends Bytes = Uint8Array> {
  readonly isDone: boolean;
  /** The size of what can be taken. */
  readonly length: number;
  /** What was written since the last call. */
  take(): Part;
  writeSlice(): void;
}

/** What an answer is about, which may be kept as it is while others have their turn. */
export interface Held {
  /** Before waiting for anything. */
  hold(): void;
  /**
   * After waiting.
   *
   * @throws CandidatesOutdated when what was held is gone
   */
  checkHold(): void;
  close(): void;
}

interface SliceTerms {
  /** Whoever asks, with whom others take turns. */
  readonly client: string;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /**
   * Whether it may wait for its turn to begin, because nothing has been looked at yet: of many requests that
   * were all answered about freshness at once, each would have its first slice in one round otherwise.
   */
  readonly mayWait?: boolean;
  /** Called once, when no more will be written, complete or not. */
  readonly onEnd?: () => void;
}

/** For an answer about what does not change. */
const NOTHING_HELD: Held = { hold: () => {}, checkHold: () => {}, close: () => {} };

/**
 * The body of an answer: at once where it takes no longer than a slice, otherwise in slices with other
 * requests served in between.
 *
 * @param held is kept as it is from the second slice on, and let go at the end
 * @throws TooManySearches
 */
export async function answerInSlices<Part extends Bytes>(
  writer: SlicedWriter<Part>,
  terms: SliceTerms,
  held: Held = NOTHING_HELD,
): Promise<Part | AsyncIterable<Part>> {
  if (terms.mayWait === true && !turns.canBegin()) await turns.waitToBegin(terms.client);
  turns.begin(() => writer.writeSlice());
  if (writer.isDone) {
    terms.onEnd?.();
    return writer.take();
  }
  return new LongAnswer(writer, held, terms).body();
}

/** An answer that takes more than a slice. It ends with the connection of its client. */
class LongAnswer<Part extends Bytes> {
  readonly #writer: SlicedWriter<Part>;
  readonly #held: Held;
  readonly #signal: AbortSignal;
  readonly #client: string;
  readonly #leave: () => void;
  #onEnd: (() => void) | undefined;

  /** @throws TooManySearches */
  constructor(writer: SlicedWriter<Part>, held: Held, { client, signal, onEnd }: SliceTerms) {
    this.#onEnd = onEnd;
    this.#writer = writer;
    this.#held = held;
    this.#signal = signal;
    this.#client = client;
    held.hold();
    try {
      this.#leave = enterSearch(client);
    } catch (error) {
      held.close();
      throw error;
    }
    // Neither a failure nor a body that nobody ever asks for must keep anything held.
    signal.addEventListener("abort", this.#end, { once: true });
  }

  async body(): Promise<Part | AsyncIterable<Part>> {
    const writer = this.#writer;
    let isStreamed = false;
    try {
      while (!writer.isDone && !this.#signal.aborted) {
        if (writer.length > MAX_WHOLE_BYTES) {
          isStreamed = true;
          return this.#stream();
        }
        await this.#writeSlice();
      }
      return writer.take();
    } finally {
      if (!isStreamed) this.#end();
    }
  }

  async *#stream(): AsyncGenerator<Part> {
    try {
      while (!this.#signal.aborted) {
        yield this.#writer.take();
        if (this.#writer.isDone) return;
        await this.#writeSlice();
      }
    } finally {
      this.#end();
    }
  }

  #writeSlice(): Promise<void> {
    return turns.goOn(this.#client, () => {
      if (this.#signal.aborted) return;
      this.#held.checkHold();
      this.#writer.writeSlice();
    });
  }

  readonly #end = (): void => {
    this.#held.close();
    this.#leave();
    this.#onEnd?.();
    this.#onEnd = undefined;
  };
}
