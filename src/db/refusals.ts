import type { NotedRefusal, RefusalFilter } from "../domain/noted-refusal.ts";
import type { ChangeKind } from "./change.ts";
import { deferInsertion } from "./row-statements.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** Who changed something last. */
export interface LastChange {
  readonly requestId: string;
  readonly userId: string | undefined;
  readonly at: Date | null;
}

export function insertRefusals(tx: WriteTransaction, refusals: readonly NotedRefusal[]): void {
  const rows = refusals.map((it) => ({
    created_at: tx.adapter.encodePreciseDate(it.at),
    kind: it.kind,
    request_id: it.requestId,
    global_request_id: it.globalRequestId ?? null,
    consumer_id: it.consumerUuid ?? null,
    project_id: storable(it.projectId),
    body: it.body,
  }));
  deferInsertion(tx, "stowage_refusals", rows);
}

/** The newest first. */
export async function listRefusals(
  tx: ReadTransaction,
  { requestId, consumerUuid, projectId, since }: RefusalFilter,
  limit: number,
): Promise<NotedRefusal[]> {
  let query = tx.query.selectFrom("stowage_refusals as sr").selectAll();
  if (requestId !== undefined) {
    query = query.where((eb) =>
      eb.or([eb("sr.request_id", "=", requestId), eb("sr.global_request_id", "=", requestId)]),
    );
  }
  if (consumerUuid !== undefined) query = query.where("sr.consumer_id", "=", consumerUuid);
  if (projectId !== undefined) query = query.where("sr.project_id", "=", projectId);
  if (since !== undefined) {
    query = query.where("sr.created_at", ">=", tx.adapter.encodePreciseDate(since));
  }
  const rows = await query.orderBy("sr.id", "desc").limit(limit).execute();
  return rows.map((row) => ({
    at: tx.adapter.decodeDate(row.created_at) ?? new Date(0),
    kind: row.kind,
    requestId: row.request_id,
    globalRequestId: row.global_request_id ?? undefined,
    consumerUuid: row.consumer_id ?? undefined,
    projectId: row.project_id ?? undefined,
    body: row.body,
  }));
}

/**
 * Who changed consumers and providers last, by UUID: of those that the end of the change feed tells of. The
 * table has no index on what was changed, and what two requests fight for was changed a moment ago.
 */
export async function findLastChanges(
  tx: ReadTransaction,
  uuids: readonly string[],
): Promise<Map<string, LastChange>> {
  const newest = await tx.query
    .selectFrom("stowage_changes as sc")
    .select((eb) => eb.fn.max("sc.id").as("id"))
    .executeTakeFirst();
  const rows = await tx.query
    .selectFrom("stowage_changes as sc")
    .select(["sc.subject", "sc.request_id", "sc.user_id", "sc.created_at"])
    .where("sc.id", ">", (newest?.id ?? 0) - CHANGES_LOOKED_AT)
    .where("sc.subject", "in", uuids)
    .where("sc.kind", "in", COUNTED_KINDS)
    .orderBy("sc.id")
    .execute();
  return new Map(
    rows.map((row) => [
      row.subject,
      {
        requestId: row.request_id,
        userId: row.user_id ?? undefined,
        at: tx.adapter.decodeDate(row.created_at),
      },
    ]),
  );
}

/** Some seconds of many claims; PostgreSQL looks through so many by the key in two milliseconds. */
const CHANGES_LOOKED_AT = 10_000;

/** Changes of what has a generation. */
const COUNTED_KINDS: readonly ChangeKind[] = [
  "consumer",
  "consumer_deleted",
  "provider",
  "provider_deleted",
];

/** A project may be called what the character set of the tables cannot say; it is looked for in the body then. */
function storable(text: string | undefined): string | null {
  return text !== undefined && /^[\x20-\x7e]{1,255}$/.test(text) ? text : null;
}
