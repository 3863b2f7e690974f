import {
  ResourceClassCannotDeleteStandard,
  ResourceClassCannotUpdateStandard,
  ResourceClassExists,
  ResourceClassInUse,
} from "../../../domain/errors.ts";
import type { NamedRecord } from "../../../domain/provider-record.ts";
import * as operations from "../../../operations/resource-classes.ts";
import { badRequest, conflict, HttpError } from "../../http-error.ts";
import { lastModified, modifiedAt, Newest } from "../../last-modified.ts";
import { supports } from "../../microversions.ts";
import { pathParameter } from "../../parameters.ts";
import type { ApiRequest } from "../../request.ts";
import { empty, json, type ApiResponse } from "../../response.ts";
import { answerText, joined, noting } from "../../text-writer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readJson } from "../../validation/schema.ts";
import { NAMED } from "./schemas.ts";

export async function listResourceClasses(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_classes:list");
  const classes = await operations.listResourceClasses(request.service, request.context);
  const newest = new Newest();
  const answer = await answerText(request, classesText(request, classes, newest));
  return { ...answer, ...modifiedAt(request, newest.seconds) };
}

function* classesText(
  request: ApiRequest,
  classes: readonly NamedRecord[],
  newest: Newest,
): Generator<string> {
  yield* noting(classes, (one) => newest.noteRecord(one));
  yield '{"resource_classes":[';
  yield* joined(Iterator.from(classes).map(({ name }) => JSON.stringify(render(request, name))));
  yield "]}";
}

export async function createResourceClass(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_classes:create");
  const { name } = await readJson(request, NAMED);
  await translatingErrors(operations.createResourceClass(request.service, request.context, name), [
    when(ResourceClassExists, () => conflict(`Conflicting resource class already exists: ${name}`)),
  ]);
  return empty(201, { location: pathOf(name) });
}

export async function getResourceClass(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_classes:show");
  const name = pathParameter(request, "name");
  const resourceClass = await operations.getResourceClass(request.service, request.context, name);
  return json(200, render(request, name), lastModified(request, [resourceClass]));
}

/** Below 1.7 PUT renames a class; since then it makes sure that there is one. */
export async function updateResourceClass(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_classes:update");
  return supports(request, "idempotentResourceClass") ? ensure(request) : rename(request);
}

export async function deleteResourceClass(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_classes:delete");
  const name = pathParameter(request, "name");
  await translatingErrors(operations.deleteResourceClass(request.service, request.context, name), [
    when(ResourceClassCannotDeleteStandard, (error) => badRequest(explain(error))),
    when(ResourceClassInUse, (error) => conflict(explain(error))),
  ]);
  return empty(204);
}

async function ensure(request: ApiRequest): Promise<ApiResponse> {
  const name = pathParameter(request, "name");
  NAMED.validate({ name });
  const isNew = await operations.ensureResourceClass(request.service, request.context, name);
  return empty(isNew ? 201 : 204, { location: pathOf(name) });
}

async function rename(request: ApiRequest): Promise<ApiResponse> {
  if (request.contentType !== "application/json") throw unsupportedMediaType(request.contentType);
  const name = pathParameter(request, "name");
  const { name: newName } = await readJson(request, NAMED);
  await translatingErrors(
    operations.updateResourceClass(request.service, request.context, name, newName),
    [
      when(ResourceClassExists, () => conflict(`Resource class already exists: ${newName}`)),
      when(ResourceClassCannotUpdateStandard, () =>
        badRequest(`Cannot update standard resource class ${name}`),
      ),
    ],
  );
  return json(200, render(request, newName));
}

/** The route as a whole cannot ask for JSON: since 1.7 it takes no body. */
function unsupportedMediaType(contentType: string): HttpError {
  return new HttpError(
    415,
    `The media type ${contentType || "None"} is not supported, use application/json`,
  );
}

function render(request: ApiRequest, name: string) {
  return { name, links: [{ rel: "self", href: `${request.mountPoint}${pathOf(name)}` }] };
}

function pathOf(name: string): string {
  return `/resource_classes/${name}`;
}

function explain(error: Error): string {
  return `Error in delete resource class: ${error.message}`;
}
