import type { Database } from "../../src/db/database.ts";
import { SCHEMA_CONTEXT, stamp } from "../../src/db/migrations/migrate.ts";
import { runAll } from "../../src/db/migrations/revisions.ts";

/** Takes a database on a server from the newest of upstream's revisions back to the oldest. */
export async function downgrade(database: Database): Promise<void> {
  await database.writer(SCHEMA_CONTEXT, (tx) =>
    runAll(tx, [
      "CREATE INDEX inventories_resource_provider_id_idx ON inventories (resource_provider_id)",
      "CREATE INDEX inventories_resource_provider_resource_class_idx " +
        "ON inventories (resource_provider_id, resource_class_id)",
      "CREATE INDEX ix_placement_aggregates_uuid ON placement_aggregates (uuid)",
      "CREATE INDEX resource_providers_name_idx ON resource_providers (name)",
      "CREATE INDEX resource_providers_uuid_idx ON resource_providers (uuid)",
      "ALTER TABLE consumers DROP CONSTRAINT consumers_consumer_type_id_fkey",
      "ALTER TABLE consumers DROP COLUMN consumer_type_id",
      "DROP TABLE consumer_types",
    ]),
  );
  await stamp(database, "b4ed3a175331");
}
