import type { NewChangeRow } from "./schema.ts";
import type { Change, DatabaseContext, WriteTransaction } from "./transaction.ts";

/** A change with the request that made it. */
export interface RecordedChange {
  readonly change: Change;
  readonly by: DatabaseContext;
}

/** Writes what a transaction has recorded, in one statement if the engine's limits allow. */
export async function insertChanges(
  tx: WriteTransaction,
  changes: readonly RecordedChange[],
): Promise<void> {
  const createdAt = tx.adapter.encodeDate(tx.now);
  const rows = changes.map(({ change, by }): NewChangeRow => ({
    created_at: createdAt,
    kind: change.kind,
    resource_provider_id: change.providerId ?? null,
    subject: change.subject,
    request_id: by.requestId,
    user_id: by.userId ?? null,
    project_id: by.projectId ?? null,
  }));
  const rowsAtOnce = Math.floor(tx.adapter.maxParameters / COLUMNS);
  for (let start = 0; start < rows.length; start += rowsAtOnce) {
    await tx.query
      .insertInto("stowage_changes")
      .values(rows.slice(start, start + rowsAtOnce))
      .execute();
  }
}

/** How many columns of `stowage_changes` are given. */
const COLUMNS = 7;
