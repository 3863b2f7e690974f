import { RefusalsNotKept } from "../../../domain/errors.ts";
import type { RefusalFilter } from "../../../domain/noted-refusal.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import * as refusals from "../../../operations/refusals.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, notFound } from "../../http-error.ts";
import type { ApiRequest, QueryParameters } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readTime } from "../read-time.ts";
import { DEFAULT_LIMIT, MAX_REFUSALS } from "./schemas.ts";

export async function listRefusals(request: ApiRequest): Promise<ApiResponse> {
  const { service, context, query } = request;
  const limit = Number(query.get("limit") ?? DEFAULT_LIMIT);
  if (limit > MAX_REFUSALS) {
    const detail = `At most ${MAX_REFUSALS} refusals are told at once, not ${limit}.`;
    throw badRequest(detail, ERROR_CODES.tooLarge);
  }
  const found = await translatingErrors(
    refusals.listRefusals(service, context, readFilter(query), limit),
    [when(RefusalsNotKept, ({ message }) => notFound(message))],
  );
  // They are kept as they are told: a page of them is put together in less than a millisecond.
  const list = found.refusals.map(({ body }) => body).join(",");
  const body = Buffer.from(`{"refusals":[${list}],"dropped":${found.dropped}}`);
  return { status: 200, body };
}

function readFilter(query: QueryParameters): RefusalFilter {
  const requestId = query.get("request_id");
  const consumer = query.get("consumer");
  const projectId = query.get("project_id");
  const since = query.get("since");
  return {
    ...(requestId !== undefined && { requestId }),
    ...(consumer !== undefined && { consumerUuid: canonicalUuid(consumer) }),
    ...(projectId !== undefined && { projectId }),
    ...(since !== undefined && { since: readTime(since, "since") }),
  };
}
