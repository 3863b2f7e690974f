import { sql, type Expression, type SqlBool } from "kysely";

import type { Usage } from "../domain/allocation.ts";
import { takeRows } from "./take-rows.ts";
import type { ReadTransaction } from "./transaction.ts";

/** Whose usage is asked for. */
export interface UsageFilter {
  /** External ids. */
  readonly projectId: string;
  readonly userId: string | undefined;
  /** The name of a type, `null` for consumers without one, `undefined` for all consumers. */
  readonly consumerType: string | null | undefined;
}

/** What consumers of one type use. */
interface TypeUsages {
  /** Null for consumers without a type. */
  readonly consumerType: string | null;
  readonly consumerCount: number;
  /** In the order of the classes' ids. */
  readonly usages: readonly Usage[];
}

/** What the matching consumers use, per class, in the order of the classes' ids. */
export async function listUsages(
  tx: ReadTransaction,
  filter: UsageFilter,
): Promise<readonly Usage[]> {
  if (tx.adapter.runsHere) return (await sumHere(tx, filter, () => null))[0]?.usages ?? [];
  const rows = await selectMatching(tx, filter)
    .select((eb) => ["a.resource_class_id", eb.fn.sum<number | string>("a.used").as("used")])
    .groupBy("a.resource_class_id")
    .orderBy("a.resource_class_id")
    .execute();
  return rows.map((row) => ({ resourceClassId: row.resource_class_id, used: Number(row.used) }));
}

/** How many consumers match. */
export async function countConsumers(tx: ReadTransaction, filter: UsageFilter): Promise<number> {
  if (tx.adapter.runsHere) return (await sumHere(tx, filter, () => null))[0]?.consumerCount ?? 0;
  const row = await selectMatching(tx, filter)
    .select((eb) => eb.fn.count<number | string>("a.consumer_id").distinct().as("count"))
    .executeTakeFirst();
  return Number(row?.count ?? 0);
}

/** What the matching consumers use, per type and class, in the order of the types' names. */
export async function listUsagesByType(
  tx: ReadTransaction,
  filter: UsageFilter,
): Promise<TypeUsages[]> {
  if (tx.adapter.runsHere) return sumHere(tx, filter, ({ consumer_type: type }) => type);
  const counts = await countConsumersByType(tx, filter);
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
  return Array.from(
    Map.groupBy(rows, (row) => row.consumer_type),
    ([consumerType, ofType]) => ({
      consumerType,
      consumerCount: counts.get(consumerType) ?? 0,
      usages: ofType.map((row) => ({
        resourceClassId: row.resource_class_id,
        used: Number(row.used),
      })),
    }),
  );
}

/** How many of the matching consumers there are of each type. */
async function countConsumersByType(
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

/** The same sums, made here: an engine in this thread would let nobody else have a turn meanwhile. */
async function sumHere(
  tx: ReadTransaction,
  filter: UsageFilter,
  typeOf: (row: { readonly consumer_type: string | null }) => string | null,
): Promise<TypeUsages[]> {
  const sums = new Map<string | null, { consumers: DistinctIds; used: Map<number, number> }>();
  const query = selectMatching(tx, filter).select([
    "ct.name as consumer_type",
    "c.id as consumer",
    "a.resource_class_id",
    "a.used",
  ]);
  await takeRows(query, (row) => {
    const type = typeOf(row);
    const sum = sums.get(type) ?? { consumers: new DistinctIds(), used: new Map() };
    sums.set(type, sum);
    sum.consumers.add(row.consumer);
    const id = row.resource_class_id;
    sum.used.set(id, (sum.used.get(id) ?? 0) + row.used);
  });
  return Array.from(sums, ([consumerType, { consumers, used }]) => ({
    consumerType,
    consumerCount: consumers.size,
    usages: Array.from(used, ([id, amount]) => ({ resourceClassId: id, used: amount })).sort(
      (left, right) => left.resourceClassId - right.resourceClassId,
    ),
  })).sort((left, right) => compare(left.consumerType ?? "", right.consumerType ?? ""));
}

/** Counts ids, each once. In portions: to enlarge a set of a hundred thousand takes milliseconds. */
class DistinctIds {
  readonly #portions = new Map<number, Set<number>>();
  size = 0;

  add(id: number): void {
    const number = Math.floor(id / IDS_IN_PORTION);
    let portion = this.#portions.get(number);
    if (portion === undefined) {
      portion = new Set();
      this.#portions.set(number, portion);
    }
    const before = portion.size;
    portion.add(id);
    this.size += portion.size - before;
  }
}

const IDS_IN_PORTION = 4096;

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
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
