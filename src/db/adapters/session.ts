import type { RawBuilder } from "kysely";

/** A connection to a database. Its errors are those of the driver. */
export interface Session {
  run(text: string, parameters: readonly unknown[]): SessionResult | Promise<SessionResult>;
  /**
   * Runs statements in this order, up to the first that fails or does not affect the rows that it
   * must; in as few messages as the driver allows.
   */
  runSeries(statements: readonly Statement[]): SeriesOutcome | Promise<SeriesOutcome>;
  /**
   * Whether a statement of a series is run only after those before it did what they must. Where it is
   * sent without waiting for them, a commit has to wait until they have been looked at.
   */
  readonly runsInTurn: boolean;
  /** Row by row where the driver can do so. */
  iterate(text: string, parameters: readonly unknown[]): Iterable<unknown> | AsyncIterable<unknown>;
  /** Which run of which server this is with; none of the embedded database. */
  readonly server?: string;
  /** Whether no statement can be run any more, and what ran last may or may not have been done. */
  readonly isBroken: boolean;
  close(): void | Promise<void>;
}

export interface Statement {
  readonly text: string;
  /** It is run once with each of them. */
  readonly parameterSets: readonly (readonly unknown[])[];
  /** How many rows it must affect altogether; any number if this is not given. */
  readonly mustAffect?: number;
  /** Whether it is run all the time, and one plan suits it whatever its parameters are. */
  readonly isSteady?: boolean;
}

export interface SessionResult {
  readonly rows: unknown[];
  readonly affectedRows: number | bigint;
  /** An id that an insertion has made, see `DatabaseAdapter.insertedId`; 0 where none is told. */
  readonly insertId: number | bigint;
}

/** What became of a series of statements. */
export interface SeriesOutcome {
  /** Of the statements that did what they must; for each the result with its last parameters. */
  readonly results: readonly SessionResult[];
  /** Why the statement after those was the last one. */
  readonly failure?: SeriesFailure;
}

export interface SeriesFailure {
  /** What the driver threw; `undefined` if other rows were affected than must be. */
  readonly error: unknown;
}

/** What lists the tables that the session would find, under `name`. */
export type TableList = RawBuilder<{ readonly name: string }>;

/** What lists parts of the tables that the session would find. */
export type PartList = RawBuilder<{
  readonly kind: "column" | "index" | "foreign key";
  readonly table_name: string;
  readonly name: string;
}>;
