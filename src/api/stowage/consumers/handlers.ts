import { ResourceClassNotFound, ResourceProviderNotFound } from "../../../domain/errors.ts";
import {
  findHeldConsumer,
  searchConsumers,
  type ConsumerQuery,
} from "../../../operations/consumers.ts";
import { UNKNOWN_CONSUMER_TYPE } from "../../../operations/usages.ts";
import { badRequest, notFound } from "../../http-error.ts";
import type { ApiRequest, QueryParameters } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readTime } from "../read-time.ts";
import { renewedContext } from "../renewed-context.ts";
import { renderGrantedConsumer } from "./rendering.ts";
import { DEFAULT_LIMIT } from "./schemas.ts";

/** Those of one project may be listed by its readers, all by those who look after the service. */
export async function listConsumers(request: ApiRequest): Promise<ApiResponse> {
  const { service, query } = request;
  const wanted = readQuery(query);
  const page = {
    after: Number(query.get("after") ?? 0),
    limit: Number(query.get("limit") ?? DEFAULT_LIMIT),
  };
  const { consumers, next } = await translatingErrors(
    searchConsumers(service, () => renewedContext(request), wanted, page),
    [
      when(ResourceProviderNotFound, ({ message }) => badRequest(message)),
      when(ResourceClassNotFound, ({ message }) => badRequest(message)),
    ],
  );
  const hasNames = await mayHaveNames(request);
  return json(200, {
    consumers: consumers.map((consumer) => renderGrantedConsumer(consumer, hasNames)),
    next: next === undefined ? null : String(next),
  });
}

export async function showConsumer(request: ApiRequest): Promise<ApiResponse> {
  const { service, context, parameters } = request;
  const { uuid = "" } = parameters;
  const found = await findHeldConsumer(service, context, uuid);
  // Who is not let in learns nothing, not even that there is none.
  request.authorize("stowage:consumers:show", { projectId: found?.projectId ?? undefined });
  if (!found) throw notFound(`No consumer with uuid ${uuid} found.`);
  return json(200, renderGrantedConsumer(found, await mayHaveNames(request)));
}

function mayHaveNames(request: ApiRequest): Promise<boolean> {
  return request.recognize("stowage:providers:list");
}

function readQuery(query: QueryParameters): ConsumerQuery {
  const type = query.get("type");
  const texts = {
    uuid: query.get("uuid"),
    projectId: query.get("project_id"),
    userId: query.get("user_id"),
    providerUuid: query.get("provider"),
    tree: query.get("tree"),
    resourceClass: query.get("resource_class"),
  };
  const [created, updated] = [query.get("created_before"), query.get("updated_before")];
  const [heldOnTrees, gang] = [query.get("held_on_trees"), query.get("gang")];
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)),
    ...(type !== undefined && { type: type === UNKNOWN_CONSUMER_TYPE ? null : type }),
    ...(created !== undefined && { createdBefore: readTime(created, "created_before") }),
    ...(updated !== undefined && { updatedBefore: readTime(updated, "updated_before") }),
    ...(query.get("lease") === "expired" && { hasExpired: true }),
    ...(gang !== undefined && { gang }),
    ...(heldOnTrees !== undefined && { heldOnTrees: Number(heldOnTrees) }),
  };
}
