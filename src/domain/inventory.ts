/** The arithmetic of one inventory. */

/** The largest value of the INTEGER columns of the schema. */
export const MAX_INT = 0x7fff_ffff;
/** The largest allocation ratio: what a single precision float holds, as MySQL stores it. */
export const MAX_ALLOCATION_RATIO = 3.40282e38;

export interface InventoryAmounts {
  readonly total: number;
  readonly reserved: number;
  readonly minUnit: number;
  readonly maxUnit: number;
  readonly stepSize: number;
  readonly allocationRatio: number;
}

/**
 * How much can be allocated in all, a whole number that is negative when more is reserved than
 * there is: `(total - reserved) * allocationRatio`, cut towards zero as Placement does.
 */
export function capacityOf(inventory: {
  readonly total: number;
  readonly reserved: number;
  readonly allocationRatio: number;
}): number {
  return Math.trunc((inventory.total - inventory.reserved) * inventory.allocationRatio);
}

/** Whether one allocation of `amount` respects min_unit, max_unit and step_size. */
export function meetsUnitConstraints(inventory: InventoryAmounts, amount: number): boolean {
  return (
    amount >= inventory.minUnit && amount <= inventory.maxUnit && amount % inventory.stepSize === 0
  );
}
