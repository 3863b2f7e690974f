import type { SessionLimits } from "../terms.ts";

// Whatever a server, a database or a user may have set that changes what a statement means, how its answer
// reads, or when it is given up: each session sets it, or says by name that it cannot be used. What is only
// about speed, durability or who may do what belongs to whoever runs the server, and is left alone; so is
// `default_transaction_read_only` (`transaction_read_only`), by which an administrator keeps writers out.

/** Values as the server shows them, by name. */
type SessionSettings = Readonly<Record<string, string>>;

/**
 * Of PostgreSQL, as `pg_settings` shows them, times in milliseconds. `search_path` stays as it is, since a
 * deployment may keep the tables in a schema of their own; see `isSearchPathFit`.
 */
export function postgresSettings(
  access: "read" | "write",
  { lockTimeoutS, idleTransactionTimeoutS }: SessionLimits,
): SessionSettings {
  return {
    // How texts are read.
    client_encoding: "UTF8",
    standard_conforming_strings: "on",
    backslash_quote: "safe_encoding",
    transform_null_equals: "off",
    array_nulls: "on",
    // How values are shown.
    DateStyle: "ISO, YMD",
    IntervalStyle: "postgres",
    TimeZone: "UTC",
    bytea_output: "hex",
    extra_float_digits: "1",
    quote_all_identifiers: "off",
    // What is seen and enforced. Rows that a policy hides would be an error, and not be missed in silence.
    row_security: "off",
    session_replication_role: "origin",
    check_function_bodies: "on",
    default_transaction_isolation: "read committed",
    default_transaction_deferrable: "off",
    // When something is given up. Nothing waits for a lock without end, and a transaction whose client has
    // gone away without a word ends. Changes of the schema may take their time; all else has a limit here.
    lock_timeout: String(lockTimeoutS * 1000),
    idle_in_transaction_session_timeout: String(idleTransactionTimeoutS * 1000),
    statement_timeout: "0",
    transaction_timeout: "0",
    idle_session_timeout: "0",
    exit_on_error: "off",
    client_min_messages: "warning",
    // What writes is planned each time: a plan that was made while a table was small reads all of it when it
    // has grown (a quarter of the claims a second, until the server had gathered statistics).
    plan_cache_mode: access === "write" ? "force_custom_plan" : "auto",
  };
}

/**
 * Of MySQL and MariaDB, as `show variables` shows them; each has some that the other has not. `sql_mode` is in
 * `fitSqlMode`, and the isolation level in the session, as it is called differently by the two.
 */
export function mysqlSettings({
  lockTimeoutS,
  idleTransactionTimeoutS,
}: SessionLimits): SessionSettings {
  return {
    // How texts are read and shown. What the server says about an error is read, too.
    character_set_client: "utf8mb4",
    character_set_connection: "utf8mb4",
    collation_connection: "utf8mb4_general_ci",
    character_set_results: "utf8mb4",
    lc_messages: "en_US",
    time_zone: "+00:00",
    // Where transactions begin and end.
    autocommit: "ON",
    completion_type: "NO_CHAIN",
    // What is found, and how much of it.
    sql_auto_is_null: "OFF",
    sql_select_limit: MOST_ROWS,
    sql_big_selects: "ON",
    sql_safe_updates: "OFF",
    // What is enforced, and what tables are made of.
    foreign_key_checks: "ON",
    unique_checks: "ON",
    check_constraint_checks: "ON",
    default_storage_engine: "InnoDB",
    // When something is given up. MariaDB ends a transaction whose client has gone away without a word; with
    // MySQL, TCP has to find out that nobody is left.
    innodb_lock_wait_timeout: String(lockTimeoutS),
    lock_wait_timeout: String(lockTimeoutS),
    idle_transaction_timeout: String(idleTransactionTimeoutS),
    idle_readonly_transaction_timeout: "0",
    idle_write_transaction_timeout: "0",
    max_statement_time: "0.000000",
    max_execution_time: "0",
    wait_timeout: WAIT_TIMEOUT_S,
    // A node of Galera waits until it has what the others had committed when a transaction begins, and when a
    // statement outside of one does: what is read after a commit elsewhere shows it.
    wsrep_sync_wait: "1",
  };
}

const MOST_ROWS = "18446744073709551615";

/** The server's default: longer than a session is kept. */
const WAIT_TIMEOUT_S = "28800";

/** Modes that make statements fail rather than store something else, and change nothing more. */
const FIT_SQL_MODES: ReadonlySet<string> = new Set([
  "STRICT_TRANS_TABLES",
  "STRICT_ALL_TABLES",
  "NO_ZERO_IN_DATE",
  "NO_ZERO_DATE",
  "ERROR_FOR_DIVISION_BY_ZERO",
  "TRADITIONAL",
  "NO_AUTO_CREATE_USER",
  "NO_ENGINE_SUBSTITUTION",
]);

/**
 * A text or number that does not fit is an error, and an id of 0 is the id 0: the resource class VCPU has
 * it.
 */
const NEEDED_SQL_MODES = ["STRICT_ALL_TABLES", "NO_AUTO_VALUE_ON_ZERO"];

/** What remains of an SQL mode without what would give statements another meaning. */
export function fitSqlMode(mode: string): string {
  const fit = mode.split(",").filter((name) => FIT_SQL_MODES.has(name));
  return [...new Set([...fit, ...NEEDED_SQL_MODES])].join();
}

/**
 * Whether the functions and types of PostgreSQL cannot be hidden by others of their names, and there is a
 * schema to find tables in. What is temporary belongs to the session, which makes nothing of the kind.
 *
 * @param implicit all schemas that are looked through, in order, with those that nobody has to name
 */
export function isSearchPathFit(implicit: readonly string[]): boolean {
  const own = implicit.filter((schema) => schema !== "pg_catalog");
  const first = implicit.find((schema) => !schema.startsWith("pg_temp"));
  return first === "pg_catalog" && own.length > 0;
}
