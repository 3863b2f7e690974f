import { ConcurrentUpdateDetected, ProviderGenerationConflict } from "../../../domain/errors.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import {
  listProviderAggregates,
  setProviderAggregates,
  type ProviderAggregates,
} from "../../../operations/aggregates.ts";
import { aboutProvider, expectProvider } from "../../../operations/known-provider.ts";
import { ERROR_CODES } from "../../error-codes.ts";
import { conflict } from "../../http-error.ts";
import { lastModified } from "../../last-modified.ts";
import { supports } from "../../microversions.ts";
import { pathUuid } from "../../parameters.ts";
import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";
import { answerText, joined } from "../../text-writer.ts";
import { translatingErrors, when } from "../../translate-errors.ts";
import { readJson } from "../../validation/schema.ts";
import { SET, SET_WITH_GENERATION } from "./schemas.ts";

export async function getAggregates(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:aggregates:list");
  const { service, context } = request;
  const uuid = pathUuid(request);
  return aboutProvider(service, context, uuid, async (provider) => {
    const aggregates = provider.aggregates();
    if (!aggregates) {
      return respond(request, await listProviderAggregates(service, context, uuid));
    }
    const modified = lastModified(request);
    const text = aggregatesText(request, aggregates, provider.generation);
    return { ...(await answerText(request, text, provider)), ...modified };
  });
}

function* aggregatesText(
  request: ApiRequest,
  aggregates: Iterable<string | undefined>,
  generation: number,
): Generator<string> {
  yield '{"aggregates":[';
  yield* joined(Iterator.from(aggregates).map((uuid) => uuid && JSON.stringify(uuid)));
  yield supports(request, "aggregateGeneration")
    ? `],"resource_provider_generation":${generation}}`
    : "]}";
}

export async function setAggregates(request: ApiRequest): Promise<ApiResponse> {
  request.authorize("placement:resource_providers:aggregates:update");
  const uuid = pathUuid(request);
  // A provider that does not exist comes before a body that is wrong.
  await expectProvider(request.service, request.context, uuid);
  const { aggregates, generation } = await readBody(request);
  const result = await translatingErrors(
    setProviderAggregates(
      request.service,
      request.context,
      uuid,
      generation,
      aggregates.map((aggregate) => canonicalUuid(aggregate)),
    ),
    [
      when(ProviderGenerationConflict, () =>
        conflict(
          "Resource provider's generation already changed. " +
            "Please update the generation and try again.",
          ERROR_CODES.concurrentUpdate,
        ),
      ),
      when(ConcurrentUpdateDetected, (error) =>
        conflict(`Update conflict: ${error.message}`, ERROR_CODES.concurrentUpdate),
      ),
    ],
  );
  return respond(request, result);
}

async function readBody(request: ApiRequest) {
  if (!supports(request, "aggregateGeneration")) {
    return { aggregates: await readJson(request, SET), generation: undefined };
  }
  const body = await readJson(request, SET_WITH_GENERATION);
  return { aggregates: body.aggregates, generation: body.resource_provider_generation };
}

function respond(request: ApiRequest, { aggregates, generation }: ProviderAggregates): ApiResponse {
  return json(
    200,
    {
      aggregates,
      ...(supports(request, "aggregateGeneration") && {
        resource_provider_generation: generation,
      }),
    },
    lastModified(request),
  );
}
