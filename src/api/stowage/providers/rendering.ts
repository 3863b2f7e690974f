import type { FleetInventory, FleetProvider } from "../../../operations/fleet.ts";

/** What can be asked of each provider, besides who and where it is. */
export const FIELDS = ["inventories", "usages", "traits", "aggregates"] as const;
export type Fields = ReadonlySet<(typeof FIELDS)[number]>;

export function renderProvider(provider: FleetProvider, fields: Fields): string {
  const { inventories, traits, aggregates } = provider;
  return JSON.stringify({
    uuid: provider.uuid,
    name: provider.name,
    generation: provider.generation,
    root_provider_uuid: provider.rootUuid,
    parent_provider_uuid: provider.parentUuid,
    ...(fields.has("traits") && { traits }),
    ...(fields.has("aggregates") && { aggregates }),
    ...((fields.has("inventories") || fields.has("usages")) && {
      inventories: Object.fromEntries(
        inventories.map((inventory) => [
          inventory.resourceClass,
          renderInventory(inventory, fields),
        ]),
      ),
    }),
  });
}

function renderInventory(inventory: FleetInventory, fields: Fields) {
  return {
    ...(fields.has("inventories") && {
      total: inventory.total,
      reserved: inventory.reserved,
      min_unit: inventory.minUnit,
      max_unit: inventory.maxUnit,
      step_size: inventory.stepSize,
      allocation_ratio: inventory.allocationRatio,
      capacity: inventory.capacity,
    }),
    ...(fields.has("usages") && { used: inventory.used }),
  };
}
