import { sql, type Expression } from "kysely";

import type { InventoryAmounts } from "../domain/inventory.ts";
import { AMOUNT_COLUMNS, toAmounts } from "./inventory-columns.ts";
import type { ReadTransaction } from "./transaction.ts";

// What no request leaves behind, but other programs, copies of rows and faults of releases before do: no foreign
// key ties most of these rows together.

/** Rows that should not be as they are. */
export interface OddRows {
  readonly count: number;
  /** Some of them, in words. */
  readonly examples: readonly string[];
}

/** So many examples are told: what is mended by hand is looked up one by one. */
const MOST_EXAMPLES = 10;

/** Inventories of a page. */
const PAGE_ROWS = 5000;

type OddRow = Readonly<Record<string, string | number | null>>;

/** Finds the rows; the columns of an answer are told in the order of the names. */
type Finder = (tx: ReadTransaction) => {
  readonly columns: readonly string[];
  readonly rows: Expression<OddRow>;
};

/** Each looks at all rows of a table or two, in the statement of its own. */
const FINDERS = {
  allocations_without_consumer: () => ({
    columns: ["consumer"],
    rows: sql<OddRow>`
      select distinct a.consumer_id as consumer
      from allocations as a left join consumers as c on c.uuid = a.consumer_id where c.id is null`,
  }),
  consumers_without_allocations: () => ({
    columns: ["consumer", "generation"],
    rows: sql<OddRow>`
      select c.uuid as consumer, c.generation as generation
      from consumers as c left join allocations as a on a.consumer_id = c.uuid where a.id is null`,
  }),
  consumers_without_owner: () => ({
    columns: ["consumer"],
    rows: sql<OddRow>`
      select c.uuid as consumer from consumers as c
      left join projects as p on p.id = c.project_id left join users as u on u.id = c.user_id
      where p.id is null or u.id is null`,
  }),
  consumers_of_unknown_type: () => ({
    columns: ["consumer", "type_id"],
    rows: sql<OddRow>`
      select c.uuid as consumer, c.consumer_type_id as type_id
      from consumers as c left join consumer_types as ct on ct.id = c.consumer_type_id
      where c.consumer_type_id is not null and ct.id is null`,
  }),
  allocations_without_provider: () => ({
    columns: ["consumer", "provider_id"],
    rows: sql<OddRow>`
      select distinct a.consumer_id as consumer, a.resource_provider_id as provider_id
      from allocations as a left join resource_providers as rp on rp.id = a.resource_provider_id
      where rp.id is null`,
  }),
  allocations_without_inventory: () => ({
    columns: ["consumer", "provider", "class_id"],
    rows: sql<OddRow>`
      select distinct a.consumer_id as consumer, rp.uuid as provider, a.resource_class_id as class_id
      from allocations as a join resource_providers as rp on rp.id = a.resource_provider_id
      left join inventories as i
        on i.resource_provider_id = a.resource_provider_id and i.resource_class_id = a.resource_class_id
      where i.id is null`,
  }),
  duplicate_allocations: () => ({
    columns: ["consumer", "provider_id", "class_id", "found"],
    rows: sql<OddRow>`
      select a.consumer_id as consumer, a.resource_provider_id as provider_id,
        a.resource_class_id as class_id, count(*) as found
      from allocations as a group by a.consumer_id, a.resource_provider_id, a.resource_class_id
      having count(*) > 1`,
  }),
  rows_without_provider: () => ({
    columns: ["row_of", "provider_id"],
    rows: sql<OddRow>`
      select 'inventories' as row_of, i.resource_provider_id as provider_id from inventories as i
      left join resource_providers as rp on rp.id = i.resource_provider_id where rp.id is null
      union
      select 'traits' as row_of, t.resource_provider_id as provider_id from resource_provider_traits as t
      left join resource_providers as rp on rp.id = t.resource_provider_id where rp.id is null
      union
      select 'aggregates' as row_of, g.resource_provider_id as provider_id
      from resource_provider_aggregates as g
      left join resource_providers as rp on rp.id = g.resource_provider_id where rp.id is null`,
  }),
  unknown_names: () => ({
    columns: ["row_of", "name_id"],
    rows: sql<OddRow>`
      select 'inventories' as row_of, i.resource_class_id as name_id from inventories as i
      left join resource_classes as rc on rc.id = i.resource_class_id where rc.id is null
      union
      select 'allocations' as row_of, a.resource_class_id as name_id from allocations as a
      left join resource_classes as rc on rc.id = a.resource_class_id where rc.id is null
      union
      select 'traits' as row_of, rpt.trait_id as name_id from resource_provider_traits as rpt
      left join traits as t on t.id = rpt.trait_id where t.id is null
      union
      select 'aggregates' as row_of, rpa.aggregate_id as name_id from resource_provider_aggregates as rpa
      left join placement_aggregates as pa on pa.id = rpa.aggregate_id where pa.id is null`,
  }),
  incomplete_providers: () => ({
    columns: ["provider", "name", "generation"],
    rows: sql<OddRow>`
      select rp.uuid as provider, rp.name as name, rp.generation as generation
      from resource_providers as rp where rp.name is null or rp.generation is null`,
  }),
  names_alike: () => ({
    columns: ["name_of", "name", "found"],
    rows: sql<OddRow>`
      ${alike("resource_providers", "name")} union all ${alike("resource_classes", "name")}
      union all ${alike("traits", "name")} union all ${alike("consumer_types", "name")}
      union all ${alike("projects", "external_id")} union all ${alike("users", "external_id")}`,
  }),
  uuids_alike: (tx) => ({
    columns: ["uuid_of", "digits", "found"],
    rows: sql<OddRow>`
      ${spelledTwice(tx, "resource_providers", "uuid")}
      union all ${spelledTwice(tx, "consumers", "uuid")}
      union all ${spelledTwice(tx, "allocations", "consumer_id")}
      union all ${spelledTwice(tx, "placement_aggregates", "uuid")}`,
  }),
} as const satisfies Record<string, Finder>;

/** What differs in case alone, which MySQL takes for the same and others do not. */
function alike(table: string, column: string) {
  const name = sql.ref(column);
  return sql`
    select ${sql.lit(table)} as name_of, lower(${name}) as name, count(*) as found
    from ${sql.table(table)} where ${name} is not null group by lower(${name}) having count(*) > 1`;
}

/** One UUID in several spellings, which are several to Placement. */
function spelledTwice({ adapter }: ReadTransaction, table: string, column: string) {
  const digits = sql`lower(replace(${sql.ref(column)}, '-', ''))`;
  const spelling = adapter.comparesTextLoosely
    ? sql`binary ${sql.ref(column)}`
    : sql`${sql.ref(column)}`;
  return sql`
    select ${sql.lit(table)} as uuid_of, ${digits} as digits, count(distinct ${spelling}) as found
    from ${sql.table(table)} where ${sql.ref(column)} is not null
    group by ${digits} having count(distinct ${spelling}) > 1`;
}

/** @returns undefined where there are none */
export async function findOddRows(
  tx: ReadTransaction,
  kind: keyof typeof FINDERS,
): Promise<OddRows | undefined> {
  const { columns, rows } = (FINDERS[kind] as Finder)(tx);
  const { rows: found } = await sql<OddRow>`
    select it.* from (${rows}) as it order by ${sql.join(columns.map((name) => sql.ref(name)))}
    limit ${sql.lit(MOST_EXAMPLES)}`.execute(tx.query);
  if (found.length === 0) return undefined;
  const counted = await sql<{ count: number }>`
    select count(*) as count from (${rows}) as it`.execute(tx.query);
  const examples = found.map((row) => columns.map((name) => `${name} ${row[name]}`).join(", "));
  return { count: counted.rows[0]?.count ?? 0, examples };
}

/** An inventory, whose it is, and how much of it is in use. */
export interface InventoryRow extends InventoryAmounts {
  readonly providerUuid: string;
  readonly resourceClass: string;
  readonly used: number;
}

/** All inventories whose provider and class there are, page by page. */
export async function* listInventoryPages(tx: ReadTransaction): AsyncGenerator<InventoryRow[]> {
  for (let lastId = 0; ;) {
    const rows = await selectInventories(tx)
      .where("i.id", ">", lastId)
      .orderBy("i.id")
      .limit(PAGE_ROWS)
      .execute();
    yield rows.map((row) => ({
      providerUuid: row.uuid,
      resourceClass: row.name,
      ...toAmounts(row),
      used: Number(row.used ?? 0),
    }));
    if (rows.length < PAGE_ROWS) return;
    lastId = rows.at(-1)!.id;
  }
}

function selectInventories(tx: ReadTransaction) {
  return tx.query
    .selectFrom("inventories as i")
    .innerJoin("resource_providers as rp", "rp.id", "i.resource_provider_id")
    .innerJoin("resource_classes as rc", "rc.id", "i.resource_class_id")
    .select((eb) => [
      "i.id",
      "rp.uuid",
      "rc.name",
      ...AMOUNT_COLUMNS,
      eb
        .selectFrom("allocations as a")
        .select((sub) => sub.fn.sum<number | string>("a.used").as("used"))
        .whereRef("a.resource_provider_id", "=", "i.resource_provider_id")
        .whereRef("a.resource_class_id", "=", "i.resource_class_id")
        .as("used"),
    ]);
}
