import { optional, primaryKey, required, unique, type Column, type Table } from "./table.ts";

// What Stowage has beside upstream's tables: only ever added to, and named `stowage_*`.

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
