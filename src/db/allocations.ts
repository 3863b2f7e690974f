import type { SelectQueryBuilder } from "kysely";

import type { Allocation } from "../domain/allocation.ts";
import { ConcurrentUpdateDetected } from "../domain/errors.ts";
import { selectFor } from "./built-once.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { deferForRows, deferInsertion, type RowStatement } from "./row-statements.ts";
import type { DatabaseDate, Schema } from "./schema.ts";
import { takeRows } from "./take-rows.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** One row of the table, without the joins. */
export interface StoredAllocation {
  readonly resourceProviderId: number;
  readonly consumerUuid: string;
  readonly resourceClassId: number;
  readonly used: number;
}

/** Allocations, in no order. */
interface FoundAllocations {
  readonly allocations: Allocation[];
  /** When the newest was made or changed, in seconds since 1970; undefined without any, and where one does not know. */
  readonly modifiedAt: number | undefined;
}

export function findAllocationsOfConsumer(
  tx: ReadTransaction,
  consumerUuid: string,
): Promise<FoundAllocations> {
  return collect(
    tx,
    selectAllocations(tx)
      .innerJoin("resource_providers as rp", "rp.id", "a.resource_provider_id")
      .select(["rp.uuid", "rp.generation"])
      .where("a.consumer_id", "=", consumerUuid),
  );
}

export function findAllocationsOfProvider(
  tx: ReadTransaction,
  providerId: number,
): Promise<FoundAllocations> {
  return collect(
    tx,
    selectAllocations(tx)
      .select(["a.consumer_id as uuid", "c.generation"])
      .where("a.resource_provider_id", "=", providerId),
  );
}

async function collect<Row extends FoundRow>(
  { adapter }: ReadTransaction,
  query: SelectQueryBuilder<Schema, never, Row>,
): Promise<FoundAllocations> {
  const allocations: Allocation[] = [];
  // Dates are texts that are in order.
  let newest = "";
  let areAllKnown = true;
  await takeRows(query, (row) => {
    const { id, uuid, generation, resource_class_id: resourceClassId, used } = row;
    allocations.push({ id, uuid, generation: generation ?? 0, resourceClassId, used });
    if (row.modified_at === null) areAllKnown = false;
    else if (row.modified_at > newest) newest = row.modified_at;
  });
  const date = areAllKnown && newest !== "" ? adapter.decodeDate(newest) : null;
  return { allocations, modifiedAt: date ? Math.floor(date.getTime() / 1000) : undefined };
}

interface FoundRow {
  readonly id: number;
  readonly uuid: string;
  readonly generation: number | null;
  readonly resource_class_id: number;
  readonly used: number;
  readonly modified_at: DatabaseDate | null;
}

/** All that the given consumers hold. */
export async function listStoredAllocations(
  tx: ReadTransaction,
  consumerUuids: readonly string[],
): Promise<StoredAllocation[]> {
  return inChunks(
    consumerUuids,
    async (some) => {
      const rows = await selectFor(tx, "allocations of consumers", some, (chunk) =>
        tx.query
          .selectFrom("allocations as a")
          .select(["a.resource_provider_id", "a.consumer_id", "a.resource_class_id", "a.used"])
          .where("a.consumer_id", "in", chunk)
          .orderBy("a.id"),
      );
      return rows.map((row) => ({
        resourceProviderId: row.resource_provider_id,
        consumerUuid: row.consumer_id,
        resourceClassId: row.resource_class_id,
        used: row.used,
      }));
    },
    CONSUMERS_AT_ONCE,
  );
}

/** What all consumers hold of some providers, so many at most. */
export async function listAllocationsOn(
  tx: ReadTransaction,
  providerIds: readonly number[],
  most: number,
): Promise<StoredAllocation[]> {
  let left = most;
  const rows = await inChunks(providerIds, async (chunk) => {
    if (left === 0) return [];
    const found = await tx.query
      .selectFrom("allocations as a")
      .select(["a.resource_provider_id", "a.consumer_id", "a.resource_class_id", "a.used"])
      .where("a.resource_provider_id", "in", chunk)
      .orderBy("a.id")
      .limit(left)
      .execute();
    left -= found.length;
    return found;
  });
  return rows.map((row) => ({
    resourceProviderId: row.resource_provider_id,
    consumerUuid: row.consumer_id,
    resourceClassId: row.resource_class_id,
    used: row.used,
  }));
}

/** How much of each class consumers hold of a provider. */
export async function sumAllocationsOf(
  tx: ReadTransaction,
  providerId: number,
): Promise<{ readonly resourceClassId: number; readonly used: number }[]> {
  const rows = await tx.query
    .selectFrom("allocations as a")
    .select((eb) => ["a.resource_class_id", eb.fn.sum<number | string>("a.used").as("used")])
    .where("a.resource_provider_id", "=", providerId)
    .groupBy("a.resource_class_id")
    .execute();
  return rows.map((row) => ({ resourceClassId: row.resource_class_id, used: Number(row.used) }));
}

/** In the order of their ids, so many of those beyond one. */
export async function listAllocationsAfter(
  tx: ReadTransaction,
  id: number,
  count: number,
): Promise<(StoredAllocation & { readonly id: number })[]> {
  const rows = await tx.query
    .selectFrom("allocations as a")
    .select(["a.id", "a.resource_provider_id", "a.consumer_id", "a.resource_class_id", "a.used"])
    .where("a.id", ">", id)
    .orderBy("a.id")
    .limit(count)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    resourceProviderId: row.resource_provider_id,
    consumerUuid: row.consumer_id,
    resourceClassId: row.resource_class_id,
    used: row.used,
  }));
}

/** Half of what one statement could ask for: SQLite reads in one piece. */
const CONSUMERS_AT_ONCE = 500;

export function insertAllocations(
  tx: WriteTransaction,
  allocations: readonly StoredAllocation[],
): void {
  const timestamps = createdNow(tx);
  deferInsertion(
    tx,
    "allocations",
    allocations.map((allocation) => ({
      resource_provider_id: allocation.resourceProviderId,
      consumer_id: allocation.consumerUuid,
      resource_class_id: allocation.resourceClassId,
      used: allocation.used,
      ...timestamps,
    })),
  );
}

export function deleteAllocationsOfConsumers(
  tx: WriteTransaction,
  consumerUuids: readonly string[],
): void {
  deferForRows(tx, deletion(tx, consumerUuids));
}

/** @throws ConcurrentUpdateDetected one of the consumers holds something, which shows when this is sent */
export function expectNoAllocations(tx: WriteTransaction, consumerUuids: readonly string[]): void {
  deferForRows(tx, {
    ...deletion(tx, consumerUuids),
    mustAffect: 0,
    explain: (error) => error ?? new ConcurrentUpdateDetected(),
  });
}

export async function hasAllocations(tx: ReadTransaction, providerId: number): Promise<boolean> {
  const row = await tx.query
    .selectFrom("allocations as a")
    .select("a.id")
    .where("a.resource_provider_id", "=", providerId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Those of the given classes that are allocated on a provider, ascending. */
export async function listAllocatedClassIds(
  tx: ReadTransaction,
  providerId: number,
  resourceClassIds: readonly number[],
): Promise<number[]> {
  if (resourceClassIds.length === 0) return [];
  const rows = await tx.query
    .selectFrom("allocations as a")
    .select("a.resource_class_id")
    .distinct()
    .where("a.resource_provider_id", "=", providerId)
    .where("a.resource_class_id", "in", resourceClassIds)
    .orderBy("a.resource_class_id")
    .execute();
  return rows.map((row) => row.resource_class_id);
}

function deletion(tx: WriteTransaction, consumerUuids: readonly string[]): RowStatement<string> {
  return {
    name: "delete allocations of consumers",
    rows: consumerUuids,
    build: (uuids) => tx.query.deleteFrom("allocations").where("consumer_id", "in", uuids),
    parametersOf: (uuid) => [uuid],
  };
}

function selectAllocations(tx: ReadTransaction) {
  return tx.query
    .selectFrom("allocations as a")
    .innerJoin("consumers as c", "c.uuid", "a.consumer_id")
    .select((eb) => [
      "a.id",
      "a.resource_class_id",
      "a.used",
      eb.fn.coalesce("a.updated_at", "a.created_at").as("modified_at"),
    ]);
}
