import { HostNotFound } from "../../../domain/errors.ts";
import { explain as explainQuery } from "../../../operations/explain.ts";
import { renderExplained } from "../../explained.ts";
import type { ExplainQuestion } from "../../../operations/explaining.ts";
import { badRequest } from "../../http-error.ts";
import { jsonPieces } from "../../json-pieces.ts";
import { querySchema } from "../../queries/candidate-query-schema.ts";
import { readCandidateQuery } from "../../queries/candidate-query.ts";
import { parseQuery } from "../../queries/query-string.ts";
import type { ApiRequest, VersionedQuery } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";
import { answerText } from "../../text-writer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { defineSchema, readJson, validateQuery } from "../../validation/schema.ts";
import { checkCandidatesMicroversion, readMicroversion } from "../query-microversion.ts";
import { BODY, type ExplainBody, NEAREST } from "./schemas.ts";

const bodySchema = defineSchema<ExplainBody>(BODY);

export function explainByQuery(request: ApiRequest): Promise<ApiResponse> {
  return answer(request, request, { nearest: NEAREST, host: undefined, ifEmpty: true });
}

export async function explainByBody(request: ApiRequest): Promise<ApiResponse> {
  const body = await readJson(request, bodySchema);
  const { query, microversion, nearest = NEAREST, host, if_empty: ifEmpty = true } = body;
  const asked = {
    query: parseQuery(query),
    microversion:
      microversion === undefined ? request.microversion : readMicroversion(microversion),
  };
  return answer(request, asked, { nearest, host: host ?? undefined, ifEmpty });
}

async function answer(
  request: ApiRequest,
  asked: VersionedQuery,
  options: Pick<ExplainQuestion, "nearest" | "host" | "ifEmpty">,
): Promise<ApiResponse> {
  const { microversion } = asked;
  checkCandidatesMicroversion(asked);
  validateQuery(querySchema(asked), asked.query);
  const query = readCandidateQuery(asked);
  const { service, context, signal } = request;
  const explained = await translatingErrors(
    explainQuery(service, context, { query, signal, ...options }),
    [when(HostNotFound, (error) => badRequest(error.message))],
  );
  return answerText(request, jsonPieces(renderExplained(explained, microversion)));
}
