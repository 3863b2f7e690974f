import type { Selectable } from "kysely";

import type { NamedRecord } from "../domain/provider-record.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { ReferenceViolation } from "../domain/errors.ts";
import type { Schema } from "./schema.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** Standard classes have the ids below, and stay; the engines' own counters know nothing of that. */
export const MIN_CUSTOM_ID = 10_000;

/** The tables of an id with a name, which the read model holds whole. */
export type NamedTableName = "resource_classes" | "traits" | "consumer_types";

/** All rows in the order of their ids. */
export async function listNames(
  tx: ReadTransaction,
  table: NamedTableName,
): Promise<NamedRecord[]> {
  const rows = await tx.query.selectFrom(table).selectAll().orderBy("id").execute();
  return rows.map((row) => toNamedRecord(tx, row));
}

/** The names of classes that are not known otherwise, by id. */
export async function nameResourceClasses(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const rows = await inChunks(ids, (chunk) =>
    tx.query
      .selectFrom("resource_classes as rc")
      .select(["rc.id", "rc.name"])
      .where("rc.id", "in", chunk)
      .execute(),
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}

export async function findName(
  tx: ReadTransaction,
  table: NamedTableName,
  name: string,
): Promise<NamedRecord | undefined> {
  const row = await tx.query
    .selectFrom(table)
    .selectAll()
    .where("name", "=", name)
    .executeTakeFirst();
  return row && toNamedRecord(tx, row);
}

/** Rows by their names, which are the same where the engine says so, or by their ids. */
export async function findNames(
  tx: ReadTransaction,
  table: NamedTableName,
  column: "name" | "id",
  values: readonly (string | number)[],
): Promise<NamedRecord[]> {
  const rows = await inChunks(values, (chunk) =>
    tx.query.selectFrom(table).selectAll().where(column, "in", chunk).execute(),
  );
  return rows.map((row) => toNamedRecord(tx, row));
}

export function toNamedRecord(
  { adapter }: Pick<ReadTransaction, "adapter">,
  row: Selectable<Schema[NamedTableName]>,
): NamedRecord {
  return {
    id: row.id,
    name: row.name,
    createdAt: adapter.decodeDate(row.created_at),
    updatedAt: adapter.decodeDate(row.updated_at),
  };
}

/**
 * Inserts a name, under the given id or the next one. Throws `DuplicateEntry` when it is taken.
 *
 * @returns the row as it is now
 */
export async function insertName(
  tx: WriteTransaction,
  table: NamedTableName,
  name: string,
  id?: number,
): Promise<NamedRecord> {
  await tx.query
    .insertInto(table)
    .values({
      name,
      ...createdNow(tx),
      ...(id === undefined ? {} : { id }),
    })
    .execute();
  const record = await findName(tx, table, name);
  if (!record) throw new Error(`${table}: ${name} is gone right after its insertion`);
  return record;
}

/** Throws `DuplicateEntry` when the new name is taken. */
export async function renameResourceClass(
  tx: WriteTransaction,
  id: number,
  name: string,
): Promise<void> {
  await tx.query
    .updateTable("resource_classes")
    .set({ name, updated_at: tx.adapter.encodeDate(tx.now) })
    .where("id", "=", id)
    .execute();
}

export async function deleteName(
  tx: WriteTransaction,
  table: NamedTableName,
  id: number,
): Promise<void> {
  await tx.query.deleteFrom(table).where("id", "=", id).execute();
}

/**
 * Keeps other processes from deleting resource classes until the transaction ends: upstream's schema
 * has no foreign key that would.
 */
export async function lockResourceClasses(
  tx: WriteTransaction,
  ids: readonly number[],
): Promise<void> {
  const custom = ids.filter((id) => id >= MIN_CUSTOM_ID);
  if (custom.length === 0) return;
  const result = await tx.query
    .updateTable("resource_classes")
    .set((eb) => ({ name: eb.ref("name") }))
    .where("id", "in", custom)
    .executeTakeFirst();
  if (result.numUpdatedRows === BigInt(custom.length)) return;
  throw new ReferenceViolation("a resource class is not there any more");
}

/** The largest id in use, or -1. */
export async function maxResourceClassId(tx: ReadTransaction): Promise<number> {
  const row = await tx.query
    .selectFrom("resource_classes")
    .select((eb) => eb.fn.max("id").as("id"))
    .executeTakeFirst();
  return row?.id ?? -1;
}
