import type { Selectable } from "kysely";

import type { InventoryAmounts } from "../domain/inventory.ts";
import type { Schema } from "./schema.ts";

/** The amounts of an inventory, where its table is called `i`. */
export const AMOUNT_COLUMNS = [
  "i.total",
  "i.reserved",
  "i.min_unit",
  "i.max_unit",
  "i.step_size",
  "i.allocation_ratio",
] as const;

type AmountRow = Pick<
  Selectable<Schema["inventories"]>,
  "total" | "reserved" | "min_unit" | "max_unit" | "step_size" | "allocation_ratio"
>;

export function toAmounts(row: AmountRow): InventoryAmounts {
  return {
    total: row.total,
    reserved: row.reserved,
    minUnit: row.min_unit,
    maxUnit: row.max_unit,
    stepSize: row.step_size,
    allocationRatio: row.allocation_ratio,
  };
}

export function fromAmounts(inventory: InventoryAmounts): AmountRow {
  return {
    total: inventory.total,
    reserved: inventory.reserved,
    min_unit: inventory.minUnit,
    max_unit: inventory.maxUnit,
    step_size: inventory.stepSize,
    allocation_ratio: inventory.allocationRatio,
  };
}
