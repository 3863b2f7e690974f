import type { InventoryAmounts } from "../domain/inventory.ts";
import { fromAmounts, toAmounts } from "./inventory-columns.ts";
import { createdNow } from "./created-now.ts";
import { UnstorableValue } from "../domain/errors.ts";
import { lockResourceClasses } from "./names.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** One inventory as the table has it. */
interface StoredInventory extends InventoryAmounts {
  readonly resourceClassId: number;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

/** The inventories of a provider in the order of their classes' ids. */
export async function listInventories(
  tx: ReadTransaction,
  providerId: number,
): Promise<StoredInventory[]> {
  const rows = await tx.query
    .selectFrom("inventories as i")
    .selectAll("i")
    .where("i.resource_provider_id", "=", providerId)
    .orderBy("i.resource_class_id")
    .execute();
  return rows.map((row) => ({
    resourceClassId: row.resource_class_id,
    ...toAmounts(row),
    createdAt: tx.adapter.decodeDate(row.created_at),
    updatedAt: tx.adapter.decodeDate(row.updated_at),
  }));
}

/**
 * Throws `DuplicateEntry` when the provider has an inventory of the class, and `ReferenceViolation`
 * when there is no such class any more.
 */
export async function insertInventories(
  tx: WriteTransaction,
  providerId: number,
  inventories: ReadonlyMap<number, InventoryAmounts>,
): Promise<void> {
  if (inventories.size === 0) return;
  await lockResourceClasses(tx, [...inventories.keys()]);
  await tx.query
    .insertInto("inventories")
    .values(
      [...inventories].map(([resourceClassId, inventory]) => ({
        resource_provider_id: providerId,
        resource_class_id: resourceClassId,
        ...toColumns(tx, inventory),
        ...createdNow(tx),
      })),
    )
    .execute();
}

/** Returns false when the provider has no inventory of the class. */
export async function updateInventory(
  tx: WriteTransaction,
  providerId: number,
  resourceClassId: number,
  inventory: InventoryAmounts,
): Promise<boolean> {
  const result = await tx.query
    .updateTable("inventories")
    .set({ ...toColumns(tx, inventory), updated_at: tx.adapter.encodeDate(tx.now) })
    .where("resource_provider_id", "=", providerId)
    .where("resource_class_id", "=", resourceClassId)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Returns how many there were. */
export async function deleteInventories(
  tx: WriteTransaction,
  providerId: number,
  resourceClassIds: readonly number[],
): Promise<number> {
  if (resourceClassIds.length === 0) return 0;
  const result = await tx.query
    .deleteFrom("inventories")
    .where("resource_provider_id", "=", providerId)
    .where("resource_class_id", "in", resourceClassIds)
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Whether any provider has an inventory of a class. */
export async function isResourceClassInUse(
  tx: ReadTransaction,
  resourceClassId: number,
): Promise<boolean> {
  const row = await tx.query
    .selectFrom("inventories as i")
    .select("i.id")
    .where("i.resource_class_id", "=", resourceClassId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** @throws UnstorableValue a ratio so small that the column would make none of it */
function toColumns({ adapter }: WriteTransaction, inventory: InventoryAmounts) {
  const { allocationRatio } = inventory;
  if (allocationRatio !== 0 && adapter.roundRatio(allocationRatio) === 0) {
    throw new UnstorableValue(`the allocation ratio ${allocationRatio} is too small`);
  }
  return fromAmounts(inventory);
}
