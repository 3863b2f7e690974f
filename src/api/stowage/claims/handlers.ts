import {
  IdempotencyKeyInProgress,
  IdempotencyKeyReused,
  NoCandidates,
  OutOfCapacity,
} from "../../../domain/claim-errors.ts";
import {
  ConcurrentUpdateDetected,
  ConsumerGenerationConflict,
  HostNotFound,
  PlacementError,
  ResourceClassNotFound,
  TraitNotFound,
} from "../../../domain/errors.ts";
import type { CandidateQuery } from "../../../domain/candidate-query.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import { claimCandidate, type ClaimRequest } from "../../../operations/claims.ts";
import { explain } from "../../../operations/explain.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { renderShortly } from "../../explained.ts";
import { badRequest, conflict, HttpError } from "../../http-error.ts";
import { supports } from "../../microversions.ts";
import { querySchema } from "../../queries/candidate-query-schema.ts";
import { readCandidateQuery } from "../../queries/candidate-query.ts";
import { parseQuery } from "../../queries/query-string.ts";
import { noteIfRefused } from "../../refusals.ts";
import type { ApiRequest } from "../../request.ts";
import type { ApiResponse } from "../../response.ts";
import { translatingErrors, when, type ErrorRule } from "../../translate-errors.ts";
import { defineSchema, readJson, validateQuery } from "../../validation/schema.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import { renderClaimed } from "./rendering.ts";
import { BODY, CLAIM_DEFAULTS, type ClaimBody } from "./schemas.ts";

const bodySchema = defineSchema<ClaimBody>(BODY);

export async function createClaim(request: ApiRequest): Promise<ApiResponse> {
  const body = await readJson(request, bodySchema);
  const wanted = readRequest(request, body);
  const { uuid, projectId } = wanted.consumer;
  noteIfRefused(
    request,
    uuid === undefined ? [] : [{ consumerUuid: uuid, allocations: [], projectId }],
  );
  const { answer, consumerUuid, isReplayed } = await translatingErrors(
    claim(request, wanted),
    whenItIsRefused(wanted.consumer.generation),
  );
  count(request, isReplayed ? "replayed" : wanted.isDryRun ? "rehearsed" : "granted");
  return {
    status: isReplayed || wanted.isDryRun ? 200 : 201,
    body: Buffer.from(answer),
    isReplayed,
    ...(!wanted.isDryRun && { location: `/allocations/${consumerUuid}` }),
  };
}

function readRequest(request: ApiRequest, body: ClaimBody): ClaimRequest {
  const { consumer } = body;
  const { generation = null } = consumer;
  const uuid = consumer.uuid === undefined ? undefined : normalizeUuid(consumer.uuid);
  if (uuid === undefined && generation !== null) {
    throw badRequest("A consumer with a generation needs its uuid.");
  }
  return {
    query: readQuery(request, body.query),
    prefer: body.prefer ?? CLAIM_DEFAULTS.prefer,
    among: body.among ?? CLAIM_DEFAULTS.among,
    notOn: body.not_on ?? [],
    consumer: {
      uuid,
      projectId: consumer.project_id,
      userId: consumer.user_id,
      type: consumer.type,
      generation,
    },
    attempts: body.attempts ?? CLAIM_DEFAULTS.attempts,
    leaseSeconds: body.lease?.seconds,
    isDryRun: body.dry_run ?? false,
    idempotency: readIdempotencyKey(request, body),
    signal: request.signal,
  };
}

function readQuery({ microversion }: ApiRequest, text: string): CandidateQuery {
  const asked = { query: parseQuery(text), microversion };
  if (!supports(asked, "allocationCandidates")) {
    throw badRequest("Allocation candidates can be asked for since microversion 1.10.");
  }
  validateQuery(querySchema(asked), asked.query);
  return readCandidateQuery(asked);
}

async function claim(request: ApiRequest, wanted: ClaimRequest) {
  try {
    return await claimCandidate(request.service, request.context, wanted, renderClaimed);
  } catch (error) {
    if (error instanceof OutOfCapacity) count(request, "out_of_capacity");
    if (!(error instanceof NoCandidates)) throw error;
    count(request, "no_candidates");
    throw await withExplanation(request, wanted);
  }
}

type Outcome = "granted" | "replayed" | "rehearsed" | "no_candidates" | "out_of_capacity";

function count({ service }: ApiRequest, outcome: Outcome): void {
  service.database.metrics.increment("stowage_candidate_claims_total", { outcome });
}

/** That there is no candidate, with the short form of why. */
async function withExplanation(request: ApiRequest, { query, notOn, signal }: ClaimRequest) {
  const question = { query, nearest: 0, host: undefined, ifEmpty: true, signal };
  const code = ERROR_CODES.noCandidates;
  try {
    const { summary, ...data } = renderShortly(
      await explain(request.service, request.context, question),
    );
    const isAvoided = data.verdict === "fits" && notOn.length > 0;
    const detail = isAvoided ? `${summary} Nothing is to be taken from those in not_on.` : summary;
    return new HttpError(409, detail, { code, data });
  } catch (error) {
    // A query that is too long to be explained, or a busy service: the claim is refused all the same.
    if (!(error instanceof PlacementError)) throw error;
    return new HttpError(409, new NoCandidates().message, { code });
  }
}

function whenItIsRefused(generation: number | null): readonly ErrorRule[] {
  return [
    when(ResourceClassNotFound, ({ message }) =>
      badRequest(`Invalid resource class in resources parameter: ${message}`),
    ),
    when(TraitNotFound, ({ message }) => badRequest(message)),
    when(HostNotFound, ({ message }) => badRequest(message)),
    when(OutOfCapacity, ({ message }) => conflict(message, ERROR_CODES.outOfCapacity)),
    when(ConsumerGenerationConflict, ({ message }) =>
      conflict(
        message,
        generation === null ? ERROR_CODES.consumerExists : ERROR_CODES.concurrentUpdate,
      ),
    ),
    when(ConcurrentUpdateDetected, ({ message }) =>
      conflict(message, ERROR_CODES.concurrentUpdate),
    ),
    when(
      IdempotencyKeyReused,
      ({ message }) => new HttpError(422, message, { code: ERROR_CODES.idempotencyKeyReused }),
    ),
    when(IdempotencyKeyInProgress, ({ message }) =>
      conflict(message, ERROR_CODES.idempotencyKeyInProgress),
    ),
  ];
}
