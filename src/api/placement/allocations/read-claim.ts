import type { ConsumerClaim } from "../../../domain/claim.ts";
import { canonicalUuid, normalizeUuid } from "../../../domain/uuid.ts";
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
  const claims = new ConsumerClaims();
  for (const [text, allocations] of Object.entries(body)) claims.add(text, allocations);
  return claims.list();
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
  const claims = new ConsumerClaims();
  for await (const text of cursor.members()) {
    claims.add(text, validate({ [text]: cursor.value() })[text]!);
  }
  return claims.list();
}

/** The claims of a body, each consumer once. */
class ConsumerClaims {
  readonly #claims = new Map<string, ConsumerClaim>();
  /** How the consumers are spelled whose UUIDs are not spelled as they are known. */
  readonly #spellings = new Map<string, string>();
  readonly #shared = new SharedParts();

  /** Of several equal keys the last one counts, as Python has it. */
  add(text: string, body: AllocationsBody): void {
    const uuid = normalizeConsumerUuid(text);
    if (this.#claims.has(uuid) && (this.#spellings.get(uuid) ?? uuid) !== text) {
      throw badRequest(`Consumer ${uuid} is named twice.`);
    }
    if (text !== uuid) this.#spellings.set(uuid, text);
    this.#claims.set(uuid, toConsumerClaim(uuid, body, this.#shared));
  }

  list(): ConsumerClaim[] {
    return [...this.#claims.values()];
  }
}

export function normalizeConsumerUuid(text: string): string {
  const uuid = normalizeUuid(text);
  if (uuid === undefined) throw badRequest(`Malformed consumer_uuid: ${text}`);
  return uuid;
}

function toConsumerClaim(
  consumerUuid: string,
  body: AllocationsBody,
  shared: Parts = UNSHARED,
): ConsumerClaim {
  return {
    consumerUuid,
    projectId: shared.text(body.project_id),
    userId: shared.text(body.user_id),
    generation: body.consumer_generation,
    consumerType: body.consumer_type === undefined ? undefined : shared.text(body.consumer_type),
    allocations: Object.entries(body.allocations).map(([providerUuid, { resources }]) => ({
      providerUuid: shared.text(canonicalUuid(providerUuid)),
      resources: shared.resources(resources),
    })),
  };
}

/** Makes the parts of claims. */
interface Parts {
  text(text: string): string;
  resources(resources: Readonly<Record<string, number>>): ReadonlyMap<string, number>;
}

/** Of one claim alone. */
const UNSHARED: Parts = {
  text: (text) => text,
  resources: (resources) => new Map(Object.entries(resources)),
};

/** More different ones than this are not worth to be kept: they are hardly shared. */
const MAX_SHARED = 10_000;

/**
 * Parts that claims of one body have in common, each kept once (interning): of 20,000 claims on 2,000 providers
 * they would take twice as much memory as the body.
 */
class SharedParts implements Parts {
  readonly #texts = new Map<string, string>();
  readonly #resources = new Map<string, ReadonlyMap<string, number>>();

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined && this.#texts.size < MAX_SHARED) this.#texts.set(text, text);
    return known ?? text;
  }

  resources(resources: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
    const key = JSON.stringify(resources);
    const known = this.#resources.get(key) ?? UNSHARED.resources(resources);
    if (this.#resources.size < MAX_SHARED) this.#resources.set(key, known);
    return known;
  }
}

/** Below 1.12. Of a provider that is listed twice the last counts, as upstream has it. */
async function readListedClaim(request: ApiRequest, consumerUuid: string): Promise<ConsumerClaim> {
  const body = await readJson(request, listedSchema(request));
  const { incompleteConsumerProjectId, incompleteConsumerUserId } = request.config.placement;
  const byProvider = new Map(
    body.allocations.map(({ resource_provider: { uuid }, resources }) => [
      canonicalUuid(uuid),
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
