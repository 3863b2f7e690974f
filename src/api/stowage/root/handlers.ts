import { bodySizesOf } from "../../body-sizes.ts";
import { formatMicroversion, MAX_MICROVERSION, MIN_MICROVERSION } from "../../microversions.ts";
import { MAX_TOLD } from "../../../domain/told-constraints.ts";
import { MAX_NEAREST } from "../explain/schemas.ts";
import { MAX_LIMIT as MAX_HISTORY } from "../history/schemas.ts";
import { MAX_REFUSALS } from "../refusals/schemas.ts";
import { FIT_LIMITS } from "../fit/schemas.ts";
import { QUERY_LIMITS } from "../../query-limits.ts";
import type { ApiRequest } from "../../request.ts";
import { json, type ApiResponse } from "../../response.ts";
import { MAX_EVENT_FILTERS, MAX_EVENTS, MAX_STREAMS } from "../../stream-limits.ts";
import { CLAIM_LIMITS } from "../claims/schemas.ts";
import { VERSION } from "../../../config/version.ts";

export function describeService(
  { config }: ApiRequest,
  {
    capabilities,
    position,
  }: { readonly capabilities: readonly string[]; readonly position: string },
): ApiResponse {
  const { parameters, groups, resources, traits, aggregates, sameSubtrees } = QUERY_LIMITS;
  const { small, largest } = bodySizesOf(config);
  return json(200, {
    name: "stowage",
    version: VERSION,
    microversions: {
      min: formatMicroversion(MIN_MICROVERSION),
      max: formatMicroversion(MAX_MICROVERSION),
    },
    capabilities,
    limits: {
      query: {
        parameters: parameters.most,
        groups: groups.most,
        resources: resources.most,
        traits: traits.most,
        aggregates: aggregates.most,
        same_subtrees: sameSubtrees.most,
      },
      body_bytes: small,
      largest_body_bytes: largest,
      streams: MAX_STREAMS,
      event_filters: MAX_EVENT_FILTERS,
      events: MAX_EVENTS,
      explain: { constraints: MAX_TOLD, nearest: MAX_NEAREST },
      refusals: MAX_REFUSALS,
      history: MAX_HISTORY,
      fit: FIT_LIMITS,
      claims: {
        among: CLAIM_LIMITS.among,
        not_on: CLAIM_LIMITS.notOn,
        attempts: CLAIM_LIMITS.attempts,
        idempotency_key: CLAIM_LIMITS.idempotencyKey,
        lease_seconds: CLAIM_LIMITS.leaseSeconds.most,
        members: CLAIM_LIMITS.members,
        rules: CLAIM_LIMITS.rules,
        aggregates: CLAIM_LIMITS.aggregates,
      },
    },
    position,
  });
}
