/** How many values one `IN (…)` holds at most: engines limit the parameters of a statement. */
const CHUNK_SIZE = 1000;

/** Runs a query for a long list in pieces, one after the other, and joins the rows. */
export async function inChunks<Value, Row>(
  values: readonly Value[],
  run: (chunk: readonly Value[]) => Promise<readonly Row[]>,
  chunkSize = CHUNK_SIZE,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let start = 0; start < values.length; start += chunkSize) {
    for (const row of await run(values.slice(start, start + chunkSize))) rows.push(row);
  }
  return rows;
}
