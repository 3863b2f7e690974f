import { sql, type Expression, type SqlBool } from "kysely";

import type { Usage } from "../domain/allocation.ts";
import type { ReadTransaction } from "./transaction.ts";

/** What is used of each inventory of a provider, in the order of the classes' ids. */
export async function listUsagesOfProvider(
  tx: ReadTransaction,
  providerId: number,
): Promise<Usage[]> {
  const rows = await tx.query
    .selectFrom("inventories as i")
    .leftJoin("allocations as a", (join) =>
      join
        .onRef("a.resource_provider_id", "=", "i.resource_provider_id")
        .onRef("a.resource_class_id", "=", "i.resource_class_id"),
    )
    .select((eb) => ["i.resource_class_id", eb.fn.sum<number | string>("a.used").as("used")])
    .where("i.resource_provider_id", "=", providerId)
    .groupBy("i.resource_class_id")
    .orderBy("i.resource_class_id")
    .execute();
  return rows.map((row) => ({
    resourceClassId: row.resource_class_id,
    used: Number(row.used ?? 0),
  }));
}

/** Whose usage is asked for. */
export interface UsageFilter {
  /** External ids. */
  readonly projectId: string;
  readonly userId: string | undefined;
  /** The name of a type, `null` for consumers without one, `undefined` for all consumers. */
  readonly consumerType: string | null | undefined;
}

/** What the matching consumers use, per class, in the order of the classes' ids. */
export async function listUsages(tx: ReadTransaction, filter: UsageFilter): Promise<Usage[]> {
  const rows = await selectMatching(tx, filter)
    .select((eb) => ["a.resource_class_id", eb.fn.sum<number | string>("a.used").as("used")])
    .groupBy("a.resource_class_id")
    .orderBy("a.resource_class_id")
    .execute();
  return rows.map((row) => ({ resourceClassId: row.resource_class_id, used: Number(row.used) }));
}

/** How many consumers match. */
export async function countConsumers(tx: ReadTransaction, filter: UsageFilter): Promise<number> {
  const row = await selectMatching(tx, filter)
    .select((eb) => eb.fn.count<number | string>("a.consumer_id").distinct().as("count"))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** What the matching consumers use, per type and class. */
export async function listUsagesByType(
  tx: ReadTransaction,
  filter: UsageFilter,
): Promise<(Usage & { readonly consumerType: string | null })[]> {
  const rows = await selectMatching(tx, filter)
    .select((eb) => [
      "ct.name as consumer_type",
      "a.resource_class_id",
      eb.fn.sum<number | string>("a.used").as("used"),
    ])
    .groupBy(["ct.name", "a.resource_class_id"])
    .orderBy("ct.name")
    .orderBy("a.resource_class_id")
    .execute();
  return rows.map((row) => ({
    consumerType: row.consumer_type,
    resourceClassId: row.resource_class_id,
    used: Number(row.used),
  }));
}

/** How many of the matching consumers there are of each type. */
export async function countConsumersByType(
  tx: ReadTransaction,
  filter: UsageFilter,
): Promise<Map<string | null, number>> {
  // A consumer holds several classes; it is counted once, in a query of its own.
  const rows = await selectMatching(tx, filter)
    .select((eb) => [
      "ct.name as consumer_type",
      eb.fn.count<number | string>("a.consumer_id").distinct().as("count"),
    ])
    .groupBy("ct.name")
    .execute();
  return new Map(rows.map((row) => [row.consumer_type, Number(row.count)]));
}

function selectMatching(tx: ReadTransaction, filter: UsageFilter) {
  return tx.query
    .selectFrom("allocations as a")
    .innerJoin("consumers as c", "c.uuid", "a.consumer_id")
    .innerJoin("projects as p", "p.id", "c.project_id")
    .innerJoin("users as u", "u.id", "c.user_id")
    .leftJoin("consumer_types as ct", "ct.id", "c.consumer_type_id")
    .where("p.external_id", "=", filter.projectId)
    .where(isExactly(tx, "p.external_id", filter.projectId))
    .$if(filter.userId !== undefined, (query) =>
      query
        .where("u.external_id", "=", filter.userId ?? "")
        .where(isExactly(tx, "u.external_id", filter.userId ?? "")),
    )
    .$if(filter.consumerType === null, (query) => query.where("c.consumer_type_id", "is", null))
    .$if(typeof filter.consumerType === "string", (query) =>
      query.where("ct.name", "=", filter.consumerType ?? ""),
    );
}

/** What the engine takes for the same belongs to somebody else. */
function isExactly(tx: ReadTransaction, column: string, text: string): Expression<SqlBool> {
  return tx.adapter.comparesTextLoosely
    ? sql`cast(convert(${sql.ref(column)} using utf8mb4) as binary) = cast(${text} as binary)`
    : sql`true`;
}
