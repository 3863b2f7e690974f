import type { RawBuilder } from "kysely";

/** A connection to a database. Its errors are those of the driver. */
export interface Session {
  run(text: string, parameters: readonly unknown[]): SessionResult | Promise<SessionResult>;
  /** Row by row where the driver can do so. */
  iterate(text: string, parameters: readonly unknown[]): Iterable<unknown> | AsyncIterable<unknown>;
  /** Whether no statement can be run any more, and what ran last may or may not have been done. */
  readonly isBroken: boolean;
  close(): void | Promise<void>;
}

export interface SessionResult {
  readonly rows: unknown[];
  readonly affectedRows: number | bigint;
  /** An id that an insertion has made, see `DatabaseAdapter.insertedId`; 0 where none is told. */
  readonly insertId: number | bigint;
}

/** What lists the tables that the session would find, under `name`. */
export type TableList = RawBuilder<{ readonly name: string }>;
