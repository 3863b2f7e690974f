import type { CandidateQuery } from "../../../domain/candidate-query.ts";
import type { CandidateListing } from "../../../operations/allocation-candidates.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { type AnswerForm, AnswerWriter, type Finding } from "./answer-writer.ts";
import { enterSearch, turns } from "../../../operations/turns.ts";

/** Up to this size an answer is sent as a whole; what is larger is sent as it is made. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/** As much of a request as the form of its answer depends on. */
type Asked = Pick<ApiRequest, "microversion" | "query" | "signal"> & {
  /** Whoever asks, with whom others take turns. */
  readonly context?: { readonly userId: string | undefined };
};

/**
 * The answer as JSON: at once where it takes no longer than a slice, otherwise in slices with other
 * requests served in between, all from the providers as they are now. Closes the listing.
 *
 * @param onFound is told what was found, unless the client goes away before
 */
export async function renderAnswer(
  listing: CandidateListing,
  query: CandidateQuery,
  request: Asked,
  onFound: (finding: Finding) => void = () => {},
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const asked = JSON.stringify([request.microversion.minor, request.query.pairs]);
  const client = request.context?.userId ?? "";
  const form = formOf(query, request);
  const writer = new AnswerWriter(listing, form, asked);
  turns.begin(() => writer.writeSlice());
  if (writer.isDone) {
    if (writer.finding) onFound(writer.finding);
    return writer.take();
  }
  return new LongAnswer(writer, listing, request.signal, client, onFound).body();
}

/** An answer that takes more than a slice. It ends with the connection of its client. */
class LongAnswer {
  readonly #writer: AnswerWriter;
  readonly #listing: CandidateListing;
  readonly #signal: AbortSignal;
  readonly #client: string;
  readonly #leave: () => void;
  #onFound: ((finding: Finding) => void) | undefined;

  /** @throws TooManySearches */
  constructor(
    writer: AnswerWriter,
    listing: CandidateListing,
    signal: AbortSignal,
    client: string,
    onFound: (finding: Finding) => void,
  ) {
    this.#onFound = onFound;
    this.#writer = writer;
    this.#listing = listing;
    this.#signal = signal;
    this.#client = client;
    listing.hold();
    try {
      this.#leave = enterSearch(client);
    } catch (error) {
      listing.close();
      throw error;
    }
    // Neither a failure nor a body that nobody ever asks for must keep the listing held.
    signal.addEventListener("abort", this.#end, { once: true });
  }

  async body(): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
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

  async *#stream(): AsyncGenerator<Uint8Array> {
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
      this.#listing.checkHold();
      this.#writer.writeSlice();
    });
  }

  readonly #end = (): void => {
    this.#listing.close();
    this.#leave();
    if (this.#writer.finding) this.#onFound?.(this.#writer.finding);
    this.#onFound = undefined;
  };
}

function formOf(query: CandidateQuery, request: Asked): AnswerForm {
  return {
    isList: !supports(request, "allocationsByProvider"),
    hasMappings: supports(request, "mappings"),
    hasTraits: supports(request, "candidateTraits"),
    hasParents: supports(request, "nestedCandidates"),
    hasWholeTrees: supports(request, "nestedCandidates"),
    resourceClasses: supports(request, "allSummaryClasses")
      ? undefined
      : new Set(query.groups.flatMap(({ resources }) => [...resources.keys()])),
  };
}
