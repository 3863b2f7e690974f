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
import { canonicalUuid, normalizeUuid } from "../../../domain/uuid.ts";
import {
  createProvider,
  deleteProvider,
  updateProvider,
} from "../../../operations/resource-providers.ts";
import { aboutProvider, expectProvider } from "../../../operations/known-provider.ts";
import {
  listProviders,
  listProvidersNamed,
  type ProviderConditions,
} from "../../../operations/provider-listing.ts";
import { release } from "../../byte-writer.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict, notFound } from "../../http-error.ts";
import { lastModified, modifiedAt } from "../../last-modified.ts";
import { supports } from "../../microversions.ts";
import { PageTexts } from "../../page-texts.ts";
import { pathUuid } from "../../parameters.ts";
import { frameOfList, ProvidersWriter } from "../../providers-writer.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, json, type ApiResponse } from "../../response.ts";
import { answerInSlices } from "../../sliced-answer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readJson, validateQuery } from "../../validation/schema.ts";
import { formOfList, listedProvider } from "./list-form.ts";
import { readListing } from "./query.ts";
import { renderProvider } from "./rendering.ts";
import { createSchema, listSchema, updateSchema } from "./schemas.ts";

export async function listResourceProviders(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:list");
  validateQuery(listSchema(request), request.query);
  const { name, ...conditions } = readListing(request);
  return translatingErrors(
    name === undefined ? answerList(request, conditions) : answerNamed(request, name, conditions),
    [
      when(ResourceClassNotFound, (error) =>
        badRequest(`Invalid resource class in resources parameter: ${error.message}`),
      ),
      when(TraitNotFound, (error) =>
        badRequest(`Invalid trait(s) in "required" parameter: ${error.message}`),
      ),
    ],
  );
}

async function answerList(
  request: ApiRequest,
  conditions: ProviderConditions,
): Promise<ApiResponse> {
  const { service, context, signal } = request;
  const listing = await listProviders(service, context, conditions);
  const { providers } = listing;
  const texts = PageTexts.for(providers, formOfList(request));
  const write = listedProvider(providers, request);
  const writer = new ProvidersWriter(listing, texts, write, frameOfList('{"resource_providers":'));
  const terms = { client: context.userId ?? "", signal, mayWait: true };
  const body = await answerInSlices(writer, terms, listing);
  return { status: 200, body, onSent: release, ...modifiedAt(request, listing.modifiedAt) };
}

/** Few have one name. */
async function answerNamed(
  request: ApiRequest,
  name: string,
  conditions: ProviderConditions,
): Promise<ApiResponse> {
  const providers = await listProvidersNamed(request.service, request.context, name, conditions);
  return json(
    200,
    { resource_providers: providers.map((provider) => renderProvider(request, provider)) },
    lastModified(request, providers),
  );
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
  const { service, context } = request;
  return aboutProvider(service, context, pathUuid(request), (provider) =>
    json(200, renderProvider(request, provider.shown), modifiedAt(request, provider.modifiedAt)),
  );
}

export async function updateResourceProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:update");
  const uuid = pathUuid(request);
  // A provider that does not exist comes before a body that is wrong.
  await expectProvider(request.service, request.context, uuid);
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
  return uuid && canonicalUuid(uuid);
}
