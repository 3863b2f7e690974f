import {
  ProviderGenerationConflict,
  ResourceProviderConcurrentUpdateDetected,
  ResourceProviderNotFound,
} from "../domain/errors.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import { storedSpellings } from "../domain/uuid.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { deferForRows } from "./row-statements.ts";
import type { DatabaseDate } from "./schema.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

export async function getProviderByUuid(
  tx: ReadTransaction,
  uuid: string,
): Promise<ResourceProvider> {
  const provider = await findProviderByUuid(tx, uuid);
  if (!provider) throw new ResourceProviderNotFound(uuid);
  return provider;
}

/**
 * A provider that a change is based on.
 *
 * @param generation the one that the client knows; `undefined` takes the present one
 * @throws ResourceProviderNotFound, ProviderGenerationConflict
 */
export async function getProviderAt(
  tx: ReadTransaction,
  uuid: string,
  generation: number | undefined,
): Promise<ResourceProvider> {
  const provider = await getProviderByUuid(tx, uuid);
  if (generation === undefined || generation === provider.generation) return provider;
  throw new ProviderGenerationConflict(uuid, provider.generation, generation);
}

/** @param uuid in any spelling; a provider that is stored in just that one goes before others */
export async function findProviderByUuid(
  tx: ReadTransaction,
  uuid: string,
): Promise<ResourceProvider | undefined> {
  tx.expectSettled?.(uuid);
  const rows = await selectProviders(tx)
    .where("rp.uuid", "in", storedSpellings(uuid))
    .orderBy("rp.id")
    .execute();
  const row = rows.find((one) => one.uuid === uuid) ?? rows[0];
  return row && toProvider(tx.adapter, row);
}

/** All providers, or those with a name or UUID, in the order of their ids. */
export async function listProviders(
  tx: ReadTransaction,
  filter: { readonly name?: string | undefined; readonly uuid?: string | undefined },
): Promise<ResourceProvider[]> {
  let query = selectProviders(tx);
  if (filter.name !== undefined) query = query.where("rp.name", "=", filter.name);
  if (filter.uuid !== undefined) query = query.where("rp.uuid", "in", storedSpellings(filter.uuid));
  const rows = await query.orderBy("rp.id").execute();
  return rows.map((row) => toProvider(tx.adapter, row));
}

export async function hasChildProviders(tx: ReadTransaction, id: number): Promise<boolean> {
  const child = await tx.query
    .selectFrom("resource_providers as rp")
    .select("rp.id")
    .where("rp.parent_provider_id", "=", id)
    .limit(1)
    .executeTakeFirst();
  return child !== undefined;
}

/** Inserts a provider; a root provider when there is no parent. Throws `DuplicateEntry`. */
export async function insertProvider(
  tx: WriteTransaction,
  provider: { readonly uuid: string; readonly name: string },
  parent: ResourceProvider | undefined,
): Promise<void> {
  await tx.query
    .insertInto("resource_providers")
    .values({
      uuid: provider.uuid,
      name: provider.name,
      generation: 0,
      parent_provider_id: parent?.id ?? null,
      root_provider_id: parent?.rootId ?? null,
      ...createdNow(tx),
    })
    .execute();
  if (parent) return;
  // The root of a root provider is itself, and its id is known only now.
  await tx.query
    .updateTable("resource_providers")
    .set((eb) => ({
      root_provider_id: eb.ref("id"),
      updated_at: tx.adapter.encodeDate(tx.now),
    }))
    .where("uuid", "=", provider.uuid)
    .execute();
}

/** Throws `DuplicateEntry` when the name is taken. */
export async function updateNameOfProvider(
  tx: WriteTransaction,
  id: number,
  name: string,
): Promise<void> {
  await tx.query
    .updateTable("resource_providers")
    .set({ name, updated_at: tx.adapter.encodeDate(tx.now) })
    .where("id", "=", id)
    .execute();
}

/** Throws `ReferenceViolation` when the parent is gone. */
export async function updateParentOfProvider(
  tx: WriteTransaction,
  id: number,
  parentId: number | null,
): Promise<void> {
  await tx.query
    .updateTable("resource_providers")
    .set({ parent_provider_id: parentId, updated_at: tx.adapter.encodeDate(tx.now) })
    .where("id", "=", id)
    .execute();
}

export async function updateRootOfProviders(
  tx: WriteTransaction,
  ids: readonly number[],
  rootId: number,
): Promise<void> {
  await inChunks(ids, async (chunk) => {
    await tx.query
      .updateTable("resource_providers")
      .set({ root_provider_id: rootId, updated_at: tx.adapter.encodeDate(tx.now) })
      .where("id", "in", chunk)
      .execute();
    return [];
  });
}

/** A provider as it was read, and by how much its generation is to rise. */
export interface GenerationIncrement {
  readonly id: number;
  readonly generation: number;
  readonly steps: number;
}

/**
 * The guard of every change to providers: raises their generations if each still is the one given.
 * Providers whose generations rise alike share a statement, because each statement of a group of
 * claims keeps all of them waiting (`bench/claims.ts`).
 *
 * @throws ResourceProviderConcurrentUpdateDetected someone else was first at one of them, which shows
 *   when this is sent
 */
export function incrementProviderGenerations(
  tx: WriteTransaction,
  increments: readonly GenerationIncrement[],
): void {
  const now = tx.adapter.encodeDate(tx.now);
  const inOrder = increments.toSorted((left, right) => left.id - right.id);
  for (const [steps, alike] of Map.groupBy(inOrder, (increment) => increment.steps)) {
    deferForRows(tx, {
      name: "increment provider generations",
      rows: alike,
      lead: [steps, now],
      parametersOf: ({ id, generation }) => [id, generation],
      build: (rows) =>
        tx.query
          .updateTable("resource_providers")
          .set((eb) => ({ generation: eb("generation", "+", steps), updated_at: now }))
          .where((eb) => eb.or(rows.map(({ id, generation }) => eb.and({ id, generation })))),
      mustAffect: 1,
      explain: (error) => error ?? new ResourceProviderConcurrentUpdateDetected(),
    });
  }
}

/**
 * The guard of a change to one provider.
 *
 * @throws ResourceProviderConcurrentUpdateDetected someone else was first, which shows when this is
 *   sent
 * @returns the new generation
 */
export function incrementProviderGeneration(
  tx: WriteTransaction,
  { id, generation }: { readonly id: number; readonly generation: number },
): number {
  incrementProviderGenerations(tx, [{ id, generation, steps: 1 }]);
  return generation + 1;
}

/**
 * Keeps other processes from claiming from a provider, or changing what belongs to it, until the
 * transaction ends: what is then looked for stays as it is found.
 *
 * @throws ResourceProviderNotFound it has been deleted since it was read
 */
export async function lockProvider(
  tx: WriteTransaction,
  { id, uuid }: Pick<ResourceProvider, "id" | "uuid">,
): Promise<void> {
  const result = await tx.query
    .updateTable("resource_providers")
    .set((eb) => ({ generation: eb.ref("generation") }))
    .where("id", "=", id)
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) throw new ResourceProviderNotFound(uuid);
}

/** Deletes a provider with all that belongs to it, except allocations and child providers. */
export async function deleteProvider(tx: WriteTransaction, id: number): Promise<boolean> {
  for (const table of [
    "inventories",
    "resource_provider_aggregates",
    "resource_provider_traits",
  ] as const) {
    await tx.query.deleteFrom(table).where("resource_provider_id", "=", id).execute();
  }
  // A root refers to itself, which would keep it from being deleted.
  await tx.query
    .updateTable("resource_providers")
    .set({ root_provider_id: null })
    .where("id", "=", id)
    .where("root_provider_id", "=", id)
    .execute();
  const result = await tx.query
    .deleteFrom("resource_providers")
    .where("id", "=", id)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/**
 * A provider joined with its root and parent, whose UUIDs the API shows. Rows may name some that do not
 * exist: then it is its own root, and has no parent.
 */
function selectProviders(tx: ReadTransaction) {
  return tx.query
    .selectFrom("resource_providers as rp")
    .leftJoin("resource_providers as root", "root.id", "rp.root_provider_id")
    .leftJoin("resource_providers as parent", "parent.id", "rp.parent_provider_id")
    .select([
      "rp.id",
      "rp.uuid",
      "rp.name",
      "rp.generation",
      "rp.parent_provider_id",
      "rp.root_provider_id",
      "rp.created_at",
      "rp.updated_at",
      "root.uuid as root_uuid",
      "parent.uuid as parent_uuid",
    ]);
}

interface ProviderRow {
  id: number;
  uuid: string;
  name: string | null;
  generation: number | null;
  parent_provider_id: number | null;
  root_provider_id: number | null;
  created_at: DatabaseDate | null;
  updated_at: DatabaseDate | null;
  root_uuid: string | null;
  parent_uuid: string | null;
}

function toProvider(adapter: DatabaseAdapter, row: ProviderRow): ResourceProvider {
  return {
    id: row.id,
    uuid: row.uuid,
    name: row.name ?? "",
    generation: row.generation ?? 0,
    parentId: row.parent_provider_id,
    parentProviderUuid: row.parent_uuid,
    rootId: row.root_uuid === null ? row.id : (row.root_provider_id ?? row.id),
    rootProviderUuid: row.root_uuid ?? row.uuid,
    createdAt: adapter.decodeDate(row.created_at),
    updatedAt: adapter.decodeDate(row.updated_at),
  };
}
