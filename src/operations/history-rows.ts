import type { ChangeRow } from "../domain/change-row.ts";
import { historyOf, type NewHistoryRow } from "../domain/history.ts";
import { Pace } from "../scheduling/pace.ts";

/**
 * What is kept of rows of the feed, in their order. A row may be long, and so many of them take a while to read.
 *
 * @param uuidOf the UUID of a provider that is there
 */
export async function toHistoryRows(
  rows: readonly ChangeRow[],
  uuidOf: (providerId: number) => string | undefined,
): Promise<NewHistoryRow[]> {
  const pace = new Pace(Infinity);
  const made: NewHistoryRow[] = [];
  for (const row of rows) {
    for (const one of historyOf(row, uuidOf)) made.push(one);
    await pace.rest();
  }
  return made;
}
