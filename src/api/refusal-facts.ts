import type { Refusal } from "../domain/refusal.ts";

/** So many providers, classes or consumers of one refusal are named. */
export const MAX_NAMED = 10;

/** What something was refused for, in the words of the API. */
export function renderFacts(refusal: Refusal): object {
  switch (refusal.reason) {
    case "out_of_capacity":
    case "units": {
      const { provider, resourceClass, requested, capacity, used, reserved } = refusal;
      return {
        provider: { uuid: provider.uuid, name: provider.name },
        resource_class: resourceClass,
        requested,
        capacity,
        used,
        reserved,
        min_unit: refusal.minUnit,
        max_unit: refusal.maxUnit,
        step_size: refusal.stepSize,
        generation: provider.generation,
      };
    }
    case "no_inventory":
    case "inventory_in_use":
      return {
        providers: refusal.providers.slice(0, MAX_NAMED),
        resource_classes: refusal.resourceClasses.slice(0, MAX_NAMED),
      };
    case "unknown_provider":
      return { provider: { uuid: refusal.provider } };
    case "consumer_generation":
      return { given: refusal.given, actual: refusal.actual };
    case "provider_generation":
      return {
        provider: { uuid: refusal.provider },
        given: refusal.given,
        actual: refusal.actual,
      };
    default:
      return {};
  }
}
