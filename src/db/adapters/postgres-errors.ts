import {
  DatabaseUnavailable,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
  UnstorableValue,
} from "../../domain/errors.ts";
import { DatabaseReadOnly, MissingTable, PermissionDenied } from "../errors.ts";

// Codes of https://www.postgresql.org/docs/current/errcodes-appendix.html.

const UNIQUE_VIOLATION = "23505";
const FOREIGN_KEY_VIOLATION = "23503";
const UNDEFINED_TABLE = "42P01";
const INSUFFICIENT_PRIVILEGE = "42501";

const CONFLICTS = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available: the lock time-out
  "42P07", // duplicate_table: another process creates the schema at the same time
]);

const UNSTORABLE = new Set([
  "22001", // string_data_right_truncation
  "22003", // numeric_value_out_of_range
  "22021", // character_not_in_repertoire: a NUL
  "22P05", // untranslatable_character
]);

/** read_only_sql_transaction: a standby, or `default_transaction_read_only`. */
const READ_ONLY = "25006";

/** Why a session is refused until somebody changes something. */
const REFUSALS = new Set([
  "22023", // invalid_parameter_value: of the URL's `options`
  "28000", // invalid_authorization_specification: unknown user, or not from this host
  "28P01", // invalid_password
  "3D000", // invalid_catalog_name: unknown database
  INSUFFICIENT_PRIVILEGE, // no access to the database
  "42601", // syntax_error: in the URL's `options`
  "42704", // undefined_object: an unknown parameter in the URL's `options`
]);

/** The driver's words where it has no password, or none of the ways in that the server offers. */
const LOGIN_FAILURE = /^(SASL: |Password must be a string|Unknown authentication)/;

const UNAVAILABLE = new Set([
  "53100", // disk_full
  "53200", // out_of_memory
  "53300", // too_many_connections
  "57014", // query_canceled
]);

/** Whether a server that was asked for a session will refuse it again. */
export function isRefusal(error: unknown): boolean {
  if (isPostgresError(error)) return REFUSALS.has(error.code);
  return error instanceof Error && LOGIN_FAILURE.test(error.message);
}

export function translatePostgresError(error: unknown): unknown {
  if (!isPostgresError(error)) return error;
  const { code, constraint = "", message } = error;
  if (code === UNIQUE_VIOLATION) return new DuplicateEntry(constraint, error);
  if (code === FOREIGN_KEY_VIOLATION) return new ReferenceViolation(message, { cause: error });
  if (code === UNDEFINED_TABLE) return new MissingTable(message, { cause: error });
  if (code === INSUFFICIENT_PRIVILEGE) return new PermissionDenied(message, { cause: error });
  if (UNSTORABLE.has(code)) return new UnstorableValue(message, { cause: error });
  if (CONFLICTS.has(code)) return new TransactionConflict(message, { cause: error });
  if (code === READ_ONLY) return new DatabaseReadOnly(message, { cause: error });
  if (UNAVAILABLE.has(code)) return new DatabaseUnavailable(message, { cause: error });
  return error;
}

interface PostgresError extends Error {
  readonly code: string;
  readonly constraint?: string;
}

function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
