import type { Dialect } from "kysely";

import type { DatabaseDate } from "./schema.ts";

/**
 * Everything in which one engine differs from another. Code that needs to know asks for a named
 * capability here, never for the name of the engine.
 */
export interface DatabaseAdapter {
  readonly engine: "sqlite" | "mysql" | "postgres";
  /** The query builder's half of the engine. */
  createDialect(): Dialect;
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
