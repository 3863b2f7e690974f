import type { Database } from "../database.ts";
import type { ReadTransaction } from "../transaction.ts";
import { changeTriggers, type TriggerDialect } from "./change-triggers.ts";
import { adopt, changeSchema, SCHEMA_CONTEXT } from "./migrate.ts";
import { runAll } from "./revisions.ts";

/**
 * Installs the triggers, in place of those that are there, and has all read models built anew: they
 * know nothing of what was written before.
 *
 * A trigger is made when no transaction is writing to its table, so that none is missed. One table
 * is waited for at a time: other programs are never kept waiting for each other.
 *
 * @throws SchemaMismatch, PermissionDenied
 * @returns how many
 */
export async function installTriggers(
  database: Database,
  dialect: TriggerDialect,
): Promise<number> {
  await adopt(database);
  const triggers = changeTriggers(dialect);
  for (const trigger of triggers) {
    await changeSchema(database, (tx) => runAll(tx, dialect.create(trigger)));
  }
  await database.writer(SCHEMA_CONTEXT, async (tx) => {
    tx.recordChange({ kind: "everything", subject: "triggers" });
  });
  return triggers.length;
}

/**
 * Removes the triggers that are there.
 *
 * @throws PermissionDenied
 * @returns how many there were
 */
export async function removeTriggers(database: Database, dialect: TriggerDialect): Promise<number> {
  const present = await database.reader(SCHEMA_CONTEXT, (tx) => listTriggers(tx, dialect));
  const removed = changeTriggers(dialect).filter(({ name }) => present.has(name));
  for (const trigger of removed) {
    await changeSchema(database, (tx) => runAll(tx, [dialect.drop(trigger)]));
  }
  return removed.length;
}

async function listTriggers(
  tx: ReadTransaction,
  dialect: TriggerDialect,
): Promise<ReadonlySet<string>> {
  const { rows } = await dialect.list.execute(tx.query);
  return new Set(rows.map(({ name }) => name));
}
