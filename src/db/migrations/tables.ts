/**
 * The tables at the newest revision of upstream's schema, and our own, as data: what is created in
 * an empty database on every engine, and the names of the constraints that errors are about.
 *
 * The order of tables, columns and constraints is the one that upstream's migrations lead to, so
 * that dumps of the schema are equal.
 */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
}

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  readonly default?: string;
}

/** `id` and `bigId` count up by themselves; the number is the length of a text. */
export type ColumnType =
  | "id"
  | "bigId"
  | "integer"
  | "bigInteger"
  | "float"
  | "dateTime"
  | "preciseDateTime"
  | "text"
  | number;

export type Constraint =
  | { readonly kind: "primary key"; readonly name?: string; readonly columns: readonly string[] }
  | { readonly kind: "unique"; readonly name: string; readonly columns: readonly string[] }
  | {
      readonly kind: "foreign key";
      readonly name?: string;
      readonly columns: readonly string[];
      /** The table of which `id` is meant. */
      readonly references: string;
    };

export interface Index {
  readonly name: string;
  readonly columns: readonly string[];
}

/** How a part of the schema is called: `table users`, or `index users.users_name_idx`. */
export type SchemaPart =
  | `table ${string}`
  | `${"column" | "index" | "foreign key"} ${string}.${string}`;

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

/** Missing from the feed of an earlier release. */
export const CHANGE_DETAILS: Column = optional("details", "text");

/** The change feed. */
export const STOWAGE_CHANGES: Table = {
  name: "stowage_changes",
  columns: [
    required("id", "bigId"),
    required("created_at", "preciseDateTime"),
    required("kind", 32),
    optional("resource_provider_id", "integer"),
    required("subject", 255),
    required("request_id", 255),
    optional("user_id", 255),
    optional("project_id", 255),
    CHANGE_DETAILS,
  ],
  constraints: [primaryKey("id")],
  indexes: [],
};

/** Single facts about the database, such as which feed it has. */
export const STOWAGE_STATE: Table = {
  name: "stowage_state",
  columns: [required("name", 64), required("value", 255)],
  constraints: [primaryKey("name")],
  indexes: [],
};

/** What requests did not get, for whoever asks afterwards why. */
const STOWAGE_REFUSALS: Table = {
  name: "stowage_refusals",
  columns: [
    required("id", "bigId"),
    required("created_at", "preciseDateTime"),
    required("kind", 32),
    required("request_id", 64),
    optional("global_request_id", 64),
    optional("consumer_id", 36),
    optional("project_id", 255),
    required("body", "text"),
  ],
  constraints: [primaryKey("id")],
  indexes: [
    { name: "stowage_refusals_created_at_idx", columns: ["created_at"] },
    { name: "stowage_refusals_request_id_idx", columns: ["request_id"] },
    { name: "stowage_refusals_global_request_id_idx", columns: ["global_request_id"] },
    { name: "stowage_refusals_consumer_id_idx", columns: ["consumer_id"] },
    { name: "stowage_refusals_project_id_idx", columns: ["project_id"] },
  ],
};

/** Claims that were made with an idempotency key, and what was answered. */
const STOWAGE_CLAIMS: Table = {
  name: "stowage_claims",
  columns: [
    required("id", "bigId"),
    required("created_at", "preciseDateTime"),
    required("consumer_uuid", 36),
    required("idempotency_key", 64),
    required("fingerprint", 64),
    required("answer", "text"),
  ],
  constraints: [primaryKey("id"), unique("uniq_stowage_claims0idempotency_key", "idempotency_key")],
  indexes: [{ name: "stowage_claims_created_at_idx", columns: ["created_at"] }],
};

/** What consumers were granted by a claim besides allocations. */
const STOWAGE_GRANTS: Table = {
  name: "stowage_grants",
  columns: [
    required("id", "bigId"),
    required("created_at", "preciseDateTime"),
    required("consumer_uuid", 36),
    required("consumer_id", "integer"),
    required("grant_uuid", 36),
    optional("gang", 100),
    required("place", "integer"),
    optional("member", 100),
    optional("lease_seconds", "integer"),
    optional("renewed_at", "preciseDateTime"),
    optional("expires_at", "preciseDateTime"),
    optional("ended_at", "preciseDateTime"),
  ],
  constraints: [
    primaryKey("id"),
    unique("uniq_stowage_grants0consumer_uuid", "consumer_uuid"),
    unique("uniq_stowage_grants0gang0place", "gang", "place"),
  ],
  indexes: [
    { name: "stowage_grants_grant_uuid_idx", columns: ["grant_uuid"] },
    { name: "stowage_grants_expires_at_idx", columns: ["expires_at"] },
    { name: "stowage_grants_ended_at_idx", columns: ["ended_at"] },
  ],
};

/** What happened to consumers and providers, made from the change feed, to be found by either. */
const STOWAGE_HISTORY: Table = {
  name: "stowage_history",
  columns: [
    required("id", "bigId"),
    required("change_id", "bigInteger"),
    required("created_at", "preciseDateTime"),
    required("kind", 32),
    optional("consumer_uuid", 36),
    optional("provider_uuid", 36),
    required("request_id", 255),
    optional("user_id", 255),
    optional("project_id", 255),
    optional("reason", 64),
    optional("details", "text"),
  ],
  constraints: [primaryKey("id")],
  indexes: [
    { name: "stowage_history_change_id_idx", columns: ["change_id"] },
    { name: "stowage_history_consumer_uuid_idx", columns: ["consumer_uuid", "id"] },
    { name: "stowage_history_provider_uuid_idx", columns: ["provider_uuid", "id"] },
    { name: "stowage_history_reason_idx", columns: ["reason"] },
  ],
};

/** What Stowage adds; upstream does not look at it. */
export const STOWAGE_TABLES: readonly Table[] = [
  STOWAGE_STATE,
  STOWAGE_CHANGES,
  STOWAGE_REFUSALS,
  STOWAGE_CLAIMS,
  STOWAGE_GRANTS,
  STOWAGE_HISTORY,
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

function required(name: string, type: ColumnType): Column {
  return { name, type, nullable: false };
}

function optional(name: string, type: ColumnType): Column {
  return { name, type, nullable: true };
}

function primaryKey(...columns: string[]): Constraint {
  return { kind: "primary key", columns };
}

function unique(name: string, ...columns: string[]): Constraint {
  return { kind: "unique", name, columns };
}

function foreignKey(column: string, references: string): Constraint {
  return { kind: "foreign key", columns: [column], references };
}
