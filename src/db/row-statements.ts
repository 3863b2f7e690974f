import type { Compilable, Insertable } from "kysely";

import type { DeferredStatement } from "./adapters/session-transaction.ts";
import { textOf } from "./built-once.ts";
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
  /** How many rows of the table each must affect, or the transaction fails; any number if not given. */
  readonly mustAffect?: 0 | 1;
  readonly explain?: DeferredStatement["explain"];
}

/** Defers a statement for each row, or for many at once, as suits the engine. */
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
    name: `rows of ${table} with ${Object.keys(rows[0] ?? {}).join()}`,
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
  const [parametersOfText] = parameterSets;
  if (!parametersOfText || rows.length === 0) return;
  const { mustAffect } = statement;
  tx.defer({
    text: textOf(tx.adapter, `${statement.name} ${rows.length}`, parametersOfText, () =>
      statement.build(rows),
    ),
    parameterSets,
    ...(mustAffect !== undefined && {
      mustAffect: mustAffect * parameterSets.length * rows.length,
    }),
    ...(statement.explain && { explain: statement.explain }),
  });
}

function parametersFor<Row>(
  { lead = [], parametersOf }: RowStatement<Row>,
  rows: readonly Row[],
): readonly unknown[] {
  return [...lead, ...rows.flatMap(parametersOf)];
}
