import type { SelectQueryBuilder } from "kysely";

import { Pace } from "../scheduling/pace.ts";
import type { Schema } from "./schema.ts";

/** So many are read in one piece: a millisecond or two where the database is in this process. */
const FEW = 256;
const ROWS_BY_CLOCK = 32;

/**
 * Gives each row of a query, of which there are mostly few, to a function: where there are many, others have
 * their turn in between. In no order: to sort them, the engine would read them all in one piece.
 */
export async function takeRows<Row>(
  query: SelectQueryBuilder<Schema, never, Row>,
  take: (row: Row) => void,
): Promise<void> {
  const few = await query.limit(FEW + 1).execute();
  if (few.length <= FEW) {
    for (const row of few) take(row);
    return;
  }
  const pace = new Pace(Infinity);
  let count = 0;
  for await (const row of query.stream()) {
    take(row);
    count += 1;
    if (count % ROWS_BY_CLOCK === 0) await pace.rest();
  }
}
