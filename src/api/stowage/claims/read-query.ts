import type { CandidateQuery } from "../../../domain/candidate-query.ts";
import { badRequest } from "../../http-error.ts";
import { supports } from "../../microversions.ts";
import { querySchema } from "../../queries/candidate-query-schema.ts";
import { readCandidateQuery } from "../../queries/candidate-query.ts";
import { parseQuery } from "../../queries/query-string.ts";
import type { ApiRequest } from "../../request.ts";
import { validateQuery } from "../../validation/schema.ts";

/** A query in a body, in the microversion of the request. @throws HttpError 400 */
export function readQuery({ microversion }: ApiRequest, text: string): CandidateQuery {
  const asked = { query: parseQuery(text), microversion };
  if (!supports(asked, "allocationCandidates")) {
    throw badRequest("Allocation candidates can be asked for since microversion 1.10.");
  }
  validateQuery(querySchema(asked), asked.query);
  return readCandidateQuery(asked);
}
