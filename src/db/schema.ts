import type { Generated, Insertable } from "kysely";

/**
 * The tables as the query builder sees them: Placement's own, and ours, which are named
 * `stowage_*`. Names and meanings are an interface: other tools read these tables.
 *
 * A date is what the engine's driver takes and gives; `DatabaseAdapter.encodeDate` and
 * `decodeDate` translate.
 */
export interface Schema {
  alembic_version: { version_num: string };
  resource_classes: NamedTable;
  traits: NamedTable;
  consumer_types: NamedTable;
  resource_providers: ResourceProvidersTable;
  inventories: InventoriesTable;
  allocations: AllocationsTable;
  placement_aggregates: Timestamps & { id: Generated<number>; uuid: string | null };
  resource_provider_aggregates: Timestamps & {
    resource_provider_id: number;
    aggregate_id: number;
  };
  resource_provider_traits: Timestamps & { resource_provider_id: number; trait_id: number };
  consumers: ConsumersTable;
  projects: ExternalTable;
  users: ExternalTable;
  stowage_changes: ChangesTable;
  stowage_state: { name: string; value: string };
  stowage_refusals: RefusalsTable;
  stowage_claims: ClaimReceiptsTable;
  stowage_grants: GrantsTable;
  stowage_history: HistoryTable;
}

/** What the adapter has the driver take and give for a DATETIME. */
export type DatabaseDate = string;

interface Timestamps {
  created_at: DatabaseDate | null;
  updated_at: DatabaseDate | null;
}

interface NamedTable extends Timestamps {
  id: Generated<number>;
  name: string;
}

/** Projects and users: known outside by an id that Placement does not interpret. */
interface ExternalTable extends Timestamps {
  id: Generated<number>;
  external_id: string;
}

interface ResourceProvidersTable extends Timestamps {
  id: Generated<number>;
  uuid: string;
  name: string | null;
  generation: number | null;
  root_provider_id: number | null;
  parent_provider_id: number | null;
}

interface InventoriesTable extends Timestamps {
  id: Generated<number>;
  resource_provider_id: number;
  resource_class_id: number;
  total: number;
  reserved: number;
  min_unit: number;
  max_unit: number;
  step_size: number;
  allocation_ratio: number;
}

interface AllocationsTable extends Timestamps {
  id: Generated<number>;
  resource_provider_id: number;
  /** The UUID of the consumer, not its id. */
  consumer_id: string;
  resource_class_id: number;
  used: number;
}

interface ConsumersTable extends Timestamps {
  id: Generated<number>;
  uuid: string;
  project_id: number;
  user_id: number;
  generation: Generated<number>;
  consumer_type_id: number | null;
}

/**
 * The change feed: what changed, by whom, under which request. It keeps the read models of other
 * replicas fresh, and is the audit trail.
 */
interface ChangesTable {
  id: Generated<number>;
  created_at: DatabaseDate;
  kind: string;
  resource_provider_id: number | null;
  /** The UUID of a provider or consumer, or the name of a trait, class or type. */
  subject: string;
  request_id: string;
  user_id: string | null;
  project_id: string | null;
  /** From what to what, as `writeDetails` writes it; `null` in rows of other programs and of older releases. */
  details: string | null;
}

/** What requests did not get: facts as JSON, under the request that they were told to. */
interface RefusalsTable {
  id: Generated<number>;
  created_at: DatabaseDate;
  kind: string;
  request_id: string;
  global_request_id: string | null;
  /** The UUID of the consumer that was to hold something. */
  consumer_id: string | null;
  /** External, as the request says it. */
  project_id: string | null;
  body: string;
}

/** Claims that were made with an idempotency key, for as long as they may be repeated. */
interface ClaimReceiptsTable {
  id: Generated<number>;
  created_at: DatabaseDate;
  consumer_uuid: string;
  /** A digest of it and of whose it is: engines differ in which texts are the same. */
  idempotency_key: string;
  /** A digest of the request. */
  fingerprint: string;
  /** The body, as JSON. */
  answer: string;
}

/** What consumers were granted by a claim besides allocations: a lease, a place in a gang. One row each. */
interface GrantsTable {
  id: Generated<number>;
  created_at: DatabaseDate;
  consumer_uuid: string;
  /** Tells it from another consumer that was made later under its UUID. */
  consumer_id: number;
  /** One for all consumers of a claim: they have one lease. */
  grant_uuid: string;
  /** While it holds. */
  gang: string | null;
  /** Within the gang; 0 where there is none. */
  place: number;
  /** As which member of the gang. */
  member: string | null;
  /** Kept when the lease has ended, to tell that there was one. */
  lease_seconds: number | null;
  /** On the clock of the database, as is the next. */
  renewed_at: DatabaseDate | null;
  /** While it holds. */
  expires_at: DatabaseDate | null;
  /** When the consumer was found to be released. */
  ended_at: DatabaseDate | null;
}

/** What the feed has told, by consumer and by provider, for longer than the feed is kept. */
interface HistoryTable {
  /** Rows of one change follow each other; those of one consumer or provider are in the order of its changes. */
  id: Generated<number>;
  /** Of the row of the feed that it is made from. */
  change_id: number;
  created_at: DatabaseDate;
  kind: string;
  /** Canonical; `null` for a change of a provider itself. */
  consumer_uuid: string | null;
  /** Canonical; `null` where it is not told what the consumer holds. */
  provider_uuid: string | null;
  request_id: string;
  user_id: string | null;
  project_id: string | null;
  /** A digest of the reason of a release: engines differ in which texts are the same. */
  reason: string | null;
  /** As in the feed; of what a consumer holds, the part of the provider. */
  details: string | null;
}

export type NewChangeRow = Insertable<ChangesTable>;
