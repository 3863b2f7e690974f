/**
 * Every microversion of the API with what it brought.
 *
 * Code asks for what a version brought, never for its number: `supports(request, "anyTraits")`.
 */
const MICROVERSIONS = [
  { minor: 0, name: "initial", summary: "Resource providers, inventories, allocations, usages" },
  { minor: 1, name: "aggregates", summary: "Aggregates of a resource provider" },
  { minor: 2, name: "resourceClasses", summary: "Custom resource classes" },
  { minor: 3, name: "memberOf", summary: "Resource providers by aggregate" },
  { minor: 4, name: "resourcesFilter", summary: "Resource providers by free resources" },
  { minor: 5, name: "deleteInventories", summary: "DELETE of all inventories of a provider" },
  { minor: 6, name: "traits", summary: "Traits, and traits of a resource provider" },
  { minor: 7, name: "idempotentResourceClass", summary: "PUT of a resource class without a body" },
  { minor: 8, name: "consumerOwner", summary: "Allocations name a project and a user" },
  { minor: 9, name: "totalUsages", summary: "Usages of a project or of a user in it" },
  { minor: 10, name: "allocationCandidates", summary: "Allocation candidates" },
  { minor: 11, name: "allocationsLink", summary: "Resource providers link to their allocations" },
  { minor: 12, name: "allocationsByProvider", summary: "Allocations written as they are read" },
  { minor: 13, name: "postAllocations", summary: "Allocations of several consumers at once" },
  { minor: 14, name: "nestedProviders", summary: "Trees of resource providers" },
  { minor: 15, name: "cacheHeaders", summary: "Last-Modified and Cache-Control headers" },
  { minor: 16, name: "limit", summary: "Limit for allocation candidates" },
  { minor: 17, name: "candidateTraits", summary: "Required traits of allocation candidates" },
  { minor: 18, name: "requiredFilter", summary: "Resource providers by traits" },
  { minor: 19, name: "aggregateGeneration", summary: "Aggregates guarded by the generation" },
  { minor: 20, name: "createdProviderBody", summary: "POST of a provider answers with it" },
  { minor: 21, name: "candidateMemberOf", summary: "Allocation candidates by aggregate" },
  { minor: 22, name: "forbiddenTraits", summary: "Forbidden traits" },
  { minor: 23, name: "errorCodes", summary: "Codes in error bodies" },
  { minor: 24, name: "repeatedMemberOf", summary: "member_of may be repeated" },
  { minor: 25, name: "granularGroups", summary: "Numbered request groups" },
  { minor: 26, name: "reservedCanBeTotal", summary: "All of an inventory may be reserved" },
  { minor: 27, name: "allSummaryClasses", summary: "Provider summaries name all classes" },
  { minor: 28, name: "consumerGeneration", summary: "Consumers guarded by a generation" },
  { minor: 29, name: "nestedCandidates", summary: "Allocation candidates from nested providers" },
  { minor: 30, name: "reshaper", summary: "Inventories and allocations moved at once" },
  { minor: 31, name: "candidateInTree", summary: "Allocation candidates of one tree" },
  { minor: 32, name: "forbiddenAggregates", summary: "Forbidden aggregates" },
  { minor: 33, name: "namedGroups", summary: "Request groups with names" },
  { minor: 34, name: "mappings", summary: "Which provider met which request group" },
  { minor: 35, name: "rootRequired", summary: "Traits of the root provider" },
  { minor: 36, name: "sameSubtree", summary: "Request groups below one provider" },
  { minor: 37, name: "reparenting", summary: "Providers may change their parent" },
  { minor: 38, name: "consumerTypes", summary: "Consumers have a type" },
  { minor: 39, name: "anyTraits", summary: "One of several traits required" },
] as const;

export type Feature = (typeof MICROVERSIONS)[number]["name"];

/** A version of the API, `1.<minor>`. */
export interface Microversion {
  readonly major: 1;
  readonly minor: number;
}

export const MIN_MICROVERSION: Microversion = { major: 1, minor: 0 };
export const MAX_MICROVERSION: Microversion = { major: 1, minor: MICROVERSIONS.length - 1 };

const MINOR_OF_FEATURE = new Map<Feature, number>(
  MICROVERSIONS.map(({ name, minor }) => [name, minor]),
);

/** The minor number of the version that brought a feature. */
export function minorOf(feature: Feature): number {
  const minor = MINOR_OF_FEATURE.get(feature);
  if (minor === undefined) throw new Error(`no microversion brings ${feature}`);
  return minor;
}

/** Whether the version that a request speaks has a feature. */
export function supports(
  request: { readonly microversion: Microversion },
  feature: Feature,
): boolean {
  return request.microversion.minor >= minorOf(feature);
}

export function formatMicroversion({ major, minor }: Microversion): string {
  return `${major}.${minor}`;
}

/** The table, for documentation and for tests. */
export function listMicroversions(): typeof MICROVERSIONS {
  return MICROVERSIONS;
}
