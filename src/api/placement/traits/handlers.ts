import {
  ConcurrentUpdateDetected,
  NotFound,
  ProviderGenerationConflict,
  TraitCannotDeleteStandard,
  TraitInUse,
  TraitNotFound,
} from "../../../domain/errors.ts";
import type { NamedRecord } from "../../../domain/provider-record.ts";
import {
  aboutProvider,
  expectProvider,
  type KnownProvider,
} from "../../../operations/known-provider.ts";
import * as operations from "../../../operations/traits.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { badRequest, conflict, HttpError, notFound } from "../../http-error.ts";
import { lastModified, modifiedAt, Newest } from "../../last-modified.ts";
import { pathParameter, pathUuid } from "../../parameters.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, json, type ApiResponse } from "../../response.ts";
import { answerText, joined, noting } from "../../text-writer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readJson, validateQuery } from "../../validation/schema.ts";
import { CUSTOM_TRAIT, LIST, SET } from "./schemas.ts";

export async function listTraits(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:traits:list");
  validateQuery(LIST, request.query);
  const traits = await operations.listTraits(request.service, request.context, readFilter(request));
  const newest = new Newest();
  const answer = await answerText(request, traitsText(traits, newest));
  return { ...answer, ...modifiedAt(request, newest.seconds) };
}

function* traitsText(traits: readonly NamedRecord[], newest: Newest): Generator<string> {
  yield* noting(traits, (trait) => newest.noteRecord(trait));
  yield '{"traits":[';
  yield* joined(Iterator.from(traits).map(({ name }) => JSON.stringify(name)));
  yield "]}";
}

export async function getTrait(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:traits:show");
  const trait = await operations.getTrait(
    request.service,
    request.context,
    pathParameter(request, "name"),
  );
  return empty(204, lastModified(request, [madeAt(trait)]));
}

export async function putTrait(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:traits:update");
  const name = pathParameter(request, "name");
  checkName(name);
  const { trait, isNew } = await operations.ensureTrait(request.service, request.context, name);
  return empty(isNew ? 201 : 204, {
    location: `/traits/${name}`,
    ...lastModified(request, [madeAt(trait)]),
  });
}

export async function deleteTrait(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:traits:delete");
  const name = pathParameter(request, "name");
  await translatingErrors(operations.deleteTrait(request.service, request.context, name), [
    when(TraitCannotDeleteStandard, (error) => badRequest(error.message)),
    when(TraitInUse, (error) => conflict(error.message)),
  ]);
  return empty(204);
}

export async function listTraitsOfProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:traits:list");
  const uuid = pathUuid(request);
  const { service, context } = request;
  return translatingErrors(
    aboutProvider(service, context, uuid, async (provider) => {
      const newest = new Newest();
      const answer = await answerText(request, providerTraitsText(provider, newest), provider);
      return { ...answer, ...modifiedAt(request, newest.seconds) };
    }),
    [
      when(NotFound, (error) =>
        notFound(`No resource provider with uuid ${uuid} found: ${error.message}`),
      ),
    ],
  );
}

function* providerTraitsText(provider: KnownProvider, newest: Newest): Generator<string> {
  yield* noting(provider.traits(), (trait) => newest.noteRecord(trait));
  yield '{"traits":[';
  yield* joined(provider.traits().map(({ name }) => JSON.stringify(name)));
  yield `],"resource_provider_generation":${provider.generation}}`;
}

export async function setTraitsOfProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:traits:update");
  const uuid = pathUuid(request);
  const body = await readJson(request, SET);
  // A provider that does not exist comes before a trait that does not.
  await expectProvider(request.service, request.context, uuid);
  const { traits, generation } = await translatingErrors(
    operations.setProviderTraits(
      request.service,
      request.context,
      uuid,
      body.resource_provider_generation,
      body.traits,
    ),
    [
      when(ProviderGenerationConflict, () =>
        conflict(
          "Resource provider's generation already changed. " +
            "Please update the generation and try again.",
          ERROR_CODES.concurrentUpdate,
        ),
      ),
      // The names of all that are missing, without the sentence around them.
      when(TraitNotFound, (error) => badRequest(`No such trait ${error.traitName}`)),
      whenConcurrent(),
    ],
  );
  return json(200, renderProviderTraits(traits, generation), lastModified(request, traits));
}

export async function deleteTraitsOfProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:traits:delete");
  await translatingErrors(
    operations.setProviderTraits(
      request.service,
      request.context,
      pathUuid(request),
      undefined,
      [],
    ),
    [whenConcurrent()],
  );
  return empty(204);
}

function whenConcurrent() {
  return when(ConcurrentUpdateDetected, (error) =>
    conflict(error.message, ERROR_CODES.concurrentUpdate),
  );
}

function checkName(name: string): void {
  try {
    CUSTOM_TRAIT.validate(name);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    throw badRequest(
      "The trait is invalid. A valid trait must be no longer than 255 characters, " +
        'start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"',
    );
  }
}

function readFilter({ query }: ApiRequest): operations.TraitFilter {
  return { ...readNameFilter(query.get("name")), isAssociated: readAssociated(query) };
}

/** `in:A,B`, `startswith:PREFIX`; any other word before the colon filters nothing, as upstream. */
function readNameFilter(filter: string | undefined): operations.TraitFilter {
  if (filter === undefined) return {};
  const colon = filter.indexOf(":");
  if (colon < 0) {
    throw badRequest(
      "Badly formatted name parameter. Expected name query string parameter in form: " +
        `?name=[in|startswith]:[name1,name2|prefix]. Got: "${filter}"`,
    );
  }
  const operator = filter.slice(0, colon);
  const value = filter.slice(colon + 1);
  if (operator === "in") return { names: value.split(",") };
  return operator === "startswith" ? { prefix: value } : {};
}

function readAssociated(query: ApiRequest["query"]): boolean | undefined {
  const value = query.get("associated")?.toLowerCase();
  if (value === undefined) return undefined;
  if (value !== "true" && value !== "false") {
    throw badRequest('The query parameter "associated" only accepts "true" or "false"');
  }
  return value === "true";
}

function renderProviderTraits(traits: readonly NamedRecord[], generation: number) {
  return { traits: namesOf(traits), resource_provider_generation: generation };
}

function namesOf(traits: readonly NamedRecord[]): string[] {
  return traits.map((trait) => trait.name);
}

/** A trait is never changed after it was made. */
function madeAt({ createdAt }: NamedRecord) {
  return { createdAt, updatedAt: null };
}
