import {
  GangExists,
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
import { AggregateNotFound } from "../../../domain/fit-errors.ts";
import { GangNotFound, NoPlaceForGang } from "../../../domain/gang.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import { claimCandidate, type ClaimRequest } from "../../../operations/claims.ts";
import { explain } from "../../../operations/explain.ts";
import { claimGang, releaseGang } from "../../../operations/gangs.ts";
import type { OnceAnswered } from "../../../operations/idempotency.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { renderShortly } from "../../explained.ts";
import { badRequest, conflict, HttpError, notFound } from "../../http-error.ts";
import { noteIfRefused } from "../../refusals.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { translatingErrors, when, type ErrorRule } from "../../translate-errors.ts";
import { defineSchema, readJson } from "../../validation/schema.ts";
import { readGangRequest } from "./gang-request.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import { readQuery } from "./read-query.ts";
import { renderClaimed } from "./rendering.ts";
import { BODY, CLAIM_DEFAULTS, type ClaimBody } from "./schemas.ts";

const bodySchema = defineSchema<ClaimBody>(BODY);

export async function createClaim(request: ApiRequest): Promise<ApiResponse> {
  const body = await readJson(request, bodySchema);
  const isOfGang = [body.gang, body.members, body.rules].some((part) => part !== undefined);
  return isOfGang ? createGang(request, body) : createOne(request, body);
}

export async function deleteGang(request: ApiRequest): Promise<ApiResponse> {
  const { service, context, parameters } = request;
  await translatingErrors(releaseGang(service, context, parameters["gang"] ?? ""), [
    when(GangNotFound, ({ message }) => notFound(message)),
    when(ConcurrentUpdateDetected, ({ message }) =>
      conflict(message, ERROR_CODES.concurrentUpdate),
    ),
  ]);
  return empty(204);
}

async function createOne(request: ApiRequest, body: ClaimBody): Promise<ApiResponse> {
  const wanted = readRequest(request, body);
  const { uuid, projectId } = wanted.consumer;
  noteIfRefused(
    request,
    uuid === undefined ? [] : [{ consumerUuid: uuid, allocations: [], projectId }],
  );
  const answered = await translatingErrors(
    counted(request, claim(request, wanted)),
    whenItIsRefused(wanted.consumer.generation),
  );
  return respond(request, answered, {
    isDryRun: wanted.isDryRun,
    location: `/allocations/${answered.consumerUuid}`,
  });
}

async function createGang(request: ApiRequest, body: ClaimBody): Promise<ApiResponse> {
  const wanted = readGangRequest(request, body);
  const { projectId } = wanted.consumer;
  const uuids = wanted.members.flatMap((member) => member.uuids ?? []);
  noteIfRefused(
    request,
    uuids.map((consumerUuid) => ({ consumerUuid, allocations: [], projectId })),
  );
  const { service, context } = request;
  const answered = await translatingErrors(
    counted(request, claimGang(service, context, wanted, renderClaimed)),
    whenItIsRefused(null),
  );
  return respond(request, answered, {
    isDryRun: wanted.isDryRun,
    location: `/stowage/v1/consumers?gang=${wanted.gang}`,
  });
}

function respond(
  request: ApiRequest,
  { answer, isReplayed }: OnceAnswered,
  { isDryRun, location }: { readonly isDryRun: boolean; readonly location: string },
): ApiResponse {
  count(request, isReplayed ? "replayed" : isDryRun ? "rehearsed" : "granted");
  return {
    status: isReplayed || isDryRun ? 200 : 201,
    body: Buffer.from(answer),
    isReplayed,
    ...(!isDryRun && { location }),
  };
}

function readRequest(request: ApiRequest, body: ClaimBody): ClaimRequest {
  const { consumer } = body;
  const { generation = null } = consumer;
  const uuid = consumer.uuid === undefined ? undefined : normalizeUuid(consumer.uuid);
  if (body.query === undefined) {
    throw badRequest("Say what to claim: in query, or in gang and members.");
  }
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

async function claim(request: ApiRequest, wanted: ClaimRequest): Promise<OnceAnswered> {
  try {
    return await claimCandidate(request.service, request.context, wanted, renderClaimed);
  } catch (error) {
    if (!(error instanceof NoCandidates)) throw error;
    count(request, "no_candidates");
    throw await withExplanation(request, wanted);
  }
}

async function counted(request: ApiRequest, work: Promise<OnceAnswered>): Promise<OnceAnswered> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof OutOfCapacity) count(request, "out_of_capacity");
    if (error instanceof NoPlaceForGang) count(request, "no_candidates");
    throw error;
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
    when(AggregateNotFound, ({ message }) => badRequest(message)),
    when(NoPlaceForGang, refuseGang),
    when(GangExists, ({ message }) => conflict(message, ERROR_CODES.gangExists)),
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

/** With how far it got. */
function refuseGang({ message, shortfall }: NoPlaceForGang): HttpError {
  const { members, aggregate, isExact } = shortfall;
  return new HttpError(409, message, {
    code: ERROR_CODES.noCandidates,
    data: { members, domain: aggregate ?? null, is_exact: isExact },
  });
}
