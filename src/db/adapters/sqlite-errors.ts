import { processUser } from "../../config/operator-error.ts";
import {
  DatabaseUnavailable,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
} from "../../domain/errors.ts";
import { uniqueConstraintOn } from "../migrations/tables.ts";

/** Result codes of SQLite, https://sqlite.org/rescode.html. */
const BUSY = 5;
const LOCKED = 6;
const CONSTRAINT_FOREIGNKEY = 787;
const CONSTRAINT_PRIMARYKEY = 1555;
const CONSTRAINT_UNIQUE = 2067;
const READONLY = 8;
const IOERR = 10;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

const UNAVAILABLE = new Set([READONLY, IOERR, FULL, CANTOPEN, NOTADB]);

export function translateSqliteError(error: unknown): unknown {
  if (!isSqliteError(error)) return error;
  if (error.errcode === CONSTRAINT_UNIQUE || error.errcode === CONSTRAINT_PRIMARYKEY) {
    return new DuplicateEntry(constraintOf(error), error);
  }
  if (error.errcode === CONSTRAINT_FOREIGNKEY) {
    return new ReferenceViolation(error.message, { cause: error });
  }
  if (isLocked(error)) {
    return new TransactionConflict(error.message, { cause: error });
  }
  if (UNAVAILABLE.has(primaryCode(error))) {
    return new DatabaseUnavailable(error.message, { cause: error });
  }
  return error;
}

/** Why a file cannot be opened, for whoever has to see to it. */
export function translateOpenError(error: unknown, file: string): unknown {
  const translated = translateSqliteError(error);
  if (!(translated instanceof DatabaseUnavailable)) return translated;
  return new DatabaseUnavailable(
    `${processUser()} cannot use the SQLite file ${file} of [placement_database] connection ` +
      `(${translated.message}): the file and its folder have to be there, and be writable for that user`,
    { cause: error },
  );
}

/** Whether another connection has locked the database. */
export function isLocked(error: unknown): boolean {
  return isSqliteError(error) && [BUSY, LOCKED].includes(primaryCode(error));
}

/** The upper bits of an extended result code tell more than is needed here. */
function primaryCode(error: SqliteError): number {
  return error.errcode & 0xff;
}

/**
 * The name of the violated constraint. SQLite does not know it and names the columns instead:
 * `UNIQUE constraint failed: inventories.resource_provider_id, inventories.resource_class_id`.
 */
function constraintOf(error: SqliteError): string {
  const columns = error.message.slice(error.message.indexOf(": ") + 2).split(", ");
  const table = columns[0]?.split(".")[0] ?? "";
  return uniqueConstraintOn(
    table,
    columns.map((column) => column.slice(table.length + 1)),
  );
}

interface SqliteError extends Error {
  readonly errcode: number;
}

function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number";
}
