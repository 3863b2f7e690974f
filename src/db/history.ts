import { createHash } from "node:crypto";

import type { ChangeRow } from "../domain/change-row.ts";
import { TRIGGERED, type HistoryRow, type NewHistoryRow } from "../domain/history.ts";
import { toChangeRow, selectChanges } from "./change-rows.ts";
import { readFeedState } from "./feed-state.ts";
import { insertMissing } from "./insert-missing.ts";
import { deferInsertion } from "./row-statements.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** How far the history was made from the feed. */
export interface HistoryState {
  /** Of that feed; undefined where nothing was made yet. */
  readonly epoch: string | undefined;
  /** All changes up to this id are in it, or will never be there. */
  readonly floor: number;
  /** Rows up to this id are of another feed, with ids of its own. */
  readonly base: number;
  /** Is another number after each transaction that has added something. */
  readonly steps: number;
  /** From here on the history has all that the feed has told. */
  readonly since: Date | undefined;
  /** Before this time, more was changed than is known: tables were emptied at once, or triggers were not there. */
  readonly doubtedBefore: Date | undefined;
}

const STATE = "history";

const NOTHING: HistoryState = {
  epoch: undefined,
  floor: 0,
  base: 0,
  steps: 0,
  since: undefined,
  doubtedBefore: undefined,
};

export async function readHistoryState(tx: ReadTransaction): Promise<HistoryState> {
  return parseState(await selectState(tx).executeTakeFirst());
}

/** The same, held until the transaction ends; `writeHistoryState` has to follow. */
export async function lockHistoryState(tx: WriteTransaction): Promise<HistoryState> {
  const select = () => {
    const { rowLock } = tx.adapter;
    const query = selectState(tx);
    return (rowLock ? query.modifyEnd(rowLock.clause) : query).executeTakeFirst();
  };
  const row = await select();
  if (row) return parseState(row);
  await insertMissing(() =>
    tx.query
      .insertInto("stowage_state")
      .values({ name: STATE, value: writeState(NOTHING) })
      .execute(),
  );
  return NOTHING;
}

/**
 * On condition that nobody has written it since: on another node of a Galera cluster, one who has fails instead.
 *
 * @returns what was written
 */
export async function writeHistoryState(
  tx: WriteTransaction,
  state: HistoryState,
): Promise<HistoryState> {
  const written = { ...state, steps: state.steps + 1 };
  await tx.query
    .updateTable("stowage_state")
    .set({ value: writeState(written) })
    .where("name", "=", STATE)
    .execute();
  return written;
}

/** The changes that the history has still to be made of, so many of them, in the order of their ids. */
export async function listUnprojected(
  tx: ReadTransaction,
  { floor, base }: HistoryState,
  limit: number,
): Promise<ChangeRow[]> {
  const rows = await selectChanges(tx)
    .where("sc.id", ">", floor)
    .where("sc.kind", "in", KINDS)
    .where((eb) =>
      eb.or([
        eb("sc.kind", "<>", "provider"),
        eb("sc.details", "is not", null),
        eb("sc.request_id", "=", TRIGGERED),
      ]),
    )
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("stowage_history as h")
            .select("h.id")
            .whereRef("h.change_id", "=", "sc.id")
            .where("h.id", ">", base),
        ),
      ),
    )
    .orderBy("sc.id")
    .limit(limit)
    .execute();
  return rows.map((row) => toChangeRow(tx, row));
}

/** What has a history, and what makes one doubtful. */
const KINDS = ["provider", "provider_deleted", "consumer", "consumer_deleted", "everything"];

/** What is known, or the beginning of another feed, or of what is left of one. */
export async function beginIfNew(tx: ReadTransaction, state: HistoryState): Promise<HistoryState> {
  const { epoch, collectedUpTo, oldestAt, lastId } = await findBeginning(tx);
  const since = oldestAt ?? new Date();
  if (epoch !== state.epoch) return { ...state, epoch, floor: 0, base: lastId, since };
  return collectedUpTo <= state.floor ? state : { ...state, floor: collectedUpTo, since };
}

/** What there is of a feed to begin with. */
export async function findBeginning(tx: ReadTransaction): Promise<{
  readonly epoch: string | undefined;
  /** Changes up to this id were deleted for their age. */
  readonly collectedUpTo: number;
  /** When the oldest change that is there was made; undefined where there is none. */
  readonly oldestAt: Date | undefined;
  /** The greatest id of the history so far. */
  readonly lastId: number;
}> {
  const { epoch, collectedUpTo } = await readFeedState(tx);
  const oldest = await tx.query
    .selectFrom("stowage_changes as sc")
    .select("sc.created_at")
    .orderBy("sc.id")
    .limit(1)
    .executeTakeFirst();
  const last = await tx.query
    .selectFrom("stowage_history as h")
    .select((eb) => eb.fn.max("h.id").as("id"))
    .executeTakeFirst();
  const oldestAt = tx.adapter.decodeDate(oldest?.created_at ?? null) ?? undefined;
  return { epoch, collectedUpTo, oldestAt, lastId: last?.id ?? 0 };
}

export function insertHistory(tx: WriteTransaction, rows: readonly NewHistoryRow[]): void {
  deferInsertion(
    tx,
    "stowage_history",
    rows.map((row) => ({
      change_id: row.changeId,
      created_at: tx.adapter.encodePreciseDate(row.at),
      kind: row.kind,
      consumer_uuid: row.consumerUuid,
      provider_uuid: row.providerUuid,
      request_id: row.requestId,
      user_id: row.userId,
      project_id: row.projectId,
      reason: row.reason === undefined ? null : digestOf(row.reason),
      details: row.details,
    })),
  );
}

/** Whose history is asked for. */
export type HistorySubject = { readonly consumerUuid: string } | { readonly providerUuid: string };

/** A row with its place in the history. */
export interface KeptRow extends HistoryRow {
  readonly id: number;
}

/** Those before an id, the newest first. */
export async function listHistory(
  tx: ReadTransaction,
  subject: HistorySubject,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<KeptRow[]> {
  const [column, uuid] =
    "consumerUuid" in subject
      ? (["h.consumer_uuid", subject.consumerUuid] as const)
      : (["h.provider_uuid", subject.providerUuid] as const);
  const rows = await selectHistory(tx)
    .where(column, "=", uuid)
    .where("h.id", "<", before)
    .orderBy("h.id", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => toKeptRow(tx, row));
}

/** What was released for a reason, the newest first; so many rows at most. */
export async function listReleased(
  tx: ReadTransaction,
  reason: string,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<KeptRow[]> {
  const rows = await selectHistory(tx)
    .where("h.reason", "=", digestOf(reason))
    .where("h.id", "<", before)
    .orderBy("h.id", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => toKeptRow(tx, row));
}

/**
 * Deletes rows that were made before a time, the oldest first, at most `limit` of them. The first that is
 * younger ends what is old.
 *
 * @returns how many it deleted: none if there are none left
 */
export async function deleteOldHistory(
  tx: WriteTransaction,
  { now, before, limit }: { readonly now: Date; readonly before: Date; readonly limit: number },
): Promise<number> {
  const state = await lockHistoryState(tx);
  const rows = await tx.query
    .selectFrom("stowage_history as h")
    .select(["h.id", "h.change_id", "h.created_at"])
    .orderBy("h.id")
    .limit(limit)
    .execute();
  const end = rows.findIndex(({ id, change_id, created_at: text }) => {
    // What tells that a change was projected stays until the floor does.
    if (id > state.base && change_id > state.floor) return true;
    const at = tx.adapter.decodeDate(text);
    return at !== null && at >= before && at <= now;
  });
  const old = end === -1 ? rows : rows.slice(0, end);
  const last = old.at(-1);
  if (!last) return 0;
  await tx.query.deleteFrom("stowage_history").where("id", "<=", last.id).execute();
  const since = state.since && state.since > before ? state.since : before;
  await writeHistoryState(tx, { ...state, since });
  return old.length;
}

/** Engines differ in which texts are the same. */
function digestOf(reason: string): string {
  return createHash("sha256").update(reason).digest("hex");
}

function selectHistory(tx: ReadTransaction) {
  return tx.query
    .selectFrom("stowage_history as h")
    .select([
      "h.id",
      "h.change_id",
      "h.created_at",
      "h.kind",
      "h.consumer_uuid",
      "h.provider_uuid",
      "h.request_id",
      "h.user_id",
      "h.project_id",
      "h.details",
    ]);
}

type Selected = Awaited<ReturnType<ReturnType<typeof selectHistory>["execute"]>>[number];

function toKeptRow({ adapter }: ReadTransaction, row: Selected): KeptRow {
  return {
    id: row.id,
    changeId: row.change_id,
    at: adapter.decodeDate(row.created_at) ?? new Date(0),
    kind: row.kind,
    consumerUuid: row.consumer_uuid,
    providerUuid: row.provider_uuid,
    requestId: row.request_id,
    userId: row.user_id,
    projectId: row.project_id,
    details: row.details,
  };
}

function selectState(tx: ReadTransaction) {
  return tx.query.selectFrom("stowage_state").select("value").where("name", "=", STATE);
}

/** Six words, with `-` for what is not known; some hundred characters of the 255 that there is room for. */
function writeState(state: HistoryState): string {
  const { epoch = NONE, floor, base, steps, since, doubtedBefore } = state;
  const times = [since, doubtedBefore].map((time) => time?.toISOString() ?? NONE);
  return [epoch, floor, base, steps, ...times].join(" ");
}

const NONE = "-";

function parseState(row: { readonly value: string } | undefined): HistoryState {
  if (!row) return NOTHING;
  const [epoch, floor, base, steps, ...times] = row.value.split(" ");
  const [since, doubtedBefore] = times.map((time) => (time === NONE ? undefined : new Date(time)));
  return {
    epoch: epoch === NONE ? undefined : epoch,
    floor: Number(floor),
    base: Number(base),
    steps: Number(steps),
    since,
    doubtedBefore,
  };
}
