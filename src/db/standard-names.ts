import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../standard/standard-names.ts";
import { insertMissing } from "./insert-missing.ts";
import type { WriteTransaction } from "./transaction.ts";

/**
 * Inserts the standard resource classes and traits that are missing, the classes under the ids
 * that clients and other tools know, from 0. Done at every start, as a newer release knows more.
 */
export async function ensureStandardNames(tx: WriteTransaction): Promise<void> {
  // Another process may be starting, too.
  await insertMissing(() => insertMissingResourceClasses(tx));
  await insertMissing(() => insertMissingTraits(tx));
}

async function insertMissingResourceClasses(tx: WriteTransaction): Promise<void> {
  const known = await listNames(tx, "resource_classes");
  const rows = STANDARD_RESOURCE_CLASSES.map((name, id) => ({ id, name, ...createdNow(tx) }));
  const missing = rows.filter(({ name }) => !known.has(name));
  if (missing.length === 0) return;
  await tx.query.insertInto("resource_classes").values(missing).execute();
  for (const { name } of missing) tx.recordChange({ kind: "resource_class", subject: name });
}

async function insertMissingTraits(tx: WriteTransaction): Promise<void> {
  const known = await listNames(tx, "traits");
  const missing = STANDARD_TRAITS.filter((name) => !known.has(name));
  if (missing.length === 0) return;
  const rows = missing.map((name) => ({ name, ...createdNow(tx) }));
  await tx.query.insertInto("traits").values(rows).execute();
  for (const name of missing) tx.recordChange({ kind: "trait", subject: name });
}

async function listNames(
  tx: WriteTransaction,
  table: "resource_classes" | "traits",
): Promise<ReadonlySet<string>> {
  const rows = await tx.query.selectFrom(table).select("name").execute();
  return new Set(rows.map(({ name }) => name));
}

function createdNow(tx: WriteTransaction) {
  return { created_at: tx.adapter.encodeDate(tx.now), updated_at: null };
}
