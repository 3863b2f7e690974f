import type { InventoryAmounts } from "../../domain/inventory.ts";

export function renderInventory(inventory: InventoryAmounts) {
  return {
    total: inventory.total,
    reserved: inventory.reserved,
    min_unit: inventory.minUnit,
    max_unit: inventory.maxUnit,
    step_size: inventory.stepSize,
    allocation_ratio: inventory.allocationRatio,
  };
}

export function renderInventories(
  generation: number,
  inventories: ReadonlyMap<string, InventoryAmounts>,
) {
  return {
    resource_provider_generation: generation,
    inventories: Object.fromEntries(
      [...inventories].map(([name, inventory]) => [name, renderInventory(inventory)]),
    ),
  };
}
