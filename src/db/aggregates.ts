import { canonicalUuid, storedSpellings } from "../domain/uuid.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { insertMissing } from "./insert-missing.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** The UUIDs of the aggregates that a provider belongs to, in the order of the aggregates' ids. */
export async function listAggregatesOfProvider(
  tx: ReadTransaction,
  providerId: number,
): Promise<string[]> {
  const rows = await tx.query
    .selectFrom("resource_provider_aggregates as rpa")
    .innerJoin("placement_aggregates as pa", "pa.id", "rpa.aggregate_id")
    .select("pa.uuid")
    .where("rpa.resource_provider_id", "=", providerId)
    .orderBy("pa.id")
    .execute();
  return rows.flatMap((row) => (row.uuid === null ? [] : [row.uuid]));
}

/** The ids of aggregates by UUID; those that no provider ever named before are made. */
export async function ensureAggregates(
  tx: WriteTransaction,
  uuids: readonly string[],
): Promise<number[]> {
  if (uuids.length === 0) return [];
  const existing = await selectAggregates(tx, uuids);
  const missing = uuids.filter((uuid) => !existing.has(uuid));
  if (missing.length > 0) {
    await insertMissing(() =>
      inChunks(missing, (chunk) =>
        tx.query
          .insertInto("placement_aggregates")
          .values(
            chunk.map((uuid) => ({
              uuid,
              ...createdNow(tx),
            })),
          )
          .execute(),
      ),
    );
  }
  const ids = missing.length > 0 ? await selectAggregates(tx, uuids) : existing;
  return [...new Set(ids.values())];
}

export async function insertProviderAggregates(
  tx: WriteTransaction,
  providerId: number,
  aggregateIds: readonly number[],
): Promise<void> {
  await inChunks(aggregateIds, (chunk) =>
    tx.query
      .insertInto("resource_provider_aggregates")
      .values(
        chunk.map((aggregateId) => ({
          resource_provider_id: providerId,
          aggregate_id: aggregateId,
          ...createdNow(tx),
        })),
      )
      .execute(),
  );
}

export async function deleteProviderAggregates(
  tx: WriteTransaction,
  providerId: number,
  aggregateIds: readonly number[],
): Promise<void> {
  await inChunks(aggregateIds, (chunk) =>
    tx.query
      .deleteFrom("resource_provider_aggregates")
      .where("resource_provider_id", "=", providerId)
      .where("aggregate_id", "in", chunk)
      .execute(),
  );
}

/** The ids of those that are there, in whichever spelling, by the UUID that was asked for. */
async function selectAggregates(
  tx: ReadTransaction,
  uuids: readonly string[],
): Promise<Map<string, number>> {
  const rows = await inChunks(uuids, (chunk) =>
    tx.query
      .selectFrom("placement_aggregates as pa")
      .select(["pa.id", "pa.uuid"])
      .where("pa.uuid", "in", chunk.flatMap(storedSpellings))
      .$narrowType<{ uuid: string }>()
      .orderBy("pa.id")
      .execute(),
  );
  const exact = new Map(rows.map((row) => [row.uuid, row.id]));
  const alike = new Map(rows.map((row) => [canonicalUuid(row.uuid), row.id]));
  const found = uuids.flatMap((uuid): [string, number][] => {
    const id = exact.get(uuid) ?? alike.get(canonicalUuid(uuid));
    return id === undefined ? [] : [[uuid, id]];
  });
  return new Map(found);
}
