import type { ConsumerClaim } from "../../../domain/claim.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import { badRequest } from "../../http-error.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";
import type { JsonCursor } from "../../validation/json-cursor.ts";
import { readJson } from "../../validation/schema.ts";
import {
  listedSchema,
  oneSchema,
  type AllocationsBody,
  type ManyAllocationsBody,
} from "./schemas.ts";

/** What a `PUT` of one consumer's allocations claims. */
export async function readConsumerClaim(
  request: ApiRequest,
  consumerUuid: string,
): Promise<ConsumerClaim> {
  return supports(request, "allocationsByProvider")
    ? toConsumerClaim(consumerUuid, await readJson(request, oneSchema(request)))
    : readListedClaim(request, consumerUuid);
}

/** What a body claims for many consumers. */
export function toConsumerClaims(body: ManyAllocationsBody): ConsumerClaim[] {
  const claims = Object.entries(body).map(([consumerUuid, allocations]) =>
    toConsumerClaim(normalizeConsumerUuid(consumerUuid), allocations),
  );
  return eachOnce(claims);
}

/**
 * The same of a large body, consumer by consumer: the members of the object that comes next.
 *
 * @param validate throws where the body with this one member does not meet its schema
 */
export async function readConsumerClaims(
  cursor: JsonCursor,
  validate: (member: Readonly<Record<string, unknown>>) => ManyAllocationsBody,
): Promise<ConsumerClaim[]> {
  // Of several equal keys the last one counts, as Python has it.
  const claims = new Map<string, ConsumerClaim>();
  for await (const text of cursor.members()) {
    for (const claim of toConsumerClaims(validate({ [text]: cursor.value() }))) {
      claims.set(text, claim);
    }
  }
  return eachOnce([...claims.values()]);
}

function eachOnce(claims: ConsumerClaim[]): ConsumerClaim[] {
  const uuids = new Set<string>();
  for (const { consumerUuid } of claims) {
    if (uuids.has(consumerUuid)) throw badRequest(`Consumer ${consumerUuid} is named twice.`);
    uuids.add(consumerUuid);
  }
  return claims;
}

export function normalizeConsumerUuid(text: string): string {
  const uuid = normalizeUuid(text);
  if (uuid === undefined) throw badRequest(`Malformed consumer_uuid: ${text}`);
  return uuid;
}

function toConsumerClaim(consumerUuid: string, body: AllocationsBody): ConsumerClaim {
  return {
    consumerUuid,
    projectId: body.project_id,
    userId: body.user_id,
    generation: body.consumer_generation,
    consumerType: body.consumer_type,
    allocations: Object.entries(body.allocations).map(([providerUuid, { resources }]) => ({
      providerUuid: normalizeUuid(providerUuid) ?? providerUuid,
      resources: new Map(Object.entries(resources)),
    })),
  };
}

/** Below 1.12. Of a provider that is listed twice the last counts, as upstream has it. */
async function readListedClaim(request: ApiRequest, consumerUuid: string): Promise<ConsumerClaim> {
  const body = await readJson(request, listedSchema(request));
  const { incompleteConsumerProjectId, incompleteConsumerUserId } = request.config.placement;
  const byProvider = new Map(
    body.allocations.map(({ resource_provider: { uuid }, resources }) => [
      normalizeUuid(uuid) ?? uuid,
      new Map(Object.entries(resources)),
    ]),
  );
  return {
    consumerUuid,
    projectId: body.project_id ?? incompleteConsumerProjectId,
    userId: body.user_id ?? incompleteConsumerUserId,
    generation: undefined,
    consumerType: undefined,
    allocations: [...byProvider].map(([providerUuid, resources]) => ({ providerUuid, resources })),
  };
}
