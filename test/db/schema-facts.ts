/**
 * What a database server says of its tables, as lines of text. The files `fixtures/<engine>-….txt`
 * are what it says of tables that upstream has made:
 *
 *     node test/db/schema-facts.ts <url of a database that placement-manage db sync has filled>
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { sql } from "kysely";
import type { RawBuilder } from "kysely";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { HEAD } from "../../src/db/migrations/revisions.ts";

interface Fact {
  readonly fact: string;
}

const POSTGRES: RawBuilder<Fact> = sql`
  select format('%s.%s %s %s %s %s', table_name, column_name, data_type,
    character_maximum_length, is_nullable, column_default) as fact
  from information_schema.columns where table_schema = 'public'
  union all
  select format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
  from pg_constraint where connamespace = 'public'::regnamespace
  union all
  select indexdef from pg_indexes where schemaname = 'public'
`;

const MYSQL: RawBuilder<Fact> = sql`
  select concat_ws(' ', table_name, ordinal_position, column_name, data_type,
    character_maximum_length, is_nullable, column_default, extra, character_set_name) as fact
  from information_schema.columns where table_schema = database()
  union all
  select concat_ws(' ', table_name, index_name, non_unique, seq_in_index, column_name)
  from information_schema.statistics where table_schema = database()
  union all
  select concat_ws(' ', table_name, constraint_name, column_name, referenced_table_name,
    referenced_column_name)
  from information_schema.key_column_usage
  where table_schema = database() and referenced_table_name is not null
`;

/** Sorted, and without what is said of Stowage's own tables. */
export async function schemaFacts(database: Database): Promise<string[]> {
  const context = { requestId: "facts", userId: undefined, projectId: undefined };
  const query = database.adapter.engine === "postgres" ? POSTGRES : MYSQL;
  const { rows } = await database.reader(context, (tx) => query.execute(tx.query));
  return rows
    .map(({ fact }) => fact.trimEnd())
    .filter((fact) => !fact.includes("stowage_"))
    .sort();
}

/** What the same server says of the newest schema as upstream makes it. */
export async function upstreamFacts({ adapter }: Database): Promise<string[]> {
  const fixture = join(import.meta.dirname, `fixtures/${adapter.engine}-${HEAD}.txt`);
  return (await readFile(fixture, "utf8")).trim().split("\n");
}

if (import.meta.main) {
  const database = await Database.open(parseConnectionUrl(process.argv[2] ?? ""));
  for (const fact of await schemaFacts(database)) console.log(fact);
  await database.close();
}
