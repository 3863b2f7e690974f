import type { Kysely } from "kysely";

import type { DatabaseAdapter } from "./adapter.ts";
import type { Change, CommitMark, DatabaseContext, RecordedChange } from "./change.ts";
import type { DeferredStatement } from "./adapters/session-transaction.ts";
import type { Schema } from "./schema.ts";

/**
 * A consistent view of the database. A function that takes one takes part in the transaction of
 * its caller: it neither begins nor ends one.
 */
export interface ReadTransaction {
  /** The query builder, bound to this transaction. */
  readonly query: Kysely<Schema>;
  /** What differs between engines. */
  readonly adapter: DatabaseAdapter;
  readonly context: DatabaseContext;
  /**
   * Where what is read decides what is written: makes sure that nothing about it, a UUID or a name, is
   * pending.
   *
   * @throws OutcomePending
   */
  readonly expectSettled?: (subject: string) => void;
}

/** A transaction that commits when the function it was made for returns, and else rolls back. */
export interface WriteTransaction extends ReadTransaction {
  /** The time of the transaction, one for all its rows: for `created_at` and `updated_at`. */
  readonly now: Date;
  /**
   * Writes something of which nothing has to be known before the transaction goes on: it is sent
   * with the next statement that is waited for, at the latest with the commit, which then fail in its
   * stead. The order of statements is kept.
   */
  defer(statement: DeferredStatement): void;
  /** Sends what was deferred if that is so much that all of it together would take long to be made ready. */
  sendMuch(): Promise<void>;
  /**
   * Notes a change; it is written to `stowage_changes` before the commit, under the request of the
   * transaction or, where one transaction serves several requests, under the one given.
   *
   * @throws OutcomePending as of `touch`
   */
  recordChange(change: Change, by?: DatabaseContext): void;
  /**
   * Notes that something is changed besides what `recordChange` notes, so that others wait if it turns
   * out not to be known whether this was committed.
   *
   * @throws OutcomePending it is not known of another one that has changed the same
   */
  touch(subject: string): void;
  /** The changes noted so far, in order. */
  readonly recorded: readonly RecordedChange[];
  /**
   * Runs a callback right after the commit, before any other transaction of this process begins
   * to write; never when the transaction rolls back, nor when others have begun before it was known
   * that it was committed: then only the change feed tells. Callbacks run in order and must not throw. Each
   * is given the first row that the feed has of it, where the database is shared.
   */
  afterCommit(callback: (mark: CommitMark | undefined) => void): void;
}
