import { sql } from "kysely";

import type { NamedRecord } from "../domain/provider-record.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { toNamedRecord } from "./names.ts";
import { Pace, sorted } from "../scheduling/pace.ts";
import { takeRows } from "./take-rows.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** The traits of a provider, ascending by id, with their names of the same moment. */
export async function listTraitsOfProvider(
  tx: ReadTransaction,
  providerId: number,
): Promise<NamedRecord[]> {
  const rows = await tx.query
    .selectFrom("resource_provider_traits as rpt")
    .innerJoin("traits as t", "t.id", "rpt.trait_id")
    .select(["t.id", "t.name", "t.created_at", "t.updated_at"])
    .where("rpt.resource_provider_id", "=", providerId)
    .orderBy("rpt.trait_id")
    .execute();
  return rows.map((row) => toNamedRecord(tx, row));
}

/** Which names are meant is up to the engine, as with Placement: to some, case does not matter. */
interface TraitNames {
  readonly names?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
}

/** The traits of which the names are among those, and begin so, in the order of their ids. */
export async function findTraits(
  tx: ReadTransaction,
  { names, prefix }: TraitNames,
): Promise<NamedRecord[]> {
  let query = tx.query.selectFrom("traits as t").selectAll("t");
  if (prefix !== undefined) {
    const pattern = prefix.replace(/[%_!]/g, "!$&");
    query = query.where(sql<boolean>`t.name like ${`${pattern}%`} escape '!'`);
  }
  // To an engine, two of the names may mean one trait.
  const byId = new Map<number, NamedRecord>();
  const take = (row: Parameters<typeof toNamedRecord>[1]) =>
    void byId.set(row.id, toNamedRecord(tx, row));
  if (!names) await takeRows(query, take);
  else {
    await inChunks([...new Set(names)], async (chunk) => {
      await takeRows(query.where("t.name", "in", chunk), take);
      return [];
    });
  }
  return new Pace(byId.size).run(sorted([...byId.values()], (left, right) => left.id - right.id));
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

export async function isTraitInUse(tx: ReadTransaction, traitId: number): Promise<boolean> {
  const row = await tx.query
    .selectFrom("resource_provider_traits as rpt")
    .select("rpt.trait_id")
    .where("rpt.trait_id", "=", traitId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
