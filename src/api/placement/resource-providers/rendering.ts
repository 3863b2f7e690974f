import type { ShownProvider } from "../../../operations/known-provider.ts";
import { supports, type Feature } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";

/** What belongs to a provider, with the version that links to it. */
export const RELATIONS: readonly (readonly [relation: string, since: Feature])[] = [
  ["inventories", "initial"],
  ["usages", "initial"],
  ["aggregates", "aggregates"],
  ["traits", "traits"],
  ["allocations", "allocationsLink"],
];

type Asked = Pick<ApiRequest, "microversion" | "query" | "mountPoint">;

export function renderProvider(request: Asked, provider: ShownProvider) {
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

function renderLinks(request: Asked, provider: ShownProvider) {
  const self = `${request.mountPoint}/resource_providers/${provider.uuid}`;
  return [
    { rel: "self", href: self },
    ...RELATIONS.filter(([, since]) => supports(request, since)).map(([relation]) => ({
      rel: relation,
      href: `${self}/${relation}`,
    })),
  ];
}
