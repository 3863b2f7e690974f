import type { InventoryAmounts } from "../domain/inventory.ts";

/** The amounts of an inventory, as every answer names them. */
export function renderAmounts(inventory: InventoryAmounts) {
  return {
    total: inventory.total,
    reserved: inventory.reserved,
    min_unit: inventory.minUnit,
    max_unit: inventory.maxUnit,
    step_size: inventory.stepSize,
    allocation_ratio: inventory.allocationRatio,
  };
}
