import { loadTreesOf, type StoredPlace } from "../db/provider-trees.ts";
import {
  findProviderByUuid,
  getProviderByUuid,
  updateParentOfProvider,
  updateRootOfProviders,
} from "../db/resource-providers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import type { FromTo } from "../domain/change-details.ts";
import { ObjectActionError } from "../domain/errors.ts";
import {
  rootsByAncestry,
  subtreeOf,
  topOf,
  type PlacesById,
  type ProviderPlace,
} from "../domain/provider-tree.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";

interface Move {
  readonly provider: ResourceProvider;
  /** The new one; undefined for a provider that is to be a root. */
  readonly parent: ResourceProvider | undefined;
  /** The trees of both, as they are. */
  readonly places: PlacesById<StoredPlace>;
}

/** A provider that gets a parent or none, and all whose root is to be another one then. */
export class ProviderMove {
  readonly #move: Move;
  /** By the new root, those who get it. */
  readonly #newRoots: ReadonlyMap<number, readonly StoredPlace[]>;

  private constructor(move: Move) {
    this.#move = move;
    this.#newRoots = newRootsAfter(move);
  }

  /** @throws ResourceProviderNotFound, ObjectActionError (there is no such parent) */
  static async plan(
    tx: ReadTransaction,
    uuid: string,
    parentUuid: string | null,
  ): Promise<ProviderMove> {
    const provider = await getProviderByUuid(tx, uuid);
    const parent = parentUuid === null ? undefined : await getParent(tx, parentUuid);
    const ids = parent ? [provider.id, parent.id] : [provider.id];
    return new ProviderMove({ provider, parent, places: await loadTreesOf(tx, ids) });
  }

  /**
   * The ids of those on whom it depends, or who depend on it. Who moves anything else within these
   * trees, or between them and others, moves what is below one of the two tops, and involves it.
   */
  get involved(): ReadonlySet<number> {
    const { provider, parent, places } = this.#move;
    const both = parent ? [provider, parent] : [provider];
    const ids = both.flatMap(({ id, parentId, rootId }) => [
      id,
      rootId,
      topOf(places, id),
      ...(parentId !== null && places.has(parentId) ? [parentId] : []),
    ]);
    const moved = [...this.#newRoots.values()].flat();
    return new Set([...ids, ...moved.map(({ id }) => id)]);
  }

  /** @throws ObjectActionError it is not allowed */
  check(canReparent: boolean): void {
    const { provider, parent, places } = this.#move;
    const hasParent = provider.parentProviderUuid !== null;
    if (!parent) {
      if (!hasParent || canReparent) return;
      throw new ObjectActionError("update", "un-parenting a provider is not currently allowed.");
    }
    if (hasParent && parent.id !== provider.parentId && !canReparent) {
      throw new ObjectActionError("update", "re-parenting a provider is not currently allowed.");
    }
    const subtree = subtreeOf(places, provider.id);
    if (parent.id === provider.id || subtree.some(({ id }) => id === parent.id)) {
      throw new ObjectActionError("update", "creating loop in the provider tree is not allowed.");
    }
  }

  /** @returns all who lie in another tree now, with the UUIDs of its root and of the one before */
  async write(tx: WriteTransaction): Promise<MovedPlace[]> {
    const { provider, parent } = this.#move;
    const parentId = parent?.id ?? null;
    if (parentId !== provider.parentId) await updateParentOfProvider(tx, provider.id, parentId);
    for (const [rootId, places] of this.#newRoots) {
      await updateRootOfProviders(
        tx,
        places.map(({ id }) => id),
        rootId,
      );
    }
    return [...this.#newRoots].flatMap(([rootId, places]) =>
      places.map((place) => ({
        ...place,
        root: [this.#uuidOf(place.rootId), this.#uuidOf(rootId)],
      })),
    );
  }

  /** `null` where another program has left an id that is nobody's. */
  #uuidOf(id: number | null): string | null {
    return id === null ? null : (this.#move.places.get(id)?.uuid ?? null);
  }
}

interface MovedPlace extends StoredPlace {
  readonly root: FromTo<string>;
}

/** @throws ObjectActionError there is no such provider */
export async function getParent(tx: ReadTransaction, uuid: string): Promise<ResourceProvider> {
  const parent = await findProviderByUuid(tx, uuid);
  // Upstream calls the action "create" here even when it updates.
  if (!parent) throw new ObjectActionError("create", "parent provider UUID does not exist.");
  return parent;
}

/**
 * Those who lie in another tree than their ancestors do after the move, which may be others than those
 * below the provider: other programs have left some behind.
 */
function newRootsAfter({ provider, parent, places }: Move): Map<number, StoredPlace[]> {
  const after = new Map<number, ProviderPlace>(places);
  after.set(provider.id, { ...provider, parentId: parent?.id ?? null });
  const roots = rootsByAncestry(after);
  // Below a loop there is no right root, so it is that of the parent.
  const rootId = roots.get(provider.id) ?? parent?.rootId ?? provider.id;
  for (const { id } of [provider, ...subtreeOf(after, provider.id)]) {
    if (!roots.has(id)) roots.set(id, rootId);
  }
  const elsewhere = [...places.values()].filter((place) => {
    const root = roots.get(place.id);
    return root !== undefined && root !== place.rootId;
  });
  return Map.groupBy(elsewhere, ({ id }) => roots.get(id) ?? id);
}
