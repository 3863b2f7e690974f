import { made } from "../domain/change-details.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { insertMissing } from "./insert-missing.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** The ids of consumer types by name; those that are missing are made. */
export async function ensureConsumerTypes(
  tx: WriteTransaction,
  names: readonly string[],
): Promise<Map<string, number>> {
  if (names.length === 0) return new Map();
  const found = await findConsumerTypes(tx, names);
  const missing = [...new Set(names)].filter((name) => !found.has(name));
  if (missing.length === 0) return found;
  await insertMissing(() =>
    inChunks(missing, (chunk) =>
      tx.query
        .insertInto("consumer_types")
        .values(
          chunk.map((name) => ({
            name,
            ...createdNow(tx),
          })),
        )
        .execute(),
    ),
  );
  for (const name of missing) {
    tx.recordChange({ kind: "consumer_type", subject: name, details: made(name) });
  }
  return findConsumerTypes(tx, names);
}

/** The name of the type of a consumer; `undefined` for one without a type or without a record. */
export async function findConsumerTypeName(
  tx: ReadTransaction,
  consumerTypeId: number | null,
): Promise<string | undefined> {
  if (consumerTypeId === null) return undefined;
  const row = await tx.query
    .selectFrom("consumer_types as ct")
    .select("ct.name")
    .where("ct.id", "=", consumerTypeId)
    .executeTakeFirst();
  return row?.name;
}

/** The ids of those of the given types that are there, by name. */
export async function findConsumerTypes(
  tx: ReadTransaction,
  names: readonly string[],
): Promise<Map<string, number>> {
  const rows = await inChunks(names, (chunk) =>
    tx.query
      .selectFrom("consumer_types as ct")
      .select(["ct.id", "ct.name"])
      .where("ct.name", "in", chunk)
      .execute(),
  );
  return new Map(rows.map((row) => [row.name, row.id]));
}
