import { ResourceClassNotFound, TraitNotFound } from "../../../domain/errors.ts";
import * as operations from "../../../operations/allocation-candidates.ts";
import { badRequest } from "../../http-error.ts";
import { lastModified } from "../../last-modified.ts";
import { noteEmptyAnswer } from "../../refusals.ts";
import type { ApiRequest } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { validateQuery } from "../../validation/schema.ts";
import { renderAnswer } from "./answer.ts";
import { release } from "../../byte-writer.ts";
import { readCandidateQuery } from "../../queries/candidate-query.ts";
import { querySchema } from "../../queries/candidate-query-schema.ts";

export async function listAllocationCandidates(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:allocation_candidates:list");
  validateQuery(querySchema(request), request.query);
  const query = readCandidateQuery(request);
  const listing = await translatingErrors(
    operations.listAllocationCandidates(request.service, request.context, query),
    [
      when(ResourceClassNotFound, (error) =>
        badRequest(`Invalid resource class in resources parameter: ${error.message}`),
      ),
      when(TraitNotFound, (error) => badRequest(error.message)),
    ],
  );
  const { metrics } = request.service.database;
  const startedAtMs = performance.now();
  const body = await renderAnswer(listing, query, request, ({ count, isLimited }) => {
    metrics.observe("stowage_candidates_returned", {}, count);
    if (count === 0) {
      metrics.increment("stowage_candidates_empty_total", {});
      noteEmptyAnswer(request, query);
    }
    if (isLimited) metrics.increment("stowage_candidates_limited_total", {});
  });
  const { effort } = request.context;
  if (effort) effort.searchMs += performance.now() - startedAtMs;
  return { status: 200, body, onSent: release, ...lastModified(request) };
}
