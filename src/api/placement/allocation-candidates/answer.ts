import type { CandidateQuery } from "../../../domain/candidate-query.ts";
import type { CandidateListing } from "../../../operations/allocation-candidates.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { type AnswerForm, AnswerWriter } from "./answer-writer.ts";
import { nextTurn } from "./turns.ts";

/** Up to this size an answer is sent as a whole; what is larger is sent as it is made. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024;

/** As much of a request as the form of its answer depends on. */
type Asked = Pick<ApiRequest, "microversion" | "query" | "signal">;

/**
 * The answer as JSON: at once where it takes no longer than a slice, otherwise in slices with other
 * requests served in between, all from the providers as they are now. Closes the listing.
 */
export async function renderAnswer(
  listing: CandidateListing,
  query: CandidateQuery,
  request: Asked,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const asked = JSON.stringify([request.microversion.minor, request.query.pairs]);
  const writer = new AnswerWriter(listing, formOf(query, request), asked);
  writer.writeSlice();
  if (writer.isDone) return writer.take();
  return continueInSlices(writer, listing, request.signal);
}

async function continueInSlices(
  writer: AnswerWriter,
  listing: CandidateListing,
  signal: AbortSignal,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  listing.hold();
  // Neither a failure nor a body that nobody ever asks for must keep the listing held.
  signal.addEventListener("abort", () => listing.close(), { once: true });
  let isStreamed = false;
  try {
    while (!writer.isDone && !signal.aborted) {
      if (writer.length > MAX_WHOLE_BYTES) {
        isStreamed = true;
        return stream(writer, listing, signal);
      }
      await writeNextSlice(writer, listing, signal);
    }
    return writer.take();
  } finally {
    if (!isStreamed) listing.close();
  }
}

async function* stream(
  writer: AnswerWriter,
  listing: CandidateListing,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    while (!signal.aborted) {
      yield writer.take();
      if (writer.isDone) return;
      await writeNextSlice(writer, listing, signal);
    }
  } finally {
    listing.close();
  }
}

async function writeNextSlice(
  writer: AnswerWriter,
  listing: CandidateListing,
  signal: AbortSignal,
): Promise<void> {
  await nextTurn();
  if (signal.aborted) return;
  listing.checkHold();
  writer.writeSlice();
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
