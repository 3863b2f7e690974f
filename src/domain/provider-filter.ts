import type { RequestGroup } from "./candidate-query.ts";

/**
 * What `GET /resource_providers` can ask of a provider that the read model knows. Each provider is
 * looked at on its own: neither its tree nor what is shared with it counts.
 */
export type ProviderFilter = Omit<RequestGroup, "suffix">;
