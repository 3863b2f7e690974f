import { made } from "../domain/change-details.ts";
import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../standard/standard-names.ts";
import { createdNow } from "./created-now.ts";
import { insertMissing } from "./insert-missing.ts";
import { listNames, type NamedTableName } from "./names.ts";
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
  const known = await knownNames(tx, "resource_classes");
  const rows = STANDARD_RESOURCE_CLASSES.map((name, id) => ({ id, name, ...createdNow(tx) }));
  const missing = rows.filter(({ name }) => !known.has(name));
  if (missing.length === 0) return;
  await tx.query.insertInto("resource_classes").values(missing).execute();
  for (const { name } of missing) {
    tx.recordChange({ kind: "resource_class", subject: name, details: made(name) });
  }
}

async function insertMissingTraits(tx: WriteTransaction): Promise<void> {
  const known = await knownNames(tx, "traits");
  const missing = STANDARD_TRAITS.filter((name) => !known.has(name));
  if (missing.length === 0) return;
  const rows = missing.map((name) => ({ name, ...createdNow(tx) }));
  await tx.query.insertInto("traits").values(rows).execute();
  for (const name of missing) {
    tx.recordChange({ kind: "trait", subject: name, details: made(name) });
  }
}

async function knownNames(
  tx: WriteTransaction,
  table: NamedTableName,
): Promise<ReadonlySet<string>> {
  return new Set((await listNames(tx, table)).map(({ name }) => name));
}
