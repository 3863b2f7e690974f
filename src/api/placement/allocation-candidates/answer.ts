import type { CandidateQuery } from "../../../domain/candidate-query.ts";
import type { CandidateListing } from "../../../operations/allocation-candidates.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import { answerInSlices } from "../../sliced-answer.ts";
import { type AnswerForm, AnswerWriter, type Finding } from "./answer-writer.ts";

/** As much of a request as the form of its answer depends on. */
type Asked = Pick<ApiRequest, "microversion" | "query" | "signal"> & {
  /** Whoever asks, with whom others take turns. */
  readonly context?: { readonly userId: string | undefined };
};

/**
 * The answer as JSON, all from the providers as they are now. Closes the listing.
 *
 * @param onFound is told what was found, unless the client goes away before
 */
export function renderAnswer(
  listing: CandidateListing,
  query: CandidateQuery,
  request: Asked,
  onFound: (finding: Finding) => void = () => {},
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const asked = JSON.stringify([request.microversion.minor, request.query.pairs]);
  const writer = new AnswerWriter(listing, formOf(query, request), asked);
  const terms = {
    client: request.context?.userId ?? "",
    signal: request.signal,
    onEnd: () => writer.finding && onFound(writer.finding),
  };
  return answerInSlices(writer, terms, listing);
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
