import {
  ConcurrentUpdateDetected,
  InvalidInventoryCapacity,
  InventoryInUse,
  InventoryWithResourceClassNotFound,
  NotFound,
  ProviderGenerationConflict,
  ResourceClassNotFound,
  ResourceProviderNotFound,
} from "../../../domain/errors.ts";
import * as operations from "../../../operations/inventories.ts";
import {
  aboutProvider,
  expectProvider,
  type KnownProvider,
} from "../../../operations/known-provider.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict, notFound } from "../../http-error.ts";
import { lastModified, modifiedAt, Newest } from "../../last-modified.ts";
import { supports } from "../../microversions.ts";
import { pathParameter, pathUuid } from "../../parameters.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, json, type ApiResponse } from "../../response.ts";
import { answerText } from "../../text-writer.ts";
import { translatingErrors, when, type ErrorRule } from "../../translate-errors.ts";
import { readJson } from "../../validation/schema.ts";
import { inventoriesText, renderInventories, renderInventory } from "./rendering.ts";
import { CREATE, SET, toAmounts, toInventories, UPDATE } from "./schemas.ts";

export async function getInventories(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:list");
  return about(request, async (provider) => {
    const newest = new Newest();
    const answer = await answerText(request, inventoriesText(provider, newest), provider);
    return { ...answer, ...modifiedAt(request, newest.seconds) };
  });
}

export async function getInventory(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:show");
  const resourceClass = pathParameter(request, "resource_class");
  return about(request, (provider) => {
    const inventory = provider.findInventory(resourceClass);
    if (!inventory) {
      throw notFound(`No inventory of class ${resourceClass} for ${pathUuid(request)}`);
    }
    return json(
      200,
      { ...renderInventory(inventory), ...withGeneration(provider.generation) },
      modifiedAt(request, inventory.modifiedAt),
    );
  });
}

export async function createInventory(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:create");
  const uuid = await existingProvider(request);
  const body = await readJson(request, CREATE);
  const inventory = toAmounts(body);
  const unable = (error: Error) =>
    badRequest(`Unable to create inventory for resource provider ${uuid}: ${error.message}`);
  const generation = await translatingErrors(
    operations.createInventory(
      request.service,
      request.context,
      uuid,
      body.resource_class,
      inventory,
      rulesOf(request),
    ),
    [
      whenConcurrent("Update conflict"),
      when(ResourceProviderNotFound, (error) => notFound(error.message)),
      when(InvalidInventoryCapacity, unable),
      when(NotFound, unable),
    ],
  );
  return json(
    201,
    { ...renderInventory(inventory), ...withGeneration(generation) },
    {
      location: `/resource_providers/${uuid}/inventories/${body.resource_class}`,
      ...lastModified(request),
    },
  );
}

export async function updateInventory(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:update");
  const uuid = await existingProvider(request);
  const resourceClass = pathParameter(request, "resource_class");
  const body = await readJson(request, UPDATE);
  const inventory = toAmounts(body);
  const generation = await translatingErrors(
    operations.updateInventory(
      request.service,
      request.context,
      uuid,
      body.resource_provider_generation,
      resourceClass,
      inventory,
      rulesOf(request),
    ),
    [
      whenGenerationDiffers(),
      whenConcurrent("update conflict"),
      when(InventoryWithResourceClassNotFound, (error) =>
        badRequest(
          `No inventory record with resource class for resource provider ${uuid}: ${error.message}`,
        ),
      ),
      whenCapacityIsInvalid(uuid),
    ],
  );
  return json(
    200,
    { ...renderInventory(inventory), ...withGeneration(generation) },
    lastModified(request),
  );
}

export async function setInventories(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:update");
  const uuid = await existingProvider(request);
  const body = await readJson(request, SET);
  const inventories = toInventories(body);
  const generation = await translatingErrors(
    operations.setInventories(
      request.service,
      request.context,
      uuid,
      body.resource_provider_generation,
      inventories,
      rulesOf(request),
    ),
    [
      whenGenerationDiffers(),
      when(ResourceClassNotFound, (error) =>
        badRequest(
          `Unknown resource class in inventory for resource provider ${uuid}: ${error.message}`,
        ),
      ),
      whenConcurrent("update conflict"),
      when(InventoryInUse, (error) =>
        conflict(`update conflict: ${error.message}`, ERROR_CODES.inventoryInUse),
      ),
      whenCapacityIsInvalid(uuid),
    ],
  );
  return json(200, renderInventories(generation, inventories), lastModified(request));
}

export async function deleteInventories(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:delete");
  const uuid = pathUuid(request);
  const noInventories = new Map<string, never>();
  await translatingErrors(
    operations.setInventories(
      request.service,
      request.context,
      uuid,
      undefined,
      noInventories,
      rulesOf(request),
    ),
    [
      when(ConcurrentUpdateDetected, () =>
        conflict(
          `Unable to delete inventory for resource provider ${uuid} because the inventory was ` +
            "updated by another process. Please retry your request.",
          ERROR_CODES.concurrentUpdate,
        ),
      ),
      when(InventoryInUse, (error) => conflict(error.message, ERROR_CODES.inventoryInUse)),
    ],
  );
  return empty(204);
}

export async function deleteInventory(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:inventories:delete");
  const uuid = pathUuid(request);
  const resourceClass = pathParameter(request, "resource_class");
  const unable = (error: Error) =>
    conflict(
      `Unable to delete inventory of class ${resourceClass}: ${error.message}`,
      ERROR_CODES.concurrentUpdate,
    );
  await translatingErrors(
    operations.deleteInventory(request.service, request.context, uuid, resourceClass),
    [
      when(ConcurrentUpdateDetected, unable),
      when(InventoryInUse, unable),
      when(ResourceProviderNotFound, (error) => notFound(error.message)),
      when(NotFound, (error) =>
        notFound(`No inventory of class ${resourceClass} found for delete: ${error.message}`),
      ),
    ],
  );
  return empty(204);
}

function about(
  request: ApiRequest,
  tell: (provider: KnownProvider) => ApiResponse | Promise<ApiResponse>,
): Promise<ApiResponse> {
  const uuid = pathUuid(request);
  return translatingErrors(aboutProvider(request.service, request.context, uuid, tell), [
    when(NotFound, (error) =>
      notFound(`No resource provider with uuid ${uuid} found : ${error.message}`),
    ),
  ]);
}

/** A provider that does not exist comes before a body that is wrong. */
function existingProvider(request: ApiRequest): Promise<string> {
  return expectProvider(request.service, request.context, pathUuid(request));
}

function rulesOf(request: ApiRequest): operations.InventoryRules {
  return { reservedCanBeTotal: supports(request, "reservedCanBeTotal") };
}

/** Upstream leaves a generation of 0 out of a single inventory. */
function withGeneration(generation: number) {
  return generation > 0 ? { resource_provider_generation: generation } : {};
}

function whenGenerationDiffers(): ErrorRule {
  return when(ProviderGenerationConflict, () =>
    conflict("resource provider generation conflict", ERROR_CODES.concurrentUpdate),
  );
}

function whenConcurrent(complaint: string): ErrorRule {
  return when(ConcurrentUpdateDetected, (error) =>
    conflict(`${complaint}: ${error.message}`, ERROR_CODES.concurrentUpdate),
  );
}

function whenCapacityIsInvalid(uuid: string): ErrorRule {
  return when(InvalidInventoryCapacity, (error) =>
    badRequest(`Unable to update inventory for resource provider ${uuid}: ${error.message}`),
  );
}
