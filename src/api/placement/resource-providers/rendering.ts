import type { ResourceProvider } from "../../../domain/resource-provider.ts";
import { supports, type Feature } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";

/** What belongs to a provider, with the version that links to it. */
const RELATIONS: readonly (readonly [relation: string, since: Feature])[] = [
  ["inventories", "initial"],
  ["usages", "initial"],
  ["aggregates", "aggregates"],
  ["traits", "traits"],
  ["allocations", "allocationsLink"],
];

export function renderProvider(request: ApiRequest, provider: ResourceProvider) {
  return {
    uuid: provider.uuid,
    name: provider.name,
    generation: provider.generation,
    links: renderLinks(request, provider),
    ...(supports(request, "nestedProviders") && {
      parent_provider_uuid: provider.parentProviderUuid,
      root_provider_uuid: provider.rootProviderUuid,
    }),
  };
}

function renderLinks(request: ApiRequest, provider: ResourceProvider) {
  const self = `${request.mountPoint}/resource_providers/${provider.uuid}`;
  return [
    { rel: "self", href: self },
    ...RELATIONS.filter(([, since]) => supports(request, since)).map(([relation]) => ({
      rel: relation,
      href: `${self}/${relation}`,
    })),
  ];
}
