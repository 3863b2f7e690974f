import type { NewChangeRow } from "./schema.ts";
import type { WriteTransaction } from "./transaction.ts";

/** Writes what a transaction has recorded, in one statement if the engine's limits allow. */
export async function insertChanges(tx: WriteTransaction): Promise<void> {
  const rows = tx.changes.map((change): NewChangeRow => ({
    created_at: tx.adapter.encodeDate(tx.now),
    kind: change.kind,
    resource_provider_id: change.providerId ?? null,
    subject: change.subject,
    request_id: tx.context.requestId,
    user_id: tx.context.userId ?? null,
    project_id: tx.context.projectId ?? null,
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
