import type { ProviderFilter } from "../../../domain/provider-filter.ts";
import { canonicalUuid } from "../../../domain/uuid.ts";
import type { ProviderConditions } from "../../../operations/provider-listing.ts";
import {
  parseInTree,
  parseResources,
  readMemberOf,
  readRequiredTraits,
} from "../../queries/query-filters.ts";
import { checkLimitsOfGroups } from "../../query-limits.ts";
import type { ApiRequest } from "../../request.ts";

const FILTERS = ["resources", "required", "member_of", "in_tree"] as const;

/** What the query string of `GET /resource_providers` asks for. */
export function readListing(
  request: ApiRequest,
): ProviderConditions & { readonly name: string | undefined } {
  const { query } = request;
  const uuid = query.get("uuid");
  return {
    // Upstream takes an empty name or UUID for none.
    name: query.get("name") || undefined,
    uuid: uuid ? canonicalUuid(uuid) : undefined,
    filter: FILTERS.some((name) => query.has(name)) ? readFilter(request) : undefined,
  };
}

function readFilter(request: ApiRequest): ProviderFilter {
  const resources = request.query.get("resources");
  const inTree = request.query.get("in_tree");
  const filter = {
    ...readMemberOf(request),
    ...readRequiredTraits(request),
    resources: resources === undefined ? new Map<string, number>() : parseResources(resources),
    inTree: inTree === undefined ? undefined : parseInTree(inTree),
  };
  checkLimitsOfGroups([filter]);
  return filter;
}
