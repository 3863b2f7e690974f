import { setImmediate } from "node:timers/promises";

/** How many values one `IN (…)` holds at most: engines limit the parameters of a statement. */
const CHUNK_SIZE = 1000;

/**
 * Runs a query for a long list in pieces, one after the other, and joins the rows. Others have their turn in
 * between, also where the database answers at once.
 */
export async function inChunks<Value, Row>(
  values: readonly Value[],
  run: (chunk: readonly Value[]) => Promise<readonly Row[]>,
  chunkSize = CHUNK_SIZE,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let start = 0; start < values.length; start += chunkSize) {
    if (start > 0) await setImmediate();
    for (const row of await run(values.slice(start, start + chunkSize))) rows.push(row);
  }
  return rows;
}
