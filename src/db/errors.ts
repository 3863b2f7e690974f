import { OperatorError } from "../config/operator-error.ts";
import { DatabaseError, DatabaseUnavailable, TransactionConflict } from "../domain/errors.ts";

// Failures that `db` and those who work with it react to; what others meet is in `domain/errors.ts`.

/** A table is not there: the database was dropped, or is being made anew. */
export class MissingTable extends DatabaseError {}

/** The database user may not do what was tried; says what. */
export class PermissionDenied extends OperatorError {}

/** The connection broke before the commit, so nothing was written. */
export class ConnectionLost extends TransactionConflict {}

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
