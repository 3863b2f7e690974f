import type { ProviderPlace } from "../domain/provider-tree.ts";
import { inChunks } from "./chunks.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

export interface StoredPlace extends ProviderPlace {
  readonly uuid: string;
}

/**
 * Holds providers until the transaction ends, against all who change them or hold them, too. They are
 * taken in the order of their ids, so that two who hold several do not wait for each other.
 *
 * On Galera, nodes know nothing of each other's locks: of two transactions one fails if both have
 * written the same row. So the rows are written there, and left as they were.
 */
export async function lockProviders(tx: WriteTransaction, ids: Iterable<number>): Promise<void> {
  const { rowLock } = tx.adapter;
  if (!rowLock) return;
  const inOrder = [...new Set(ids)].sort((left, right) => left - right);
  await inChunks(inOrder, (chunk) =>
    tx.query
      .selectFrom("resource_providers")
      // Not the id alone, which would be looked up, and locked, in any index.
      .select(["id", "generation"])
      .where("id", "in", chunk)
      .orderBy("id")
      .modifyEnd(rowLock.clause)
      .execute(),
  );
  if (!rowLock.isOfOneNode) return;
  for (const step of [1, -1]) {
    await inChunks(inOrder, async (chunk) => {
      await tx.query
        .updateTable("resource_providers")
        .set((eb) => ({ generation: eb("generation", "+", step) }))
        .where("id", "in", chunk)
        .execute();
      return [];
    });
  }
}

/**
 * The given providers, and all that are tied to them by a parent or a root, however many steps away:
 * whole trees, and, where a provider lies in another tree than its parent, both.
 */
export async function loadTreesOf(
  tx: ReadTransaction,
  ids: readonly number[],
): Promise<Map<number, StoredPlace>> {
  const found = new Map<number, StoredPlace>();
  const asked = { id: new Set(ids), root: new Set<number>() };
  let fresh = await listPlaces(tx, "id", ids);
  while (fresh.length > 0) {
    for (const place of fresh) found.set(place.id, place);
    const parents = unasked(asked.id, fresh, ({ parentId }) => parentId);
    const roots = unasked(asked.root, fresh, ({ id, rootId }) => rootId ?? id);
    const next = [
      ...(await listPlaces(tx, "root_provider_id", roots)),
      ...(await listPlaces(
        tx,
        "parent_provider_id",
        fresh.map(({ id }) => id),
      )),
      ...(await listPlaces(
        tx,
        "id",
        parents.filter((id) => !found.has(id)),
      )),
    ];
    fresh = next.filter(({ id }) => !found.has(id));
  }
  return found;
}

/** All providers that are not the roots of their trees as they should be, and the parents of these. */
export async function loadNestedProviders(tx: ReadTransaction): Promise<Map<number, StoredPlace>> {
  const rows = await selectPlaces(tx)
    .where((eb) =>
      eb.or([
        eb("rp.parent_provider_id", "is not", null),
        eb("rp.root_provider_id", "is", null),
        eb("rp.root_provider_id", "<>", eb.ref("rp.id")),
      ]),
    )
    .execute();
  const nested = rows.map(placeFrom);
  const places = new Map(nested.map((place) => [place.id, place]));
  const parents = unasked(new Set(places.keys()), nested, ({ parentId }) => parentId);
  for (const parent of await listPlaces(tx, "id", parents)) places.set(parent.id, parent);
  return places;
}

async function listPlaces(
  tx: ReadTransaction,
  column: "id" | "root_provider_id" | "parent_provider_id",
  values: readonly number[],
): Promise<StoredPlace[]> {
  const rows = await inChunks(values, (chunk) =>
    selectPlaces(tx).where(`rp.${column}`, "in", chunk).execute(),
  );
  return rows.map(placeFrom);
}

function selectPlaces(tx: ReadTransaction) {
  return tx.query
    .selectFrom("resource_providers as rp")
    .select(["rp.id", "rp.uuid", "rp.parent_provider_id", "rp.root_provider_id"]);
}

function placeFrom(row: {
  readonly id: number;
  readonly uuid: string;
  readonly parent_provider_id: number | null;
  readonly root_provider_id: number | null;
}): StoredPlace {
  const { id, uuid, parent_provider_id: parentId, root_provider_id: rootId } = row;
  return { id, uuid, parentId, rootId };
}

/** The ids that are met for the first time. */
function unasked(
  asked: Set<number>,
  places: readonly ProviderPlace[],
  idOf: (place: ProviderPlace) => number | null,
): number[] {
  const ids = new Set(places.flatMap((place) => idOf(place) ?? [])).difference(asked);
  for (const id of ids) asked.add(id);
  return [...ids];
}
