import { CompiledQuery, type Compilable } from "kysely";

import { BoundedMap } from "../domain/bounded-map.ts";
import { inChunks } from "./chunks.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import type { ReadTransaction } from "./transaction.ts";

const texts = new WeakMap<DatabaseAdapter, BoundedMap<string, string>>();

/** So many texts are kept for each database. */
const MAX_TEXTS = 300;

/**
 * The text of a query that the query builder has built before, or builds now: to build one costs more
 * than to run it (`bench/sql-builder.ts`).
 *
 * @param name tells the text from all others; whatever the text depends on has to be part of it
 * @param parameters those that it is run with, in the order of the text
 */
export function textOf(
  adapter: DatabaseAdapter,
  name: string,
  parameters: readonly unknown[],
  build: () => Compilable,
): string {
  const known = texts.get(adapter) ?? new BoundedMap<string, string>({ entries: MAX_TEXTS });
  texts.set(adapter, known);
  const text = known.use(name);
  if (text !== undefined) return text;
  const built = build().compile();
  if (!isSame(parameters, built.parameters)) {
    throw new Error(`parameters in another order than in the text: ${name}`);
  }
  known.set(name, built.sql);
  return built.sql;
}

/**
 * The rows of a query for a list of values, of which the text depends on their number only.
 *
 * @param parametersOf what is bound, in the order of the text, where that is not each value once
 */
export function selectFor<Value, Row>(
  tx: ReadTransaction,
  name: string,
  values: readonly Value[],
  build: (values: readonly Value[]) => Compilable<Row>,
  parametersOf: (values: readonly Value[]) => readonly unknown[] = (chunk) => chunk,
): Promise<Row[]> {
  return inChunks(values, async (chunk) => {
    const parameters = parametersOf(chunk);
    const text = textOf(tx.adapter, `${name} ${chunk.length}`, parameters, () => build(chunk));
    const { rows } = await tx.query.executeQuery<Row>(CompiledQuery.raw(text, [...parameters]));
    return rows;
  });
}

function isSame(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((value, place) => value === right[place]);
}
