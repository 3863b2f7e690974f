import type { ReadTransaction } from "./transaction.ts";

/** A consumer with all that its record says. */
export interface ConsumerRecord {
  readonly id: number;
  /** As it is stored. */
  readonly uuid: string;
  readonly generation: number;
  /** External ids; `null` where the row that is meant is gone. */
  readonly projectId: string | null;
  readonly userId: string | null;
  readonly type: string | null;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

/** Which consumers are asked for: those to which all of it applies. */
export interface ConsumerFilter {
  /** As it is stored. */
  readonly uuid?: string;
  readonly projectId?: string;
  readonly userId?: string;
  /** `null` for those without one. */
  readonly type?: string | null;
  /** That hold something of this provider. */
  readonly providerId?: number;
  /** That hold something in the tree of this root. */
  readonly rootId?: number;
  /** That hold something of this class, of this provider or in this tree if they are given. */
  readonly resourceClassId?: number;
  readonly createdBefore?: Date;
  readonly updatedBefore?: Date;
  /** Of which the lease has ended, by the clock of the database. */
  readonly hasExpired?: boolean;
  readonly gang?: string;
}

/** In the order of their ids, so many of those beyond one. */
export async function listConsumersAfter(
  tx: ReadTransaction,
  filter: ConsumerFilter,
  id: number,
  count: number,
): Promise<ConsumerRecord[]> {
  const rows = await selectMatching(tx, filter)
    .where("c.id", ">", id)
    .orderBy("c.id")
    .limit(count)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    uuid: row.uuid,
    generation: row.generation,
    projectId: row.project,
    userId: row.user,
    type: row.type,
    createdAt: tx.adapter.decodeDate(row.created_at),
    updatedAt: tx.adapter.decodeDate(row.updated_at),
  }));
}

function selectMatching(tx: ReadTransaction, filter: ConsumerFilter) {
  const { uuid, projectId, userId, type, createdBefore, updatedBefore } = filter;
  const { adapter } = tx;
  let query = selectConsumers(tx);
  if (uuid !== undefined) query = query.where("c.uuid", "=", uuid);
  if (projectId !== undefined) query = query.where("p.external_id", "=", projectId);
  if (userId !== undefined) query = query.where("u.external_id", "=", userId);
  if (type === null) query = query.where("ct.id", "is", null);
  else if (type !== undefined) query = query.where("ct.name", "=", type);
  if (createdBefore) {
    query = query.where("c.created_at", "<", adapter.encodeDate(createdBefore));
  }
  if (updatedBefore) {
    query = query.where("c.updated_at", "<", adapter.encodeDate(updatedBefore));
  }
  if (filter.hasExpired || filter.gang !== undefined) {
    query = query.where("c.uuid", "in", granted(tx, filter));
  }
  const { providerId, rootId, resourceClassId } = filter;
  const places = [providerId, rootId, resourceClassId];
  if (places.every((place) => place === undefined)) return query;
  // Not "exists", by which all consumers would be looked at to find the few of one provider.
  return query.where("c.uuid", "in", holders(tx, filter));
}

function granted(tx: ReadTransaction, { hasExpired, gang }: ConsumerFilter) {
  let query = tx.query.selectFrom("stowage_grants as g").select("g.consumer_uuid");
  if (hasExpired) query = query.where("g.expires_at", "<", tx.adapter.now);
  if (gang !== undefined) query = query.where("g.gang", "=", gang);
  return query;
}

function holders(tx: ReadTransaction, { providerId, rootId, resourceClassId }: ConsumerFilter) {
  let query = tx.query.selectFrom("allocations as a").select("a.consumer_id");
  if (providerId !== undefined) query = query.where("a.resource_provider_id", "=", providerId);
  if (rootId !== undefined) query = query.where("a.resource_provider_id", "in", tree(tx, rootId));
  if (resourceClassId !== undefined) {
    query = query.where("a.resource_class_id", "=", resourceClassId);
  }
  return query;
}

/** Not a list of them, of which there may be more than a statement has parameters. */
function tree(tx: ReadTransaction, rootId: number) {
  return tx.query
    .selectFrom("resource_providers as rp")
    .select("rp.id")
    .where((eb) => eb.or([eb("rp.root_provider_id", "=", rootId), eb("rp.id", "=", rootId)]));
}

function selectConsumers(tx: ReadTransaction) {
  return tx.query
    .selectFrom("consumers as c")
    .leftJoin("projects as p", "p.id", "c.project_id")
    .leftJoin("users as u", "u.id", "c.user_id")
    .leftJoin("consumer_types as ct", "ct.id", "c.consumer_type_id")
    .select([
      "c.id",
      "c.uuid",
      "c.generation",
      "p.external_id as project",
      "u.external_id as user",
      "ct.name as type",
      "c.created_at",
      "c.updated_at",
    ]);
}
