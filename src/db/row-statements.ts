import type { Compilable, Insertable } from "kysely";

import type { DatabaseAdapter } from "./adapter.ts";
import type { DeferredStatement } from "./adapters/session-transaction.ts";
import type { Schema } from "./schema.ts";
import type { WriteTransaction } from "./transaction.ts";

/** One thing to be done to many rows. */
export interface RowStatement<Row> {
  /** Tells the text from all others. */
  readonly name: string;
  readonly rows: readonly Row[];
  readonly build: (rows: readonly Row[]) => Compilable;
  /** The parameters before those of the rows. */
  readonly lead?: readonly unknown[];
  /** The parameters of a row, in the order of the text. */
  readonly parametersOf: (row: Row) => readonly unknown[];
  /** Whether the transaction fails unless each row affects one of the table. */
  readonly isGuarded?: boolean;
  readonly explain?: DeferredStatement["explain"];
}

/**
 * Defers a statement for each row, or for many at once, as suits the engine. To build a text costs
 * more than to run it, so each is built once for each number of rows.
 */
export function deferForRows<Row>(tx: WriteTransaction, statement: RowStatement<Row>): void {
  const { rows } = statement;
  const { rowsPerStatement } = tx.adapter;
  if (rowsPerStatement === 1) {
    const parameterSets = rows.map((row) => parametersFor(statement, [row]));
    deferOne(tx, statement, rows.slice(0, 1), parameterSets);
    return;
  }
  for (let start = 0; start < rows.length; start += rowsPerStatement) {
    const chunk = rows.slice(start, start + rowsPerStatement);
    deferOne(tx, statement, chunk, [parametersFor(statement, chunk)]);
  }
}

/** Defers the insertion of rows that have all the same columns. */
export function deferInsertion<Table extends keyof Schema>(
  tx: WriteTransaction,
  table: Table,
  rows: readonly Insertable<Schema[Table]>[],
  explain?: DeferredStatement["explain"],
): void {
  deferForRows(tx, {
    name: `rows of ${table}`,
    rows,
    build: (chunk) => tx.query.insertInto(table).values(chunk),
    parametersOf: (row) => Object.values(row),
    ...(explain && { explain }),
  });
}

function deferOne<Row>(
  tx: WriteTransaction,
  statement: RowStatement<Row>,
  rows: readonly Row[],
  parameterSets: readonly (readonly unknown[])[],
): void {
  if (rows.length === 0) return;
  const affected = parameterSets.length * rows.length;
  tx.defer({
    text: textFor(tx.adapter, statement, rows),
    parameterSets,
    ...(statement.isGuarded && { mustAffect: affected }),
    ...(statement.explain && { explain: statement.explain }),
  });
}

function parametersFor<Row>(
  { lead = [], parametersOf }: RowStatement<Row>,
  rows: readonly Row[],
): readonly unknown[] {
  return [...lead, ...rows.flatMap(parametersOf)];
}

const texts = new WeakMap<DatabaseAdapter, Map<string, string>>();

/** So many texts are kept for each database. */
const MAX_TEXTS = 300;

function textFor<Row>(
  adapter: DatabaseAdapter,
  statement: RowStatement<Row>,
  rows: readonly Row[],
): string {
  const known = texts.get(adapter) ?? new Map<string, string>();
  texts.set(adapter, known);
  const key = `${statement.name} ${rows.length}`;
  const text = known.get(key) ?? build(statement, rows);
  if (known.size >= MAX_TEXTS) known.clear();
  known.set(key, text);
  return text;
}

function build<Row>(statement: RowStatement<Row>, rows: readonly Row[]): string {
  const { sql, parameters } = statement.build(rows).compile();
  const given = parametersFor(statement, rows);
  const isSame =
    given.length === parameters.length &&
    given.every((parameter, position) => parameter === parameters[position]);
  if (!isSame) throw new Error(`parameters in another order than in the text: ${statement.name}`);
  return sql;
}
