import { sql } from "kysely";

import { internalContext } from "./change.ts";
import type { Database } from "./database.ts";
import { PermissionDenied } from "./errors.ts";
import { tableNames } from "./migrations/schema-parts.ts";
import { STOWAGE_TABLES } from "./migrations/stowage-tables.ts";
import type { Table } from "./migrations/table.ts";
import { PLACEMENT_TABLES } from "./migrations/tables.ts";

/** What the database user may not do, of what the service does. */
interface MissingRights {
  /** Such as `INSERT INTO consumers`. */
  readonly onTables: readonly string[];
  /** What only changes of the schema need. */
  readonly canCreateTables: boolean;
  readonly canMakeTriggers: boolean;
}

const CONTEXT = internalContext("rights");

/**
 * Finds out by trying: each statement is one that touches no row. What the catalog says of roles, and of roles
 * in roles, is another matter on each engine.
 *
 * @returns undefined where whoever has the file may do anything
 */
export async function findMissingRights(database: Database): Promise<MissingRights | undefined> {
  const { schemaRights } = database.adapter;
  if (!schemaRights) return undefined;
  const { present, schema } = await database.reader(CONTEXT, async (tx) => ({
    present: await tableNames(tx),
    schema: (await schemaRights.execute(tx.query)).rows[0],
  }));
  const onTables: string[] = [];
  for (const table of [...PLACEMENT_TABLES, ...STOWAGE_TABLES]) {
    if (present.has(table.name)) onTables.push(...(await refusedOn(database, table)));
  }
  return {
    onTables,
    canCreateTables: Boolean(schema?.can_create),
    canMakeTriggers: Boolean(schema?.can_trigger),
  };
}

/** Each in a transaction of its own: on PostgreSQL a refusal is the end of one. */
async function refusedOn(database: Database, { name, columns }: Table): Promise<string[]> {
  const table = sql.table(name);
  const all = sql.join(columns.map((column) => sql.ref(column.name)));
  const first = sql.ref(columns[0]!.name);
  const statements = {
    "SELECT FROM": sql`select ${first} from ${table} where 1 = 0`,
    "INSERT INTO": sql`insert into ${table} (${all}) select ${all} from ${table} where 1 = 0`,
    UPDATE: sql`update ${table} set ${first} = ${first} where 1 = 0`,
    "DELETE FROM": sql`delete from ${table} where 1 = 0`,
  };
  const refused: string[] = [];
  for (const [right, statement] of Object.entries(statements)) {
    try {
      await database.writer(CONTEXT, (tx) => statement.execute(tx.query));
    } catch (error) {
      if (!(error instanceof PermissionDenied)) throw error;
      refused.push(`${right} ${name}`);
    }
  }
  return refused;
}
