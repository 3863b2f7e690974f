import type { ChangeRow } from "../domain/change-row.ts";
import { findNewestChange, type FeedEntry } from "./change-feed.ts";
import { SETTLED } from "./changes.ts";
import { inChunks } from "./chunks.ts";
import { readFeedState, type FeedState } from "./feed-state.ts";
import type { ReadTransaction } from "./transaction.ts";

/** The changes after an id and up to another one, the first of them, in the order of their ids. */
export async function listChangeRows(
  tx: ReadTransaction,
  { after, upTo, limit }: { readonly after: number; readonly upTo: number; readonly limit: number },
): Promise<ChangeRow[]> {
  const rows = await selectChanges(tx)
    .where("sc.id", ">", after)
    .where("sc.id", "<=", upTo)
    .orderBy("sc.id")
    .limit(limit)
    .execute();
  return rows.map((row) => toChangeRow(tx, row));
}

/** The changes with these ids that are there, in the order of their ids. */
export async function findChangeRows(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<ChangeRow[]> {
  const rows = await inChunks(ids, (chunk) =>
    selectChanges(tx).where("sc.id", "in", chunk).orderBy("sc.id").execute(),
  );
  return rows.map((row) => toChangeRow(tx, row));
}

/** What a written position is held against. */
interface FeedIdentity extends FeedState {
  /** The greatest id. */
  readonly lastId: number;
  /** The change under the id that was asked for. */
  readonly found: Omit<FeedEntry, "settled"> | undefined;
}

/** @param markId of the change that is to be looked for */
export async function identifyFeed(
  tx: ReadTransaction,
  markId: number | undefined,
): Promise<FeedIdentity> {
  const [state, newest] = [await readFeedState(tx), await findNewestChange(tx)];
  const [found] = markId === undefined ? [] : await findChangeRows(tx, [markId]);
  return { ...state, lastId: newest?.id ?? 0, found };
}

/** Whether a row is of a change, and not of how the feed is kept. */
export function isToldOutside({ kind }: Pick<ChangeRow, "kind">): boolean {
  return kind !== SETTLED && kind !== "gap";
}

export function selectChanges(tx: ReadTransaction) {
  return tx.query
    .selectFrom("stowage_changes as sc")
    .select([
      "sc.id",
      "sc.created_at",
      "sc.kind",
      "sc.resource_provider_id",
      "sc.subject",
      "sc.request_id",
      "sc.user_id",
      "sc.project_id",
      "sc.details",
    ]);
}

type Selected = Awaited<ReturnType<ReturnType<typeof selectChanges>["execute"]>>[number];

export function toChangeRow({ adapter }: ReadTransaction, row: Selected): ChangeRow {
  return {
    id: row.id,
    createdAt: adapter.decodeDate(row.created_at),
    kind: row.kind,
    providerId: row.resource_provider_id,
    subject: row.subject,
    requestId: row.request_id,
    userId: row.user_id,
    projectId: row.project_id,
    details: row.details,
  };
}
