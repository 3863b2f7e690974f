import type { ConsumerAllocations, NamedAllocation } from "../../../operations/allocations.ts";
import { supports } from "../../microversions.ts";
import type { ApiRequest } from "../../request.ts";

export function renderConsumerAllocations(
  request: ApiRequest,
  { allocations, consumer, consumerType }: ConsumerAllocations,
) {
  const byProvider: Record<string, { resources: Record<string, number>; generation: number }> = {};
  for (const allocation of allocations) {
    const entry = (byProvider[allocation.resourceProviderUuid] ??= {
      resources: {},
      generation: allocation.resourceProviderGeneration,
    });
    entry.resources[allocation.resourceClass] = allocation.used;
  }
  if (!consumer) return { allocations: byProvider };
  return {
    allocations: byProvider,
    ...(supports(request, "allocationsByProvider") && {
      project_id: consumer.project.externalId,
      user_id: consumer.user.externalId,
    }),
    ...(supports(request, "consumerGeneration") && { consumer_generation: consumer.generation }),
    ...(supports(request, "consumerTypes") && { consumer_type: consumerType }),
  };
}

export function renderProviderAllocations(
  request: ApiRequest,
  generation: number,
  allocations: readonly NamedAllocation[],
) {
  const byConsumer: Record<
    string,
    { resources: Record<string, number>; consumer_generation?: number }
  > = {};
  for (const allocation of allocations) {
    const entry = (byConsumer[allocation.consumerUuid] ??= {
      resources: {},
      ...(supports(request, "consumerGeneration") && {
        consumer_generation: allocation.consumerGeneration,
      }),
    });
    entry.resources[allocation.resourceClass] = allocation.used;
  }
  return { allocations: byConsumer, resource_provider_generation: generation };
}
