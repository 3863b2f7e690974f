import { createdNow } from "./created-now.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** The ids of a provider's traits, ascending. */
export async function listTraitIdsOfProvider(
  tx: ReadTransaction,
  providerId: number,
): Promise<number[]> {
  const rows = await tx.query
    .selectFrom("resource_provider_traits as rpt")
    .select("rpt.trait_id")
    .where("rpt.resource_provider_id", "=", providerId)
    .orderBy("rpt.trait_id")
    .execute();
  return rows.map((row) => row.trait_id);
}

export async function insertProviderTraits(
  tx: WriteTransaction,
  providerId: number,
  traitIds: readonly number[],
): Promise<void> {
  if (traitIds.length === 0) return;
  await tx.query
    .insertInto("resource_provider_traits")
    .values(
      traitIds.map((traitId) => ({
        resource_provider_id: providerId,
        trait_id: traitId,
        ...createdNow(tx),
      })),
    )
    .execute();
}

export async function deleteProviderTraits(
  tx: WriteTransaction,
  providerId: number,
  traitIds: readonly number[],
): Promise<void> {
  if (traitIds.length === 0) return;
  await tx.query
    .deleteFrom("resource_provider_traits")
    .where("resource_provider_id", "=", providerId)
    .where("trait_id", "in", traitIds)
    .execute();
}

/** The ids of all traits that some provider has. */
export async function listAssociatedTraitIds(tx: ReadTransaction): Promise<Set<number>> {
  const rows = await tx.query
    .selectFrom("resource_provider_traits as rpt")
    .select("rpt.trait_id")
    .distinct()
    .execute();
  return new Set(rows.map((row) => row.trait_id));
}

export async function isTraitInUse(tx: ReadTransaction, traitId: number): Promise<boolean> {
  const row = await tx.query
    .selectFrom("resource_provider_traits as rpt")
    .select("rpt.trait_id")
    .where("rpt.trait_id", "=", traitId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
