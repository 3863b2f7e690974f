import type { WriteTransaction } from "./transaction.ts";

/**
 * Deletes rows that were made before a time, at most `limit` of them.
 *
 * @returns how many it deleted: none if there are none left
 */
export async function deleteOlder(
  tx: WriteTransaction,
  table: "stowage_claims" | "stowage_refusals",
  { before, limit }: { readonly before: Date; readonly limit: number },
): Promise<number> {
  const rows = await tx.query
    .selectFrom(table)
    .select("id")
    .where("created_at", "<", tx.adapter.encodePreciseDate(before))
    .orderBy("created_at")
    .limit(limit)
    .execute();
  if (rows.length > 0) {
    const ids = rows.map(({ id }) => id);
    await tx.query.deleteFrom(table).where("id", "in", ids).execute();
  }
  return rows.length;
}
