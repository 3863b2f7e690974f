import type { Expression, Kysely, RawBuilder } from "kysely";

import type { TransactionPool } from "./adapters/transaction-pool.ts";
import type { PartList, TableList } from "./adapters/session.ts";
import type { SchemaDialect } from "./migrations/ddl.ts";
import type { TriggerDialect } from "./migrations/change-triggers.ts";
import type { DatabaseDate, Schema } from "./schema.ts";

/**
 * Everything in which one engine differs from another. Code that needs to know asks for a named
 * capability here, never for the name of the engine.
 */
export interface DatabaseAdapter {
  readonly engine: "sqlite" | "mysql" | "postgres";
  /** Whether other processes write to the database, so that what is known of it may be stale. */
  readonly isShared: boolean;
  /** Whether statements that read are run in this thread, so that nobody else has a turn meanwhile. */
  readonly runsHere: boolean;
  /**
   * Connections for transactions that only read, each of which sees one consistent snapshot, or for
   * those that write.
   *
   * @param observe sees the text of every statement
   */
  createPool(access: "read" | "write", observe?: (text: string) => void): TransactionPool;
  /** How many bound parameters one statement may have. */
  readonly maxParameters: number;
  /**
   * Into how many rows one statement writes. With a server it is as many as possible, as each
   * statement is a message; elsewhere one, because then a single text serves any number of rows.
   */
  readonly rowsPerStatement: number;
  /**
   * Which of the ids that an insertion of several rows has made is told, where somebody needs to know,
   * which is in a shared database: the first, or only those that the statement itself returns.
   */
  readonly insertedId?: "first" | "returned";
  /**
   * How rows that are selected are held until the transaction ends; undefined where nobody else writes
   * meanwhile.
   */
  readonly rowLock: RowLock | undefined;
  /** Whether texts that differ in case, accents or spaces at the end may be the same to it. */
  readonly comparesTextLoosely: boolean;
  /** What the column of an allocation ratio makes of a number. */
  roundRatio(ratio: number): number;
  readonly schemaDialect: SchemaDialect;
  /** How the writes of other programs get into the change feed; where there can be none, undefined. */
  readonly triggerDialect: TriggerDialect | undefined;
  /** Lists the tables that a statement without a schema's name would find. */
  readonly tableList: TableList;
  /** List the columns and indexes of these tables, and the foreign keys where they have names. */
  readonly partLists: readonly PartList[];
  /**
   * Fails when what was opened is not there any more, where that may go unnoticed.
   *
   * @throws DatabaseUnavailable
   */
  checkPlace?(): void;
  /**
   * Whether another process has written since this was asked last, where the database is not shared and so
   * nobody should.
   */
  wasOvertaken?(): Promise<boolean>;
  /**
   * Moves the counter that gives ids to the rows of a table past the greatest id; where the engine sees to
   * that itself, undefined.
   *
   * @returns whether it was behind
   */
  readonly moveIdCounter?: (query: Kysely<Schema>, table: string) => Promise<boolean>;
  /** Tells what the user may do to the schema, in one row; where whoever has the file may do anything, undefined. */
  readonly schemaRights: SchemaRights | undefined;
  /** Runs a function that changes the schema while no other process can do so. */
  withSchemaLock<Result>(query: Kysely<Schema>, work: () => Promise<Result>): Promise<Result>;
  /** A date as text, in UTC without saying so, as upstream's columns hold it: what is read is what was written. */
  encodeDate(date: Date): DatabaseDate;
  /** The same for columns that hold fractions of a second. */
  encodePreciseDate(date: Date): DatabaseDate;
  decodeDate(value: DatabaseDate | null): Date | null;
  /**
   * The time of the statement by the clock of the database, in the form of `encodePreciseDate`: one clock for
   * all processes, whatever theirs say.
   */
  readonly now: RawBuilder<DatabaseDate>;
  /** A precise date of a row, so many seconds later. */
  later(
    date: Expression<DatabaseDate | null>,
    seconds: Expression<number | null>,
  ): RawBuilder<DatabaseDate | null>;
  /** By how much the clocks of its nodes may differ, where it may have several of them. */
  readonly clockSkewMs: number;
}

/** An engine may have numbers for truth values. */
export type SchemaRights = RawBuilder<{
  readonly can_create: boolean | number;
  readonly can_trigger: boolean | number;
}>;

export interface RowLock {
  /** The end of the statement that selects. */
  readonly clause: RawBuilder<unknown>;
  /** Whether there may be nodes that are written to and know nothing of it. */
  readonly isOfOneNode: boolean;
}
