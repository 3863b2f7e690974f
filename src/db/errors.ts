import { OperatorError } from "../config/operator-error.ts";

/** Failures of the database that the code above it reacts to. No driver's error type leaves `db`. */

/** A failure that is a defect of the program where nobody reacts to it. */
abstract class DatabaseError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** A row with the same key exists. */
export class DuplicateEntry extends DatabaseError {
  /**
   * The name of the unique constraint, such as `uniq_resource_providers0name`, or
   * `<table>_pkey` for a primary key.
   */
  readonly constraint: string;

  constructor(constraint: string, cause: unknown) {
    super(`duplicate entry for ${constraint}`, { cause });
    this.constraint = constraint;
  }
}

/** A foreign key would point nowhere. */
export class ReferenceViolation extends DatabaseError {}

/** A text or number that the engine, or the character set of its tables, has no room for. */
export class UnstorableValue extends DatabaseError {}

/** A table is not there: the database was dropped, or is being made anew. */
export class MissingTable extends DatabaseError {}

/** The database user may not do what was tried; says what. */
export class PermissionDenied extends OperatorError {}

/** Deadlock, lock time-out or serialization failure: repeating the transaction may succeed. */
export class TransactionConflict extends OperatorError {}

/** The connection broke before the commit, so nothing was written. */
export class ConnectionLost extends TransactionConflict {}

/** The database cannot be reached or does not take part: the request gets a 503. */
export class DatabaseUnavailable extends OperatorError {}

/**
 * No session can be had until somebody changes what is configured, here or on the server: a start does
 * not wait for that.
 */
export class DatabaseMisconfigured extends DatabaseUnavailable {}

/** A server refuses what another one may do that takes its place: it has done nothing. */
export class ServerUnfit extends DatabaseUnavailable {}

/** It can be read but not written to: a standby, or a server that protects itself. */
export class DatabaseReadOnly extends ServerUnfit {}

/** What others have locked, or write again and again, was not to be had in time. */
export class DatabaseBusy extends DatabaseUnavailable {}

/** A commit was not answered, or not clearly: what was to be written may be there or not. */
export class CommitOutcomeUnknown extends DatabaseUnavailable {}

/** The database's schema is not one that this program can work with; says what to do. */
export class SchemaMismatch extends OperatorError {}

/**
 * Something was to be written that a transaction has changed of which it is not known yet whether it was
 * committed. Nothing was written; it can be tried again when that is known.
 */
export class OutcomePending extends DatabaseBusy {
  readonly settled: Promise<void>;

  constructor(settled: Promise<void>) {
    super("it is not known yet what became of a change");
    this.settled = settled;
  }
}
