import { CompiledQuery, type Kysely } from "kysely";

import { writeDetails } from "../domain/change-details.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import { textOf } from "./built-once.ts";
import { inChunks } from "./chunks.ts";
import { deferInsertion } from "./row-statements.ts";
import { eachPausing, Pace, portionsOf } from "../scheduling/pace.ts";
import type { DatabaseDate, NewChangeRow, Schema } from "./schema.ts";
import type { CommitMark, RecordedChange } from "./change.ts";
import type { WriteTransaction } from "./transaction.ts";

/**
 * Writes what a transaction has recorded.
 *
 * @returns the first row where the database is shared, if there is any: elsewhere nobody needs to
 *   know its id, and it is sent with the commit
 */
export async function insertChanges(
  tx: WriteTransaction,
  changes: readonly RecordedChange[],
): Promise<CommitMark | undefined> {
  const createdAt = tx.adapter.encodePreciseDate(tx.now);
  const toRow = ({ change, by }: RecordedChange): NewChangeRow => ({
    created_at: createdAt,
    kind: change.kind,
    resource_provider_id: change.providerId ?? null,
    subject: change.subject,
    request_id: by.requestId,
    user_id: by.userId ?? null,
    project_id: by.projectId ?? null,
    details: writeDetails(change.makeDetails?.() ?? change.details, by),
  });
  const pace = new Pace(changes.length);
  let mark: CommitMark | undefined;
  for (const portion of portionsOf(changes, PORTION)) {
    // The rows of a reshape tell all inventories of a provider.
    const rows =
      portion.length < changes.length
        ? await pace.run(eachPausing(portion, toRow))
        : portion.map(toRow);
    if (tx.adapter.isShared && !mark) mark = { ...rows[0]!, id: await insertRows(tx, rows) };
    else deferInsertion(tx, "stowage_changes", rows);
    await tx.sendMuch();
    await pace.rest();
  }
  return mark;
}

/**
 * Finds out whether a transaction was committed of which the commit was not answered. When the row
 * that marks it is not there, its id is taken, so that it never will be; that waits while the
 * database has not made up its mind.
 *
 * A row of another request under the id is one that was written after a crash: the counter of the
 * ids may have forgotten what was not committed.
 *
 * @param query a transaction of its own, to be committed
 * @throws DuplicateEntry the row has just come to light: ask again
 */
export async function wasCommitted(query: Kysely<Schema>, mark: CommitMark): Promise<boolean> {
  const row = await query
    .selectFrom("stowage_changes")
    .select(["kind", "subject", "request_id"])
    .where("id", "=", mark.id)
    .executeTakeFirst();
  if (!row) {
    await takeIds(query, [mark.id], mark.created_at);
    return false;
  }
  return (
    row.kind === mark.kind && row.subject === mark.subject && row.request_id === mark.request_id
  );
}

/** Ids of the change feed that were not seen, though larger ones were. */
export interface FeedGaps {
  readonly missing: readonly number[];
  /** Each id up to here was seen or is missing. */
  readonly upTo: number;
}

/**
 * Makes sure that changes that were not seen never come to light unnoticed, and tells everybody so: once
 * this is committed, who sees it sees all changes up to `upTo` that there will ever be.
 *
 * @throws DuplicateEntry one of them has just come to light
 */
export async function closeGaps(
  query: Kysely<Schema>,
  adapter: DatabaseAdapter,
  { missing, upTo }: FeedGaps,
): Promise<void> {
  const now = adapter.encodePreciseDate(new Date());
  await takeIds(query, missing, now);
  await query
    .insertInto("stowage_changes")
    .values({ created_at: now, kind: SETTLED, subject: String(upTo), request_id: "feed" })
    .execute();
}

/** The kind of the rows by which `closeGaps` tells everybody. */
export const SETTLED = "settled";

/**
 * Takes ids, and gives them back. On one server this waits for the transaction that has one of them,
 * if there is any. On another node of a Galera cluster, that transaction fails: the cluster orders
 * the two, and refuses the second to write the same key without having known of the first.
 */
async function takeIds(
  query: Kysely<Schema>,
  ids: readonly number[],
  createdAt: DatabaseDate,
): Promise<void> {
  await inChunks(ids, async (chunk) => {
    await query
      .insertInto("stowage_changes")
      .values(
        chunk.map((id) => ({
          id,
          created_at: createdAt,
          kind: "gap",
          subject: "",
          request_id: "feed",
        })),
      )
      .execute();
    await query.deleteFrom("stowage_changes").where("id", "in", chunk).execute();
    return [];
  });
}

/** Returns the id of the first row. */
async function insertRows(tx: WriteTransaction, rows: readonly NewChangeRow[]): Promise<number> {
  const isReturned = tx.adapter.insertedId === "returned";
  const parameters = rows.flatMap((row) => Object.values(row));
  const text = textOf(tx.adapter, `new changes ${rows.length}`, parameters, () => {
    const insertion = tx.query.insertInto("stowage_changes").values(rows);
    return isReturned ? insertion.returning("id") : insertion;
  });
  const result = await tx.query.executeQuery<{ id: number }>(CompiledQuery.raw(text, parameters));
  return Number(isReturned ? result.rows[0]!.id : result.insertId);
}

/**
 * So many rows are made ready in one piece, and share a statement with a server. A message to MariaDB has at
 * most 16 MiB by default, and a row may have 64 KiB.
 */
const PORTION = 200;
