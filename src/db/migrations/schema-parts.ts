import type { SchemaPart } from "./table.ts";
import type { ReadTransaction } from "../transaction.ts";

/** What the schema has: all tables, columns and indexes, and foreign keys where they have names. */
export async function schemaParts(tx: ReadTransaction): Promise<ReadonlySet<SchemaPart>> {
  const parts = new Set<SchemaPart>();
  for (const name of await tableNames(tx)) parts.add(`table ${name}`);
  for (const list of tx.adapter.partLists) {
    const { rows } = await list.execute(tx.query);
    for (const { kind, table_name, name } of rows) parts.add(`${kind} ${table_name}.${name}`);
  }
  return parts;
}

export async function tableNames(tx: ReadTransaction): Promise<ReadonlySet<string>> {
  const { rows } = await tx.adapter.tableList.execute(tx.query);
  return new Set(rows.map(({ name }) => name));
}
