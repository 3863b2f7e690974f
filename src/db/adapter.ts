import type { Dialect, Kysely } from "kysely";

import type { SchemaDialect } from "./migrations/ddl.ts";
import type { DatabaseDate, Schema } from "./schema.ts";

/**
 * Everything in which one engine differs from another. Code that needs to know asks for a named
 * capability here, never for the name of the engine.
 */
export interface DatabaseAdapter {
  readonly engine: "sqlite" | "mysql" | "postgres";
  /** Whether other processes write to the database, so that what is known of it may be stale. */
  readonly isShared: boolean;
  /**
   * The query builder's half of the engine: connections for transactions that only read, each of
   * which sees one consistent snapshot, or for those that write.
   */
  createDialect(access: "read" | "write"): Dialect;
  /** How many bound parameters one statement may have. */
  readonly maxParameters: number;
  readonly schemaDialect: SchemaDialect;
  /** Runs a function that changes the schema while no other process can do so. */
  withSchemaLock<Result>(query: Kysely<Schema>, work: () => Promise<Result>): Promise<Result>;
  /** How the engine's driver wants a date; UTC without a zone, as upstream stores it. */
  encodeDate(date: Date): DatabaseDate;
  decodeDate(value: DatabaseDate | null): Date | null;
  /**
   * Translates an error of the driver: a violated unique key becomes a `DuplicateEntry` with the
   * name of the constraint, a conflict that a repetition may resolve a `TransactionConflict`;
   * anything else is returned as it is.
   */
  translateError(error: unknown): unknown;
}
