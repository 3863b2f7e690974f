import { STOWAGE_TABLES } from "./stowage-tables.ts";
import {
  foreignKey,
  optional,
  primaryKey,
  required,
  unique,
  type Column,
  type Table,
} from "./table.ts";

// The tables at the newest revision of upstream's schema, as data: what is created in an empty database on every
// engine, and the names of the constraints that errors are about.
//
// The order of tables, columns and constraints is the one that upstream's migrations lead to, so that dumps of
// the schema are equal.

/** Holds the revision; made on its own where tables are stamped. */
export const ALEMBIC_VERSION: Table = {
  name: "alembic_version",
  columns: [required("version_num", 32)],
  constraints: [{ kind: "primary key", name: "alembic_version_pkc", columns: ["version_num"] }],
  indexes: [],
};

const ALLOCATIONS: Table = {
  name: "allocations",
  columns: [
    ...timestamps(),
    required("id", "id"),
    required("resource_provider_id", "integer"),
    required("consumer_id", 36),
    required("resource_class_id", "integer"),
    required("used", "integer"),
  ],
  constraints: [primaryKey("id")],
  indexes: [
    {
      name: "allocations_resource_provider_class_used_idx",
      columns: ["resource_provider_id", "resource_class_id", "used"],
    },
    { name: "allocations_resource_class_id_idx", columns: ["resource_class_id"] },
    { name: "allocations_consumer_id_idx", columns: ["consumer_id"] },
  ],
};

const INVENTORIES: Table = {
  name: "inventories",
  columns: [
    ...timestamps(),
    required("id", "id"),
    required("resource_provider_id", "integer"),
    required("resource_class_id", "integer"),
    required("total", "integer"),
    required("reserved", "integer"),
    required("min_unit", "integer"),
    required("max_unit", "integer"),
    required("step_size", "integer"),
    required("allocation_ratio", "float"),
  ],
  constraints: [
    primaryKey("id"),
    unique(
      "uniq_inventories0resource_provider_resource_class",
      "resource_provider_id",
      "resource_class_id",
    ),
  ],
  indexes: [{ name: "inventories_resource_class_id_idx", columns: ["resource_class_id"] }],
};

const PLACEMENT_AGGREGATES: Table = {
  name: "placement_aggregates",
  columns: [...timestamps(), required("id", "id"), optional("uuid", 36)],
  constraints: [primaryKey("id"), unique("uniq_placement_aggregates0uuid", "uuid")],
  indexes: [],
};

const RESOURCE_PROVIDER_AGGREGATES: Table = {
  name: "resource_provider_aggregates",
  columns: [
    ...timestamps(),
    required("resource_provider_id", "integer"),
    required("aggregate_id", "integer"),
  ],
  constraints: [primaryKey("resource_provider_id", "aggregate_id")],
  indexes: [{ name: "resource_provider_aggregates_aggregate_id_idx", columns: ["aggregate_id"] }],
};

const RESOURCE_PROVIDERS: Table = {
  name: "resource_providers",
  columns: [
    ...timestamps(),
    required("id", "id"),
    required("uuid", 36),
    optional("name", 200),
    optional("generation", "integer"),
    optional("root_provider_id", "integer"),
    optional("parent_provider_id", "integer"),
  ],
  constraints: [
    primaryKey("id"),
    foreignKey("parent_provider_id", "resource_providers"),
    foreignKey("root_provider_id", "resource_providers"),
    unique("uniq_resource_providers0name", "name"),
    unique("uniq_resource_providers0uuid", "uuid"),
  ],
  indexes: [
    { name: "resource_providers_parent_provider_id_idx", columns: ["parent_provider_id"] },
    { name: "resource_providers_root_provider_id_idx", columns: ["root_provider_id"] },
  ],
};

const RESOURCE_PROVIDER_TRAITS: Table = {
  name: "resource_provider_traits",
  columns: [
    ...timestamps(),
    required("trait_id", "integer"),
    required("resource_provider_id", "integer"),
  ],
  constraints: [
    primaryKey("trait_id", "resource_provider_id"),
    foreignKey("resource_provider_id", "resource_providers"),
    foreignKey("trait_id", "traits"),
  ],
  indexes: [
    {
      name: "resource_provider_traits_resource_provider_trait_idx",
      columns: ["resource_provider_id", "trait_id"],
    },
  ],
};

/** Made by a revision of its own, so known by name. */
export const CONSUMER_TYPES: Table = named("consumer_types");

/** The last table in the order: the revision that added the consumer type made it anew. */
export const CONSUMERS: Table = {
  name: "consumers",
  columns: [
    ...timestamps(),
    required("id", "id"),
    required("uuid", 36),
    required("project_id", "integer"),
    required("user_id", "integer"),
    { name: "generation", type: "integer", nullable: false, default: "0" },
    optional("consumer_type_id", "integer"),
  ],
  constraints: [
    primaryKey("id"),
    unique("uniq_consumers0uuid", "uuid"),
    {
      kind: "foreign key",
      name: "consumers_consumer_type_id_fkey",
      columns: ["consumer_type_id"],
      references: "consumer_types",
    },
  ],
  indexes: [
    { name: "consumers_project_id_user_id_uuid_idx", columns: ["project_id", "user_id", "uuid"] },
    { name: "consumers_project_id_uuid_idx", columns: ["project_id", "uuid"] },
    { name: "consumers_consumer_type_id_idx", columns: ["consumer_type_id"] },
  ],
};

export const PLACEMENT_TABLES: readonly Table[] = [
  ALEMBIC_VERSION,
  ALLOCATIONS,
  INVENTORIES,
  PLACEMENT_AGGREGATES,
  external("projects"),
  named("resource_classes"),
  RESOURCE_PROVIDER_AGGREGATES,
  RESOURCE_PROVIDERS,
  named("traits"),
  external("users"),
  RESOURCE_PROVIDER_TRAITS,
  CONSUMER_TYPES,
  CONSUMERS,
];

const TABLES_BY_NAME = new Map(
  [...PLACEMENT_TABLES, ...STOWAGE_TABLES].map((table) => [table.name, table]),
);

/**
 * The name of the unique constraint over columns of a table, `<table>_pkey` for the primary key:
 * for engines of which the errors name columns.
 */
export function uniqueConstraintOn(tableName: string, columns: readonly string[]): string {
  const constraint = TABLES_BY_NAME.get(tableName)?.constraints.find(
    ({ kind, columns: covered }) =>
      kind !== "foreign key" && covered.join(",") === columns.join(","),
  );
  return constraint?.kind === "unique" ? constraint.name : `${tableName}_pkey`;
}

function named(table: string): Table {
  return {
    name: table,
    columns: [...timestamps(), required("id", "id"), required("name", 255)],
    constraints: [primaryKey("id"), unique(`uniq_${table}0name`, "name")],
    indexes: [],
  };
}

function external(table: string): Table {
  return {
    name: table,
    columns: [...timestamps(), required("id", "id"), required("external_id", 255)],
    constraints: [primaryKey("id"), unique(`uniq_${table}0external_id`, "external_id")],
    indexes: [],
  };
}

function timestamps(): readonly Column[] {
  return [optional("created_at", "dateTime"), optional("updated_at", "dateTime")];
}
