import { CompiledQuery } from "kysely";

import { SchemaMismatch } from "../errors.ts";
import type { WriteTransaction } from "../transaction.ts";
import { additionsOf, createTable, type Addition } from "./ddl.ts";
import { schemaParts } from "./schema-parts.ts";
import { CONSUMERS, CONSUMER_TYPES } from "./tables.ts";

/** A state of upstream's schema, named as Alembic does, with the way to it from the one before. */
interface Revision {
  readonly id: string;
  /**
   * Does what is not done yet: where each statement about the schema commits, one that was
   * interrupted has left a part of it.
   *
   * @throws {SchemaMismatch} when the data do not allow it; nothing has been changed then.
   */
  readonly upgrade: (tx: WriteTransaction) => Promise<void>;
  /** Whether what comes after it changes indexes only, so that it is served from as it is. */
  readonly hasAllThatIsServed?: boolean;
}

/** The state of the schema that this program works with. */
export const HEAD = "a082b8bb98d0";

/** Upstream's revisions, from the oldest. A new one is appended here, and HEAD moved. */
export const REVISIONS: readonly Revision[] = [
  {
    id: "b4ed3a175331",
    // Older schemas are those of Nova's API database, of which upstream knows no way here either.
    upgrade: () => Promise.resolve(),
  },
  { id: "611cd6dffd7b", upgrade: blockOnMissingRootProviders },
  { id: "b5c396305c25", upgrade: blockOnMissingConsumers },
  // Debian 12's Placement is at this one, and finds it as it was when it takes the database back.
  { id: "422ece571366", upgrade: addConsumerTypes, hasAllThatIsServed: true },
  { id: HEAD, upgrade: dropRedundantIndexes, hasAllThatIsServed: true },
];

async function blockOnMissingRootProviders(tx: WriteTransaction): Promise<void> {
  const missing = await tx.query
    .selectFrom("resource_providers")
    .select("id")
    .where("root_provider_id", "is", null)
    .limit(1)
    .executeTakeFirst();
  if (missing) {
    throw new SchemaMismatch(
      "There is at least one resource provider table record which is missing its root provider " +
        'id. Run the "stowage db online_data_migrations" command.',
    );
  }
}

async function blockOnMissingConsumers(tx: WriteTransaction): Promise<void> {
  const missing = await tx.query
    .selectFrom("allocations as a")
    .leftJoin("consumers as c", "c.uuid", "a.consumer_id")
    .select("a.id")
    .where("c.id", "is", null)
    .limit(1)
    .executeTakeFirst();
  if (missing) {
    throw new SchemaMismatch(
      "There is at least one allocation record which is missing a consumer record. " +
        'Run the "stowage db online_data_migrations" command.',
    );
  }
}

async function addConsumerTypes(tx: WriteTransaction): Promise<void> {
  const { types, remakesTables } = tx.adapter.schemaDialect;
  await addMissing(tx, additionsOf(CONSUMER_TYPES, types));
  await (remakesTables ? remakeConsumers(tx) : addMissing(tx, CONSUMER_TYPE_OF_CONSUMERS));
  await addMissing(tx, additionsOf(CONSUMERS, types));
}

const CONSUMER_TYPE_OF_CONSUMERS: readonly Addition[] = [
  {
    part: "column consumers.consumer_type_id",
    statement: "ALTER TABLE consumers ADD COLUMN consumer_type_id INTEGER",
  },
  {
    part: "foreign key consumers.consumers_consumer_type_id_fkey",
    statement:
      "ALTER TABLE consumers ADD CONSTRAINT consumers_consumer_type_id_fkey " +
      "FOREIGN KEY(consumer_type_id) REFERENCES consumer_types (id)",
  },
];

async function remakeConsumers(tx: WriteTransaction): Promise<void> {
  const present = await schemaParts(tx);
  if (present.has("column consumers.consumer_type_id")) return;
  const columns = "created_at, updated_at, id, uuid, project_id, user_id, generation";
  const [create = "", ...createIndexes] = createTable(
    CONSUMERS,
    tx.adapter.schemaDialect.types,
    "remade_consumers",
  );
  await runAll(tx, [
    create,
    `INSERT INTO remade_consumers (${columns}) SELECT ${columns} FROM consumers`,
    "DROP TABLE consumers",
    "ALTER TABLE remade_consumers RENAME TO consumers",
    ...createIndexes,
  ]);
}

async function dropRedundantIndexes(tx: WriteTransaction): Promise<void> {
  const { dropIndex } = tx.adapter.schemaDialect;
  const present = await schemaParts(tx);
  for (const [index, table] of REDUNDANT_INDEXES) {
    if (present.has(`index ${table}.${index}`)) await runAll(tx, [dropIndex(index, table)]);
  }
}

/** Each with its table. */
const REDUNDANT_INDEXES = [
  ["inventories_resource_provider_id_idx", "inventories"],
  ["inventories_resource_provider_resource_class_idx", "inventories"],
  ["ix_placement_aggregates_uuid", "placement_aggregates"],
  ["resource_providers_name_idx", "resource_providers"],
  ["resource_providers_uuid_idx", "resource_providers"],
] as const;

/**
 * Adds what is not there.
 *
 * @throws {TransactionConflict} when another process was first after all: begun anew, it finds less to do
 */
export async function addMissing(
  tx: WriteTransaction,
  additions: readonly Addition[],
): Promise<void> {
  const present = await schemaParts(tx);
  for (const { part, statement } of additions) {
    if (!present.has(part)) await runAll(tx, [statement]);
  }
}

/** Runs statements about the schema; none of them holds a value. */
export async function runAll(tx: WriteTransaction, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    await tx.query.executeQuery(CompiledQuery.raw(statement));
  }
}
