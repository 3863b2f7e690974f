import { CandidatesOutdated } from "../domain/errors.ts";
import type { IndexReader, IndexView } from "../index/reader.ts";

/** What an answer is about that is written in slices: the read model as it was, a snapshot from `hold` on. */
export class HeldIndex {
  readonly #index: IndexReader;
  #view: IndexView | undefined;

  constructor(index: IndexReader) {
    this.#index = index;
  }

  /** The time of what is seen. */
  protected get time(): number {
    return this.#view?.time ?? this.#index.time;
  }

  /** Before waiting for anything: keeps what is seen as it is, until it is closed. */
  hold(): void {
    this.#view ??= this.#index.openView();
  }

  /**
   * After waiting.
   *
   * @throws CandidatesOutdated when so much has changed that what was held is gone
   */
  checkHold(): void {
    if (this.#view?.isOpen === false) throw new CandidatesOutdated();
  }

  close(): void {
    this.#view?.close();
  }
}
