import { inChunks } from "./chunks.ts";
import { ensureExternalIdentities } from "./consumers.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/** How many records a batch found that were to be migrated, and how many it did migrate. */
export interface MigratedBatch {
  readonly found: number;
  readonly migrated: number;
  /** Its id or UUID, behind which the next batch goes on: from the first row on, 100,000 take minutes. */
  readonly last?: number | string | undefined;
}

/**
 * Makes providers that predate nesting the roots of their own trees, at most `batchSize` of those
 * whose id is above `after`.
 *
 * Works on every revision of the schema, as the older ones are not upgraded before this is done.
 */
export async function setRootProviderIds(
  tx: WriteTransaction,
  batchSize: number,
  after?: MigratedBatch["last"],
): Promise<MigratedBatch> {
  const providers = await tx.query
    .selectFrom("resource_providers")
    .select(["id", "uuid"])
    .where("root_provider_id", "is", null)
    .$if(after !== undefined, (query) => query.where("id", ">", Number(after)))
    .orderBy("id")
    .limit(batchSize)
    .execute();
  await inChunks(
    providers.map(({ id }) => id),
    (ids) =>
      tx.query
        .updateTable("resource_providers")
        .set((columns) => ({
          root_provider_id: columns.ref("id"),
          updated_at: tx.adapter.encodeDate(tx.now),
        }))
        .where("id", "in", ids)
        .execute(),
  );
  for (const { id, uuid } of providers) {
    const details = { of: "provider", root: [null, uuid] } as const;
    tx.recordChange({ kind: "provider", providerId: id, subject: uuid, details });
  }
  return { found: providers.length, migrated: providers.length, last: providers.at(-1)?.id };
}

/**
 * Makes records for consumers that hold allocations and have none, as those have that claimed below
 * microversion 1.8; at most `batchSize` of those whose UUID is above `after`. They get the given
 * project and user, which are created when the first record needs them.
 *
 * Works on every revision of the schema, as the older ones are not upgraded before this is done.
 */
export async function createIncompleteConsumers(
  tx: WriteTransaction,
  batchSize: number,
  projectId: string,
  userId: string,
  after?: MigratedBatch["last"],
): Promise<MigratedBatch> {
  const rows = await withoutConsumer(tx)
    .select("a.consumer_id as uuid")
    .distinct()
    .$if(after !== undefined, (query) => query.where("a.consumer_id", ">", String(after)))
    .orderBy("a.consumer_id")
    .limit(batchSize)
    .execute();
  if (rows.length === 0) return { found: 0, migrated: 0 };
  const projects = await ensureExternalIdentities(tx, "projects", [projectId]);
  const users = await ensureExternalIdentities(tx, "users", [userId]);
  const consumers = rows.map(({ uuid }) => ({
    uuid,
    project_id: idOf(projects, projectId),
    user_id: idOf(users, userId),
    generation: 0,
    created_at: tx.adapter.encodeDate(tx.now),
  }));
  await inChunks(consumers, (chunk) => tx.query.insertInto("consumers").values(chunk).execute());
  // It holds what it held.
  const details = {
    of: "consumer",
    generation: 0,
    projectId,
    userId,
    consumerType: undefined,
  } as const;
  for (const { uuid } of rows) tx.recordChange({ kind: "consumer", subject: uuid, details });
  return { found: rows.length, migrated: rows.length, last: rows.at(-1)?.uuid };
}

/** Whether a provider is without a root. */
export async function hasMissingRootProviderIds(tx: ReadTransaction): Promise<boolean> {
  const row = await tx.query
    .selectFrom("resource_providers")
    .select("id")
    .where("root_provider_id", "is", null)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** How many consumers hold allocations and have no record. */
export async function countIncompleteConsumers(tx: ReadTransaction): Promise<number> {
  const { count } = await withoutConsumer(tx)
    .select(({ fn }) => fn.count<number>("a.consumer_id").distinct().as("count"))
    .executeTakeFirstOrThrow();
  return count;
}

function withoutConsumer(tx: ReadTransaction) {
  return tx.query
    .selectFrom("allocations as a")
    .leftJoin("consumers as c", "c.uuid", "a.consumer_id")
    .where("c.id", "is", null);
}

function idOf(
  identities: ReadonlyMap<string, { readonly id: number }>,
  externalId: string,
): number {
  const identity = identities.get(externalId);
  if (!identity) throw new Error(`${externalId} is gone right after its insertion`);
  return identity.id;
}
