import { sql, type RawBuilder } from "kysely";

import type { DatabaseAdapter } from "../adapter.ts";
import type { ReadTransaction } from "../transaction.ts";

/** How a part of the schema is called: `table users`, or `index users.users_name_idx`. */
export type SchemaPart =
  | `table ${string}`
  | `${"column" | "index" | "foreign key"} ${string}.${string}`;

/** What the schema has: all tables, columns and indexes, and foreign keys where they have names. */
export async function schemaParts(tx: ReadTransaction): Promise<ReadonlySet<SchemaPart>> {
  const parts = new Set<SchemaPart>();
  for (const name of await tableNames(tx)) parts.add(`table ${name}`);
  for (const list of PART_LISTS[tx.adapter.engine]) {
    const { rows } = await list.execute(tx.query);
    for (const { kind, table_name, name } of rows) parts.add(`${kind} ${table_name}.${name}`);
  }
  return parts;
}

export async function tableNames(tx: ReadTransaction): Promise<ReadonlySet<string>> {
  const { rows } = await tx.adapter.tableList.execute(tx.query);
  return new Set(rows.map(({ name }) => name));
}

/** Lists what belongs to tables. */
type PartList = RawBuilder<{
  readonly kind: "column" | "index" | "foreign key";
  readonly table_name: string;
  readonly name: string;
}>;

const PART_LISTS: Readonly<Record<DatabaseAdapter["engine"], readonly PartList[]>> = {
  sqlite: [
    sql`
      select 'column' as kind, t.name as table_name, c.name as name
      from sqlite_master as t join pragma_table_info(t.name) as c where t.type = 'table'
    `,
    sql`
      select 'index' as kind, tbl_name as table_name, name from sqlite_master where type = 'index'
    `,
  ],
  mysql: [
    sql`
      select 'column' as kind, table_name as table_name, column_name as name
      from information_schema.columns where table_schema = database()
    `,
    sql`
      select 'index' as kind, table_name as table_name, index_name as name
      from information_schema.statistics where table_schema = database()
    `,
    sql`
      select 'foreign key' as kind, table_name as table_name, constraint_name as name
      from information_schema.table_constraints
      where table_schema = database() and constraint_type = 'FOREIGN KEY'
    `,
  ],
  postgres: [
    sql`
      select 'column' as kind, table_name, column_name as name
      from information_schema.columns where table_schema = any (current_schemas(false))
    `,
    sql`
      select 'index' as kind, tablename as table_name, indexname as name
      from pg_indexes where schemaname = any (current_schemas(false))
    `,
    sql`
      select 'foreign key' as kind, table_name, constraint_name as name
      from information_schema.table_constraints
      where table_schema = any (current_schemas(false)) and constraint_type = 'FOREIGN KEY'
    `,
  ],
};
