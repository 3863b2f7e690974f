import {
  AllocationForUnknownProvider,
  ConcurrentUpdateDetected,
  ConsumerGenerationConflict,
  InvalidInventory,
  NoAllocationsForConsumer,
  NotFound,
} from "../../../domain/errors.ts";
import type { ConsumerClaim } from "../../../domain/claim.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import * as operations from "../../../operations/allocations.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict, notFound } from "../../http-error.ts";
import { modifiedAt } from "../../last-modified.ts";
import { pathParameter, pathUuid } from "../../parameters.ts";
import { noteIfRefused } from "../../refusals.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { answerText } from "../../text-writer.ts";
import { translatingErrors, when, type ErrorRule } from "../../translate-errors.ts";
import { JsonCursor, readMuch } from "../../validation/json-cursor.ts";
import {
  normalizeConsumerUuid,
  readConsumerClaim,
  readConsumerClaims,
  toConsumerClaims,
} from "./read-claim.ts";
import { consumerAllocationsText, providerAllocationsText } from "./rendering.ts";
import { manySchema } from "./schemas.ts";

/** Of a consumer that holds nothing, of one that does not exist, even of what is no UUID: empty. */
export async function listAllocationsOfConsumer(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:allocations:list");
  const found = await operations.listConsumerAllocations(
    request.service,
    request.context,
    pathUuid(request, "consumer_uuid"),
  );
  return {
    ...(await answerText(request, consumerAllocationsText(request, found))),
    ...modifiedAt(request, found.modifiedAt),
  };
}

export async function listAllocationsOfProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:allocations:list");
  const uuid = pathUuid(request);
  const found = await translatingErrors(
    operations.listProviderAllocations(request.service, request.context, uuid),
    [
      when(NotFound, (error) =>
        notFound(`Resource provider '${uuid}' not found: ${error.message}`),
      ),
    ],
  );
  return {
    ...(await answerText(request, providerAllocationsText(request, found))),
    ...modifiedAt(request, found.modifiedAt),
  };
}

export async function setAllocationsOfConsumer(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:allocations:update");
  const consumerUuid = normalizeConsumerUuid(pathParameter(request, "consumer_uuid"));
  const consumers = [await readConsumerClaim(request, consumerUuid)];
  noteIfRefused(request, consumers);
  await translatingErrors(
    operations.claim(request.service, { context: request.context, consumers }),
    [
      ...whenConsumersAreWrong(),
      when(NotFound, (error) =>
        badRequest(`Unable to allocate inventory for consumer ${consumerUuid}: ${error.message}`),
      ),
      ...whenTheClaimDoesNotFit(),
    ],
  );
  return empty(204);
}

export async function setAllocations(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:allocations:manage");
  const consumers = await readManyClaims(request);
  noteIfRefused(request, consumers);
  await translatingErrors(
    operations.claim(request.service, { context: request.context, consumers }),
    [
      ...whenConsumersAreWrong(),
      when(NotFound, (error) => badRequest(`Unable to allocate inventory ${error.message}`)),
      ...whenTheClaimDoesNotFit(),
    ],
  );
  return empty(204);
}

export async function deleteAllocations(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:allocations:delete");
  const text = pathParameter(request, "consumer_uuid");
  const consumerUuid = normalizeUuid(text);
  if (consumerUuid === undefined) throw notFound(new NoAllocationsForConsumer(text).message);
  noteIfRefused(request, [{ consumerUuid, allocations: [], projectId: "" }]);
  await operations.deleteAllocations(request.service, request.context, consumerUuid);
  return empty(204);
}

/** By itself, so that nothing keeps the body while the claims wait to be written. */
async function readManyClaims(request: ApiRequest): Promise<ConsumerClaim[]> {
  const schema = manySchema(request);
  const body = await readMuch(request);
  if (!(body instanceof JsonCursor)) return toConsumerClaims(schema.validate(body));
  const consumers = await readConsumerClaims(body, (member) => schema.validate(member));
  body.end();
  return consumers;
}

/** What a claim says about consumers and providers that the present state contradicts. */
export function whenConsumersAreWrong(): readonly ErrorRule[] {
  return [
    when(ConsumerGenerationConflict, (error) =>
      conflict(error.message, ERROR_CODES.concurrentUpdate),
    ),
    when(AllocationForUnknownProvider, (error) => badRequest(error.message)),
  ];
}

function whenTheClaimDoesNotFit(): readonly ErrorRule[] {
  return [
    when(InvalidInventory, (error) => conflict(`Unable to allocate inventory: ${error.message}`)),
    when(ConcurrentUpdateDetected, (error) =>
      conflict(
        `Inventory and/or allocations changed while attempting to allocate: ${error.message}`,
        ERROR_CODES.concurrentUpdate,
      ),
    ),
  ];
}
