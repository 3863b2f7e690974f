import {
  ConcurrentUpdateDetected,
  InvalidInventory,
  InventoryInUse,
  NotFound,
  ProviderGenerationConflict,
  ResourceProviderNotFound,
} from "../../../domain/errors.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import { claim } from "../../../operations/allocations.ts";
import { whenConsumersAreWrong } from "../allocations/handlers.ts";
import { toConsumerClaims } from "../allocations/read-claim.ts";
import {
  defineVersions,
  manyAllocationsDocument,
  type ManyAllocationsBody,
} from "../allocations/schemas.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict } from "../../http-error.ts";
import {
  INVENTORIES_DOCUMENT,
  toInventories,
  type InventoriesBody,
} from "../inventories/schemas.ts";
import { UUID_PATTERN } from "../../patterns.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readJson } from "../../validation/schema.ts";

interface ReshaperBody {
  readonly inventories: Readonly<Record<string, InventoriesBody>>;
  readonly allocations: ManyAllocationsBody;
}

const schemaOf = defineVersions<ReshaperBody>((document) => ({
  type: "object",
  properties: {
    inventories: {
      type: "object",
      patternProperties: { [UUID_PATTERN]: INVENTORIES_DOCUMENT },
      minProperties: 1,
      additionalProperties: false,
    },
    allocations: manyAllocationsDocument(document, 0),
  },
  required: ["inventories", "allocations"],
  additionalProperties: false,
}));

/** Moves inventories between providers together with the allocations on them, all at once. */
export async function reshape(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:reshaper:reshape");
  const body = readJson(request, schemaOf(request));
  const inventories = Object.entries(body.inventories).map(([uuid, provider]) => ({
    providerUuid: normalizeUuid(uuid) ?? uuid,
    generation: provider.resource_provider_generation,
    inventories: toInventories(provider),
  }));
  const consumers = toConsumerClaims(body.allocations);
  await translatingErrors(
    claim(request.service, { context: request.context, consumers, inventories }),
    [
      ...whenConsumersAreWrong(),
      when(ResourceProviderNotFound, (error) =>
        badRequest(
          `Resource provider ${error.uuid} in inventories not found: ${error.message}`,
          ERROR_CODES.resourceProviderNotFound,
        ),
      ),
      when(ProviderGenerationConflict, (error) =>
        conflict(error.message, ERROR_CODES.concurrentUpdate),
      ),
      when(ConcurrentUpdateDetected, (error) =>
        conflict(`update conflict: ${error.message}`, ERROR_CODES.concurrentUpdate),
      ),
      when(NotFound, (error) => badRequest(`malformed reshaper data: ${error.message}`)),
      when(InventoryInUse, (error) =>
        conflict(`update conflict: ${error.message}`, ERROR_CODES.inventoryInUse),
      ),
      when(InvalidInventory, (error) => conflict(`Unable to allocate inventory: ${error.message}`)),
    ],
  );
  return empty(204);
}
