import type { Kysely } from "kysely";

import { DuplicateEntry } from "./errors.ts";
import type { NewChangeRow, Schema } from "./schema.ts";
import type { Change, DatabaseContext, ReadTransaction, WriteTransaction } from "./transaction.ts";

/** A change with the request that made it. */
export interface RecordedChange {
  readonly change: Change;
  readonly by: DatabaseContext;
}

/** A row of the change feed that tells afterwards whether its transaction was committed. */
export interface CommitMark extends NewChangeRow {
  readonly id: number;
}

/**
 * Writes what a transaction has recorded, in one statement if the engine's limits allow.
 *
 * @returns the first row, if any
 */
export async function insertChanges(
  tx: WriteTransaction,
  changes: readonly RecordedChange[],
): Promise<CommitMark | undefined> {
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
  let mark: CommitMark | undefined;
  for (let start = 0; start < rows.length; start += rowsAtOnce) {
    const chunk = rows.slice(start, start + rowsAtOnce);
    const id = await insertRows(tx, chunk);
    const [first] = chunk;
    if (first) mark ??= { ...first, id };
  }
  return mark;
}

/**
 * Finds out whether a transaction has come to an end of which the commit was not answered, by
 * inserting its mark once more: that waits while the database has not made up its mind.
 *
 * @param query a transaction of its own, to be rolled back
 * @returns false when it was not committed; otherwise there is a row with the id of its mark
 */
export async function isMarkTaken(query: Kysely<Schema>, mark: CommitMark): Promise<boolean> {
  try {
    await query.insertInto("stowage_changes").values(mark).execute();
    return false;
  } catch (error) {
    if (error instanceof DuplicateEntry) return true;
    throw error;
  }
}

/**
 * Whether the row with the id of a mark is the mark. A server that crashed gives out ids anew that
 * transactions had which were lost with it.
 */
export async function hasMark(tx: ReadTransaction, mark: CommitMark): Promise<boolean> {
  const row = await tx.query
    .selectFrom("stowage_changes as sc")
    .select("sc.id")
    .where("sc.id", "=", mark.id)
    .where("sc.request_id", "=", mark.request_id)
    .where("sc.kind", "=", mark.kind)
    .where("sc.subject", "=", mark.subject)
    .executeTakeFirst();
  return row !== undefined;
}

/** Returns the id of the first row. */
async function insertRows(tx: WriteTransaction, rows: readonly NewChangeRow[]): Promise<number> {
  const insertion = tx.query.insertInto("stowage_changes").values(rows);
  if (tx.adapter.insertedId === "returned") {
    const { id } = await insertion.returning("id").executeTakeFirstOrThrow();
    return id;
  }
  const { insertId } = await insertion.executeTakeFirstOrThrow();
  return Number(insertId) - (tx.adapter.insertedId === "last" ? rows.length - 1 : 0);
}

/** How many columns of `stowage_changes` are given. */
const COLUMNS = 7;
