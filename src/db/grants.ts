import type { Grant } from "../domain/claim.ts";
import type { HeldGrant } from "../domain/lease.ts";
import { DuplicateEntry } from "../domain/errors.ts";
import { GangExists } from "../domain/claim-errors.ts";
import { LeaseRenewed } from "../domain/lease.ts";
import { inChunks } from "./chunks.ts";
import { deferForRows } from "./row-statements.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** The time by the clock of the database, which is the one that leases go by. */
export async function databaseTime(tx: ReadTransaction): Promise<Date> {
  const { now } = await tx.query.selectNoFrom(tx.adapter.now.as("now")).executeTakeFirstOrThrow();
  return decoded(tx, now);
}

/** A consumer of a claim, as its grant is written. */
export interface GrantedConsumer {
  readonly uuid: string;
  readonly grant: Grant;
  /** In the order of the claim. */
  readonly place: number;
  /** When the grant was made, and until when it holds if it has a lease. */
  readonly grantedAt: Date;
  readonly expiresAt: Date | undefined;
}

/**
 * Notes what consumers were granted, which are there by now, in the place of what they had.
 *
 * @throws GangExists which shows when this is sent
 */
export function insertGrants(tx: WriteTransaction, granted: readonly GrantedConsumer[]): void {
  const { adapter } = tx;
  deferForRows(tx, {
    name: "delete grants",
    rows: granted,
    parametersOf: ({ uuid }) => [uuid],
    build: (rows) =>
      tx.query.deleteFrom("stowage_grants").where(
        "consumer_uuid",
        "in",
        rows.map(({ uuid }) => uuid),
      ),
  });
  const valuesOf = ({ uuid, grant, place, grantedAt, expiresAt }: GrantedConsumer) => {
    const hasLease = expiresAt !== undefined;
    return {
      created_at: adapter.encodePreciseDate(grantedAt),
      consumer_uuid: uuid,
      consumer_id: uuid,
      grant_uuid: grant.uuid,
      gang: grant.gang?.name ?? null,
      place: grant.gang ? place : 0,
      member: grant.gang?.members[place] ?? null,
      lease_seconds: hasLease ? (grant.leaseSeconds ?? null) : null,
      renewed_at: hasLease ? adapter.encodePreciseDate(grantedAt) : null,
      expires_at: hasLease ? adapter.encodePreciseDate(expiresAt) : null,
    };
  };
  deferForRows(tx, {
    name: "insert grants",
    rows: granted,
    parametersOf: (row) => Object.values(valuesOf(row)),
    build: (rows) =>
      tx.query.insertInto("stowage_grants").values((eb) =>
        rows.map((row) => ({
          ...valuesOf(row),
          consumer_id: eb.selectFrom("consumers").select("id").where("uuid", "=", row.uuid),
        })),
      ),
    explain: (error) => (error instanceof DuplicateEntry ? new GangExists() : error),
  });
}

/** Notes that consumers are released, whatever has released them. */
export function endGrants(tx: WriteTransaction, consumerUuids: readonly string[]): void {
  const now = tx.adapter.encodePreciseDate(tx.now);
  deferForRows(tx, {
    name: "end grants",
    rows: consumerUuids,
    lead: [now, null, null],
    parametersOf: (uuid) => [uuid],
    build: (uuids) =>
      tx.query
        .updateTable("stowage_grants")
        .set({ ended_at: now, expires_at: null, gang: null })
        .where("consumer_uuid", "in", uuids)
        .where("ended_at", "is", null),
  });
}

/**
 * Notes that consumers are released because their leases have ended before a time.
 *
 * @throws LeaseRenewed one of them has not, which shows when this is sent
 */
export function endLeases(
  tx: WriteTransaction,
  consumers: readonly { readonly uuid: string; readonly id: number }[],
  before: Date,
): void {
  const now = tx.adapter.encodePreciseDate(tx.now);
  const end = tx.adapter.encodePreciseDate(before);
  deferForRows(tx, {
    name: "end leases",
    rows: consumers,
    lead: [now, null, null, end],
    parametersOf: ({ uuid, id }) => [uuid, id],
    build: (rows) =>
      tx.query
        .updateTable("stowage_grants")
        .set({ ended_at: now, expires_at: null, gang: null })
        .where("expires_at", "<", end)
        .where("ended_at", "is", null)
        .where((eb) =>
          eb.or(rows.map(({ uuid, id }) => eb.and({ consumer_uuid: uuid, consumer_id: id }))),
        ),
    mustAffect: 1,
    explain: (error) => error ?? new LeaseRenewed(),
  });
}

/**
 * Has the leases of grants go on from now.
 *
 * @returns of how many consumers: of fewer than there were if somebody has ended one meanwhile
 */
export async function renewLeases(
  tx: WriteTransaction,
  grantUuids: readonly string[],
  seconds: number,
  now: Date,
): Promise<number> {
  const { adapter } = tx;
  const { numUpdatedRows } = await tx.query
    .updateTable("stowage_grants")
    .set({
      lease_seconds: seconds,
      renewed_at: adapter.encodePreciseDate(now),
      expires_at: adapter.encodePreciseDate(new Date(now.getTime() + seconds * 1000)),
    })
    .where("grant_uuid", "in", grantUuids)
    .where("ended_at", "is", null)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

/** Has a grant hold for good; returns of how many consumers, as `renewLeases` does. */
export async function giveLeaseUp(tx: WriteTransaction, grantUuid: string): Promise<number> {
  const { numUpdatedRows } = await tx.query
    .updateTable("stowage_grants")
    .set({ lease_seconds: null, renewed_at: null, expires_at: null })
    .where("grant_uuid", "=", grantUuid)
    .where("ended_at", "is", null)
    .executeTakeFirstOrThrow();
  return Number(numUpdatedRows);
}

/** What some rows tell, in their order. */
interface ForgottenGrants {
  /** The ids of those whose consumers are gone. */
  readonly forgotten: readonly number[];
  /** Up to which row was looked, and whether there are no more. */
  readonly lastId: number;
  readonly isDone: boolean;
}

/** Looks for grants of consumers that are gone, which programs that write beside us do not note. */
export async function listForgottenGrants(
  tx: ReadTransaction,
  after: number,
  limit: number,
): Promise<ForgottenGrants> {
  const rows = await selectGrants(tx)
    .where("g.id", ">", after)
    .where("g.ended_at", "is", null)
    .orderBy("g.id")
    .limit(limit)
    .execute();
  const forgotten = rows.filter(({ generation }) => generation === null).map(({ id }) => id);
  return { forgotten, lastId: rows.at(-1)?.id ?? after, isDone: rows.length < limit };
}

/** Notes that those of a gang are gone whose consumers are. */
export async function endForgottenGang(tx: WriteTransaction, gang: string): Promise<void> {
  const gone = (await findGang(tx, gang)).filter(({ generation }) => generation === undefined);
  await endForgottenGrants(
    tx,
    gone.map(({ id }) => id),
  );
}

/** Notes by the ids of rows that the consumers are gone: what is there again under a UUID has another row. */
export async function endForgottenGrants(
  tx: WriteTransaction,
  ids: readonly number[],
): Promise<void> {
  if (ids.length === 0) return;
  const now = tx.adapter.encodePreciseDate(tx.now);
  await tx.query
    .updateTable("stowage_grants")
    .set({ ended_at: now, expires_at: null, gang: null })
    .where("id", "in", ids)
    .execute();
}

/** Deletes rows of consumers that were released before a time, at most `limit`; returns how many. */
export async function deleteEndedGrants(
  tx: WriteTransaction,
  { before, limit }: { readonly before: Date; readonly limit: number },
): Promise<number> {
  const rows = await tx.query
    .selectFrom("stowage_grants")
    .select("id")
    .where("ended_at", "<", tx.adapter.encodePreciseDate(before))
    .orderBy("ended_at")
    .limit(limit)
    .execute();
  if (rows.length > 0) {
    const ids = rows.map(({ id }) => id);
    await tx.query.deleteFrom("stowage_grants").where("id", "in", ids).execute();
  }
  return rows.length;
}

/** A row, with whether the consumer that it is about is still there. */
export interface StoredGrant {
  readonly id: number;
  readonly consumerUuid: string;
  /** Undefined where it is gone. */
  readonly generation: number | undefined;
  readonly grantUuid: string;
  readonly createdAt: Date | null;
  readonly gang: string | null;
  readonly member: string | null;
  readonly leaseSeconds: number | null;
  readonly expiresAt: Date | null;
  readonly hasEnded: boolean;
}

/** The grants of these consumers, by their UUIDs as they are stored. */
export function findGrants(
  tx: ReadTransaction,
  consumerUuids: readonly string[],
): Promise<StoredGrant[]> {
  return inChunks(consumerUuids, async (chunk) => {
    const rows = await selectGrants(tx).where("g.consumer_uuid", "in", chunk).execute();
    return rows.map((row) => toGrant(tx, row));
  });
}

/** The same of all consumers that share a grant with these. */
export function findWholeGrants(
  tx: ReadTransaction,
  consumerUuids: readonly string[],
): Promise<StoredGrant[]> {
  return inChunks(consumerUuids, async (chunk) => {
    const uuids = tx.query
      .selectFrom("stowage_grants as s")
      .select("s.grant_uuid")
      .where("s.consumer_uuid", "in", chunk);
    const rows = await selectGrants(tx).where("g.grant_uuid", "in", uuids).execute();
    return rows.map((row) => toGrant(tx, row));
  });
}

/** Those of a gang that are not noted to be released, in the order of its members. */
export async function findGang(tx: ReadTransaction, gang: string): Promise<StoredGrant[]> {
  const rows = await selectGrants(tx)
    .where("g.gang", "=", gang)
    .where("g.ended_at", "is", null)
    .orderBy("g.place")
    .execute();
  return rows.map((row) => toGrant(tx, row));
}

/** Consumers whose leases have ended before a time and who are still there, with all who share them. */
export async function listEndedLeases(
  tx: ReadTransaction,
  before: Date,
  limit: number,
): Promise<StoredGrant[]> {
  const ended = await tx.query
    .selectFrom("stowage_grants as g")
    .innerJoin("consumers as c", (join) =>
      join.onRef("c.id", "=", "g.consumer_id").onRef("c.uuid", "=", "g.consumer_uuid"),
    )
    .select("g.consumer_uuid")
    .where("g.expires_at", "<", tx.adapter.encodePreciseDate(before))
    .orderBy("g.expires_at")
    .limit(limit)
    .execute();
  const rows = await findWholeGrants(
    tx,
    ended.map(({ consumer_uuid: uuid }) => uuid),
  );
  return rows.filter(({ hasEnded, generation }) => !hasEnded && generation !== undefined);
}

/** What consumers that are there were granted besides allocations, by their UUIDs as they are stored. */
export async function findHeldGrants(
  tx: ReadTransaction,
  consumerUuids: readonly string[],
): Promise<Map<string, HeldGrant>> {
  const grants = await findGrants(tx, consumerUuids);
  const held = grants.filter(({ hasEnded, generation }) => !hasEnded && generation !== undefined);
  return new Map(held.map((grant) => [grant.consumerUuid, toHeldGrant(grant)]));
}

function toHeldGrant({ createdAt, leaseSeconds, expiresAt, gang, member }: StoredGrant): HeldGrant {
  return {
    grantedAt: createdAt,
    lease: leaseSeconds === null || !expiresAt ? undefined : { seconds: leaseSeconds, expiresAt },
    gang: gang === null ? undefined : { name: gang, member: member ?? "" },
  };
}

function selectGrants(tx: ReadTransaction) {
  return tx.query
    .selectFrom("stowage_grants as g")
    .leftJoin("consumers as c", (join) =>
      join.onRef("c.id", "=", "g.consumer_id").onRef("c.uuid", "=", "g.consumer_uuid"),
    )
    .select([
      "g.id",
      "g.consumer_uuid",
      "c.generation",
      "g.grant_uuid",
      "g.created_at",
      "g.gang",
      "g.member",
      "g.lease_seconds",
      "g.expires_at",
      "g.ended_at",
    ]);
}

type Selected = Awaited<ReturnType<ReturnType<typeof selectGrants>["execute"]>>[number];

function toGrant({ adapter }: ReadTransaction, row: Selected): StoredGrant {
  return {
    id: row.id,
    consumerUuid: row.consumer_uuid,
    generation: row.generation ?? undefined,
    grantUuid: row.grant_uuid,
    createdAt: adapter.decodeDate(row.created_at),
    gang: row.gang,
    member: row.member,
    leaseSeconds: row.lease_seconds,
    expiresAt: adapter.decodeDate(row.expires_at),
    hasEnded: row.ended_at !== null,
  };
}

function decoded({ adapter }: ReadTransaction, text: string): Date {
  const date = adapter.decodeDate(text);
  if (!date) throw new Error(`the clock of the database says ${text}`);
  return date;
}
