import {
  CommitOutcomeUnknown,
  DatabaseUnavailable,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
  UnstorableValue,
} from "../../domain/errors.ts";
import { DatabaseReadOnly, MissingTable, PermissionDenied, ServerUnfit } from "../errors.ts";

// Numbers of https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html and
// https://mariadb.com/kb/en/mariadb-error-code-reference/.

const DUPLICATE_ENTRY = 1062;
const REFERENCE_VIOLATIONS = new Set([1216, 1217, 1451, 1452]);

const MISSING_TABLES = new Set([
  1049, // unknown database: it is gone while the session is still there
  1146, // no such table
]);

const LOCK_WAIT_TIMEOUT = 1205;

/**
 * Error during commit: Galera says so when a node was cut off from the others while it told them of the
 * commit, which they may have heard.
 */
const COMMIT_FAILED = 1180;

/** A node of Galera that has not the majority with it refuses to work. */
const NOT_IN_CLUSTER = 1047;

const CONFLICTS = new Set([
  1020, // record has changed since last read, MariaDB's snapshot isolation
  LOCK_WAIT_TIMEOUT,
  COMMIT_FAILED,
  1213, // deadlock, and Galera's certification failure, which may come with the commit
  1359, // trigger exists: another process installs them at the same time
  1317, // query interrupted: Galera has aborted the transaction for one of another node
  // What a change of the schema runs into that another process has just made:
  1005, // a constraint of the name exists, says MariaDB
  1050, // table exists
  1060, // column exists
  1061, // index exists
  1091, // index to be dropped does not exist
  1826, // a constraint of the name exists
]);

/** Upstream's tables are often in `utf8mb3`, which has no room for emoji. */
const UNSTORABLE = new Set([
  1264, // out of range
  1267, // illegal mix of collations: compared with what the column cannot hold
  1300, // invalid character string
  1366, // incorrect string value
  1406, // data too long
  3854, // cannot convert string
  3988, // conversion from collation is impossible
]);

const DENIED = new Set([
  1044, // no access to the database
  1142, // no such right on the table, such as TRIGGER
  1227, // no such right on the server
  1419, // no right to make triggers while the binary log is on
]);

/** Why a session is refused until somebody changes something. */
const REFUSALS = new Set([
  1044, // no access to the database
  1045, // unknown user or wrong password
  1049, // unknown database
  1130, // nobody may come from this host
  1231, // wrong value of a variable: the SQL mode
  1698, // as 1045, without a password
  3159, // nobody may come without encryption
]);

const UNAVAILABLE = new Set([
  1021, // disk full
  1040, // too many connections
  1041, // out of memory
  1114, // table full
  1203, // too many connections of this user
  1226, // the user's resources are used up
]);

const READ_ONLY = new Set([
  1792, // transaction_read_only
  1290, // an option of the server, such as read_only, forbids the statement
  1836, // the server is in read-only mode
]);

/**
 * What locks no row waits, if it does, for what other nodes of Galera have committed. A statement that is
 * run on its own may do so while it is prepared.
 */
const LOCKS_NO_ROW = /^(start transaction|select)\b/;

/** Whether a server that was asked for a session will refuse it again. */
export function isRefusal(error: unknown): boolean {
  return isMysqlError(error) && REFUSALS.has(error.errno);
}

/** @param statement tells what the server does not: the table, and what it was waiting for */
export function translateMysqlError(error: unknown, statement: string): unknown {
  if (!isMysqlError(error)) return error;
  const { errno, message } = error;
  if (errno === DUPLICATE_ENTRY) return new DuplicateEntry(constraintOf(message, statement), error);
  if (REFERENCE_VIOLATIONS.has(errno)) return new ReferenceViolation(message, { cause: error });
  if (UNSTORABLE.has(errno)) return new UnstorableValue(message, { cause: error });
  if (MISSING_TABLES.has(errno)) return new MissingTable(message, { cause: error });
  if (DENIED.has(errno)) return new PermissionDenied(message, { cause: error });
  if (errno === NOT_IN_CLUSTER) return new ServerUnfit(message, { cause: error });
  if (errno === LOCK_WAIT_TIMEOUT && LOCKS_NO_ROW.test(statement)) {
    return new ServerUnfit("the node cannot catch up with the cluster", { cause: error });
  }
  if (errno === COMMIT_FAILED && statement === "commit") {
    return new CommitOutcomeUnknown(message, { cause: error });
  }
  if (CONFLICTS.has(errno)) return new TransactionConflict(message, { cause: error });
  if (READ_ONLY.has(errno)) return new DatabaseReadOnly(message, { cause: error });
  if (UNAVAILABLE.has(errno)) return new DatabaseUnavailable(message, { cause: error });
  return error;
}

/**
 * The name of the violated constraint, from `Duplicate entry '…' for key 'traits.uniq_traits0name'`.
 * MariaDB does not name the table, and both name each primary key `PRIMARY`.
 */
function constraintOf(message: string, statement: string): string {
  const key = /for key '(?:[^']*\.)?([^'.]+)'$/.exec(message)?.[1] ?? "";
  if (key !== "PRIMARY") return key;
  return `${/^(?:insert into|update) `([^`]+)`/.exec(statement)?.[1] ?? ""}_pkey`;
}

interface MysqlError extends Error {
  readonly errno: number;
  readonly code: string;
}

function isMysqlError(error: unknown): error is MysqlError {
  return error instanceof Error && "errno" in error && typeof error.errno === "number";
}
