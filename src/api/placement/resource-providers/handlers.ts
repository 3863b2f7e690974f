import { randomUUID } from "node:crypto";

import {
  CannotDeleteParentResourceProvider,
  NotFound,
  ObjectActionError,
  ResourceClassNotFound,
  ResourceProviderExists,
  ResourceProviderInUse,
  TraitNotFound,
} from "../../../domain/errors.ts";
import type { ResourceProvider } from "../../../domain/resource-provider.ts";
import { normalizeUuid } from "../../../domain/uuid.ts";
import {
  createProvider,
  deleteProvider,
  getProvider,
  listProviders,
  updateProvider,
} from "../../../operations/resource-providers.ts";
import { turns } from "../../../operations/turns.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict, notFound } from "../../http-error.ts";
import { lastModified } from "../../last-modified.ts";
import { supports } from "../../microversions.ts";
import { pathUuid } from "../../parameters.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, json, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readJson, validateQuery } from "../../validation/schema.ts";
import { readListing } from "./query.ts";
import { renderProvider } from "./rendering.ts";
import { createSchema, listSchema, updateSchema } from "./schemas.ts";

export async function listResourceProviders(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:list");
  validateQuery(listSchema(request), request.query);
  const providers = await translatingErrors(
    listProviders(request.service, request.context, readListing(request)),
    [
      when(ResourceClassNotFound, (error) =>
        badRequest(`Invalid resource class in resources parameter: ${error.message}`),
      ),
      when(TraitNotFound, (error) =>
        badRequest(`Invalid trait(s) in "required" parameter: ${error.message}`),
      ),
    ],
  );
  const more = lastModified(request, providers);
  if (providers.length <= PART_PROVIDERS) {
    return json(
      200,
      { resource_providers: providers.map((provider) => renderProvider(request, provider)) },
      more,
    );
  }
  return { status: 200, body: renderInParts(request, providers), ...more };
}

/** So many are rendered in one piece, in a millisecond or two. */
const PART_PROVIDERS = 500;

async function* renderInParts(
  request: ApiRequest,
  providers: readonly ResourceProvider[],
): AsyncGenerator<Uint8Array> {
  const client = request.context.userId ?? "";
  const renderPart = (start: number) => {
    const part = providers
      .slice(start, start + PART_PROVIDERS)
      .map((provider) => JSON.stringify(renderProvider(request, provider)))
      .join(",");
    const isLast = start + PART_PROVIDERS >= providers.length;
    return `${start === 0 ? '{"resource_providers":[' : ","}${part}${isLast ? "]}" : ""}`;
  };
  const encoder = new TextEncoder();
  for (let start = 0; start < providers.length; start += PART_PROVIDERS) {
    yield await turns.goOn(client, () => encoder.encode(renderPart(start)));
  }
}

export async function createResourceProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:create");
  const body = await readJson(request, createSchema(request));
  const uuid = (body.uuid && normalizeUuid(body.uuid)) || randomUUID();
  const { name } = body;
  const refuse = (reason: string) =>
    badRequest(`Unable to create resource provider "${name}", ${uuid}: ${reason}`);
  if (name === "") throw refuse("Object action create failed because: name is required");
  const provider = await translatingErrors(
    createProvider(request.service, request.context, uuid, {
      name,
      parentProviderUuid: normalizeParent(body.parent_provider_uuid),
    }),
    [
      when(ResourceProviderExists, ({ attributes }) => {
        const values = { uuid, name };
        const duplicates = attributes.map((attribute) => `${attribute}: ${values[attribute]}`);
        return conflict(
          `Conflicting resource provider ${duplicates.join(", ")} already exists.`,
          ERROR_CODES.duplicateName,
        );
      }),
      when(ObjectActionError, (error) => refuse(error.message)),
    ],
  );
  const location = `/resource_providers/${provider.uuid}`;
  if (!supports(request, "createdProviderBody")) return empty(201, { location });
  return json(200, renderProvider(request, provider), {
    location,
    ...lastModified(request, [provider]),
  });
}

export async function getResourceProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:show");
  const provider = await getProvider(request.service, request.context, pathUuid(request));
  return json(200, renderProvider(request, provider), lastModified(request, [provider]));
}

export async function updateResourceProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:update");
  const uuid = pathUuid(request);
  // A provider that does not exist comes before a body that is wrong.
  await getProvider(request.service, request.context, uuid);
  const body = await readJson(request, updateSchema(request));
  const provider = await translatingErrors(
    updateProvider(
      request.service,
      request.context,
      uuid,
      { name: body.name, parentProviderUuid: normalizeParent(body.parent_provider_uuid) },
      supports(request, "reparenting"),
    ),
    [
      when(ResourceProviderExists, () =>
        conflict(
          `Conflicting resource provider ${body.name} already exists.`,
          ERROR_CODES.duplicateName,
        ),
      ),
      when(ObjectActionError, (error) =>
        badRequest(`Unable to save resource provider ${uuid}: ${error.message}`),
      ),
    ],
  );
  return json(200, renderProvider(request, provider), lastModified(request, [provider]));
}

export async function deleteResourceProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:delete");
  const uuid = pathUuid(request);
  await translatingErrors(deleteProvider(request.service, request.context, uuid), [
    when(ResourceProviderInUse, (error) =>
      conflict(
        `Unable to delete resource provider ${uuid}: ${error.message}`,
        ERROR_CODES.providerInUse,
      ),
    ),
    when(NotFound, () => notFound(`No resource provider with uuid ${uuid} found for delete`)),
    when(CannotDeleteParentResourceProvider, () =>
      conflict(
        `Unable to delete parent resource provider ${uuid}: It has child resource providers.`,
        ERROR_CODES.providerCannotDeleteParent,
      ),
    ),
  ]);
  return empty(204);
}

function normalizeParent(uuid: string | null | undefined): string | null | undefined {
  return uuid && (normalizeUuid(uuid) ?? uuid);
}
