import { NotFound } from "../../../domain/errors.ts";
import { aboutProvider, type KnownProvider } from "../../../operations/known-provider.ts";
import * as operations from "../../../operations/usages.ts";
import { notFound } from "../../http-error.ts";
import { lastModified } from "../../last-modified.ts";
import { supports } from "../../microversions.ts";
import { pathUuid } from "../../parameters.ts";
import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";
import { answerText, joined } from "../../text-writer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { validateQuery } from "../../validation/schema.ts";
import { TOTAL, TOTAL_BY_TYPE } from "./schemas.ts";

export async function getUsagesOfProvider(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:usages");
  const uuid = pathUuid(request);
  const { service, context } = request;
  const modified = lastModified(request);
  return translatingErrors(
    aboutProvider(service, context, uuid, async (provider) => ({
      ...(await answerText(request, providerUsagesText(provider), provider)),
      ...modified,
    })),
    [
      when(NotFound, (error) =>
        notFound(`No resource provider with uuid ${uuid} found: ${error.message}`),
      ),
    ],
  );
}

function* providerUsagesText(provider: KnownProvider): Generator<string> {
  yield `{"resource_provider_generation":${provider.generation},"usages":{`;
  yield* joined(
    provider
      .inventories()
      .map(({ resourceClass, used }) => `${JSON.stringify(resourceClass)}:${used}`),
  );
  yield "}}";
}

export async function getTotalUsages(request: ApiRequest): Promise<ApiResponse> {
  const { query, service, context } = request;
  const projectId = query.get("project_id");
  request.authorize("placement:usages", { projectId });
  const hasTypes = supports(request, "consumerTypes");
  validateQuery(hasTypes ? TOTAL_BY_TYPE : TOTAL, query);
  const owner = { projectId: projectId ?? "", userId: query.get("user_id") };
  const usages = hasTypes
    ? await renderByType(request, owner)
    : Object.fromEntries(await operations.getTotalUsages(service, context, owner));
  return json(200, { usages }, lastModified(request));
}

async function renderByType({ query, service, context }: ApiRequest, owner: operations.UsageOwner) {
  const byType = await operations.getUsagesByConsumerType(
    service,
    context,
    owner,
    query.get("consumer_type"),
  );
  return Object.fromEntries(
    [...byType].map(([type, { consumerCount, usages }]) => [
      type,
      { ...Object.fromEntries(usages), consumer_count: consumerCount },
    ]),
  );
}
