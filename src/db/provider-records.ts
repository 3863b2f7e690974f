import type { InventoryRecord, ProviderRecord } from "../domain/provider-record.ts";
import { canonicalUuid } from "../domain/uuid.ts";
import { AMOUNT_COLUMNS, toAmounts } from "./inventory-columns.ts";
import { selectFor } from "./built-once.ts";
import { inChunks } from "./chunks.ts";
import { modifiedAtOf } from "./modified-at.ts";
import type { ReadTransaction } from "./transaction.ts";

/** So many are read at once: what the rows of 1,000 hosts are made of takes 20 ms. */
const PORTION = 250;

/**
 * What the read model keeps of the given providers, or of all, in the order of tree and id; ids
 * that do not exist are left out.
 */
export async function loadProviderRecords(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<ProviderRecord[]> {
  return inChunks(ids, (chunk) => loadPortion(tx, chunk), PORTION);
}

async function loadPortion(tx: ReadTransaction, ids: readonly number[]): Promise<ProviderRecord[]> {
  // Asked at once: where statements can be sent without waiting for each other, they are.
  const [providers, inventories, traits, aggregates] = await Promise.all([
    loadProviders(tx, ids),
    loadInventoryRecords(tx, ids),
    loadTraitIds(tx, ids),
    loadAggregates(tx, ids),
  ]);
  return providers.map((row) => ({
    ...toAggregates(aggregates.get(row.id)),
    id: row.id,
    uuid: row.uuid,
    name: row.name ?? "",
    generation: row.generation ?? 0,
    parentId: row.parent_provider_id,
    rootId: row.root_provider_id ?? row.id,
    inventories: inventories.get(row.id) ?? [],
    traitIds: traits.get(row.id) ?? [],
    modifiedAt: modifiedAtOf(tx.adapter, row),
  }));
}

/** The ids of all providers, ascending: with `loadProviderRecords`, the whole of the read model. */
export async function listProviderIds(tx: ReadTransaction): Promise<number[]> {
  const rows = await tx.query
    .selectFrom("resource_providers as rp")
    .select("rp.id")
    .orderBy("rp.id")
    .execute();
  return rows.map((row) => row.id);
}

function loadProviders(tx: ReadTransaction, ids: readonly number[]) {
  return selectFor(tx, "providers", ids, (chunk) =>
    tx.query
      .selectFrom("resource_providers as rp")
      .select([
        "rp.id",
        "rp.uuid",
        "rp.name",
        "rp.generation",
        "rp.parent_provider_id",
        "rp.root_provider_id",
        "rp.created_at",
        "rp.updated_at",
      ])
      .where("rp.id", "in", chunk)
      .orderBy("rp.root_provider_id")
      .orderBy("rp.id"),
  );
}

async function loadInventoryRecords(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<Map<number, InventoryRecord[]>> {
  const rows = await selectFor(
    tx,
    "inventories of providers",
    ids,
    (chunk) =>
      tx.query
        .selectFrom("inventories as i")
        .leftJoin(
          (eb) =>
            eb
              .selectFrom("allocations as a")
              .select(["a.resource_provider_id", "a.resource_class_id"])
              .select((sub) => sub.fn.sum<number | string>("a.used").as("used"))
              .where("a.resource_provider_id", "in", chunk)
              .groupBy(["a.resource_provider_id", "a.resource_class_id"])
              .as("u"),
          (join) =>
            join
              .onRef("u.resource_provider_id", "=", "i.resource_provider_id")
              .onRef("u.resource_class_id", "=", "i.resource_class_id"),
        )
        .select([
          "i.resource_provider_id",
          "i.resource_class_id",
          ...AMOUNT_COLUMNS,
          "i.created_at",
          "i.updated_at",
          "u.used",
        ])
        .where("i.resource_provider_id", "in", chunk)
        .orderBy("i.resource_provider_id")
        .orderBy("i.resource_class_id"),
    // Those of which allocations are added up, and those whose inventories are wanted.
    (chunk) => [...chunk, ...chunk],
  );
  return groupBy(
    rows,
    (row) => row.resource_provider_id,
    (row) => ({
      resourceClassId: row.resource_class_id,
      ...toAmounts(row),
      used: Number(row.used ?? 0),
      modifiedAt: modifiedAtOf(tx.adapter, row),
    }),
  );
}

async function loadTraitIds(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<Map<number, number[]>> {
  const rows = await selectFor(tx, "traits of providers", ids, (chunk) =>
    tx.query
      .selectFrom("resource_provider_traits as rpt")
      .select(["rpt.resource_provider_id", "rpt.trait_id"])
      .where("rpt.resource_provider_id", "in", chunk)
      .orderBy("rpt.resource_provider_id")
      .orderBy("rpt.trait_id"),
  );
  return groupBy(
    rows,
    (row) => row.resource_provider_id,
    (row) => row.trait_id,
  );
}

async function loadAggregates(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<Map<number, StoredAggregate[]>> {
  const rows = await selectFor(tx, "aggregates of providers", ids, (chunk) =>
    tx.query
      .selectFrom("resource_provider_aggregates as rpa")
      .innerJoin("placement_aggregates as pa", "pa.id", "rpa.aggregate_id")
      .select(["rpa.resource_provider_id", "pa.id", "pa.uuid"])
      .where("rpa.resource_provider_id", "in", chunk)
      .where("pa.uuid", "is not", null)
      .$narrowType<{ uuid: string }>()
      .orderBy("rpa.resource_provider_id")
      .orderBy("pa.id"),
  );
  return groupBy(
    rows,
    (row) => row.resource_provider_id,
    ({ id, uuid }) => ({ id, uuid }),
  );
}

interface StoredAggregate {
  readonly id: number;
  readonly uuid: string;
}

function toAggregates(
  stored: readonly StoredAggregate[] = [],
): Pick<ProviderRecord, "aggregates" | "aggregateIds"> {
  const aggregates = stored.map(({ uuid }) => canonicalUuid(uuid));
  const isAsStored = stored.every(({ uuid }, place) => uuid === aggregates[place]);
  const distinct = new Set(aggregates);
  if (!isAsStored || distinct.size < stored.length) {
    // One aggregate in two spellings is one.
    return { aggregates: [...distinct], aggregateIds: undefined };
  }
  return { aggregates, aggregateIds: stored.map(({ id }) => id) };
}

function groupBy<Row, Value>(
  rows: readonly Row[],
  keyOf: (row: Row) => number,
  valueOf: (row: Row) => Value,
): Map<number, Value[]> {
  const groups = new Map<number, Value[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group) group.push(valueOf(row));
    else groups.set(key, [valueOf(row)]);
  }
  return groups;
}
