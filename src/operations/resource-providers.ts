import { setImmediate as nextRound } from "node:timers/promises";

import { hasAllocations } from "../db/allocations.ts";
import { DuplicateEntry, ReferenceViolation } from "../db/errors.ts";
import {
  deleteProvider as deleteProviderRows,
  findProviderByUuid,
  getProviderByUuid,
  hasChildProviders,
  insertProvider,
  listProviders as listAllProviders,
  listProvidersAfter,
  listProvidersById,
  listProvidersOfTree,
  lockProvider,
  updateProvider as updateProviderRow,
  updateRootOfProviders,
} from "../db/resource-providers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import {
  CandidatesOutdated,
  CannotDeleteParentResourceProvider,
  ObjectActionError,
  ResourceProviderExists,
  ResourceProviderInUse,
} from "../domain/errors.ts";
import { isSameUuid } from "../domain/uuid.ts";
import type { ProviderFilter } from "../domain/provider-filter.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import { searchProviders } from "../index/find-providers.ts";
import type { Service } from "./service.ts";
import { turns } from "./turns.ts";

export function getProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
): Promise<ResourceProvider> {
  return service.read(context, (tx) => getProviderByUuid(tx, uuid));
}

/** Conditions that are all to hold; the part about what providers offer is met by the read model. */
export interface ProviderListing {
  readonly name: string | undefined;
  readonly uuid: string | undefined;
  readonly filter: ProviderFilter | undefined;
}

/** So many rows are read in one piece, in some milliseconds where the database is in this process. */
const PAGE_ROWS = 500;
/** A slice of the look through the read model. */
const SLICE_MS = 2;

/**
 * In the order of their ids.
 *
 * @throws ResourceClassNotFound, TraitNotFound
 */
export async function listProviders(
  service: Service,
  context: RequestContext,
  { name, uuid, filter }: ProviderListing,
): Promise<ResourceProvider[]> {
  if (!filter) {
    return service.read(context, (tx) =>
      name === undefined && uuid === undefined
        ? listAllInPages(tx)
        : listAllProviders(tx, { name, uuid }),
    );
  }
  const ids = await findProviders(service, context, filter);
  const providers = await service.read(context, (tx) => {
    let start = 0;
    return inPages(() => {
      const page = ids.slice(start, start + PAGE_ROWS);
      start += PAGE_ROWS;
      return page.length === 0 ? undefined : listProvidersById(tx, page);
    });
  });
  return providers.filter(
    (provider) =>
      (name === undefined || provider.name === name) &&
      (uuid === undefined || isSameUuid(provider.uuid, uuid)),
  );
}

function listAllInPages(tx: ReadTransaction): Promise<ResourceProvider[]> {
  let length = PAGE_ROWS;
  return inPages(async (last) => {
    if (length < PAGE_ROWS) return undefined;
    const page = await listProvidersAfter(tx, last?.id ?? -1, PAGE_ROWS);
    ({ length } = page);
    return page;
  });
}

/** Reads one page after the other, until there is none, with other requests served in between. */
async function inPages(
  readPage: (
    last: ResourceProvider | undefined,
  ) => Promise<readonly ResourceProvider[] | undefined> | undefined,
): Promise<ResourceProvider[]> {
  const providers: ResourceProvider[] = [];
  for (;;) {
    const page = await readPage(providers.at(-1));
    if (page === undefined) return providers;
    for (const provider of page) providers.push(provider);
    if (page.length === PAGE_ROWS) await nextRound();
  }
}

/** Looks through the read model in slices, with the turns of others in between. */
async function findProviders(
  service: Service,
  context: RequestContext,
  filter: ProviderFilter,
): Promise<number[]> {
  const client = context.userId ?? "";
  if (!turns.canBegin()) await turns.waitToBegin(client);
  const index = await service.freshIndex(context);
  const search = searchProviders(index, index.time, filter);
  const lookOn = () => {
    const endsAtMs = performance.now() + SLICE_MS;
    let step = search.next();
    while (!step.done && performance.now() < endsAtMs) step = search.next();
    return step;
  };
  let step = turns.begin(lookOn);
  if (step.done) return step.value;
  const view = index.openView();
  try {
    while (!step.done) {
      step = await turns.goOn(client, () => {
        if (!view.isOpen) throw new CandidatesOutdated();
        return lookOn();
      });
    }
    return step.value;
  } finally {
    view.close();
  }
}

export interface ProviderAttributes {
  readonly name: string;
  readonly parentProviderUuid: string | null | undefined;
}

/** @throws ResourceProviderExists, ObjectActionError (the parent is not possible) */
export function createProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
  { name, parentProviderUuid }: ProviderAttributes,
): Promise<ResourceProvider> {
  return service.write(context, async (tx) => {
    if (parentProviderUuid === uuid) {
      throw new ObjectActionError(
        "create",
        "parent provider UUID cannot be same as UUID. " +
          "Please set parent provider UUID to None if there is no parent.",
      );
    }
    const parent = parentProviderUuid ? await getParent(tx, parentProviderUuid) : undefined;
    await refuseDuplicates(tx, { uuid, name });
    await insertProvider(tx, { uuid, name }, parent);
    const provider = await getProviderByUuid(tx, uuid);
    recordProvider(tx, provider);
    return provider;
  });
}

/**
 * Renames a provider, and moves it with everything below it to another parent.
 *
 * @param attributes.parentProviderUuid `undefined` leaves the parent alone
 * @param canReparent false below 1.37: a provider may be given its first parent, and no other
 * @throws ResourceProviderNotFound, ResourceProviderExists, ObjectActionError
 */
export function updateProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
  attributes: ProviderAttributes,
  canReparent: boolean,
): Promise<ResourceProvider> {
  return service.write(context, async (tx) => {
    const provider = await getProviderByUuid(tx, uuid);
    const parentUuid =
      attributes.parentProviderUuid === undefined
        ? provider.parentProviderUuid
        : attributes.parentProviderUuid;
    const place = await findPlace(tx, provider, parentUuid, canReparent);
    await renameAndMove(tx, provider, attributes.name, place);
    for (const moved of place.subtree) recordProvider(tx, moved);
    recordProvider(tx, provider);
    return getProviderByUuid(tx, uuid);
  });
}

/** @throws ResourceProviderNotFound, ResourceProviderInUse, CannotDeleteParentResourceProvider */
export function deleteProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
): Promise<void> {
  return service.write(context, async (tx) => {
    const provider = await getProviderByUuid(tx, uuid);
    // A claim that is under way is waited for, and one that comes later finds nothing.
    await lockProvider(tx, provider);
    if (await hasChildProviders(tx, provider.id)) throw new CannotDeleteParentResourceProvider();
    if (await hasAllocations(tx, provider.id)) throw new ResourceProviderInUse();
    try {
      await deleteProviderRows(tx, provider.id);
    } catch (error) {
      // Another process has made a child of it since we looked.
      if (error instanceof ReferenceViolation) throw new CannotDeleteParentResourceProvider();
      throw error;
    }
    tx.recordChange({ kind: "provider_deleted", providerId: provider.id, subject: uuid });
  });
}

/** Notes that a provider, or what belongs to it, has changed. */
export function recordProvider(
  tx: WriteTransaction,
  provider: Pick<ResourceProvider, "id" | "uuid">,
): void {
  tx.recordChange({ kind: "provider", providerId: provider.id, subject: provider.uuid });
}

interface Place {
  readonly parentId: number | null;
  readonly rootId: number;
  /** The providers below, which move along. */
  readonly subtree: readonly ResourceProvider[];
}

async function findPlace(
  tx: ReadTransaction,
  provider: ResourceProvider,
  parentUuid: string | null,
  canReparent: boolean,
): Promise<Place> {
  const present = provider.parentProviderUuid;
  const isPresent =
    parentUuid === null || present === null
      ? parentUuid === present
      : isSameUuid(parentUuid, present);
  if (isPresent) {
    return { parentId: provider.parentId, rootId: provider.rootId, subtree: [] };
  }
  if (parentUuid === null) {
    if (!canReparent) {
      throw new ObjectActionError("update", "un-parenting a provider is not currently allowed.");
    }
    return { parentId: null, rootId: provider.id, subtree: await listSubtree(tx, provider) };
  }
  const parent = await getParent(tx, parentUuid);
  if (provider.parentId !== null && !canReparent) {
    throw new ObjectActionError("update", "re-parenting a provider is not currently allowed.");
  }
  const subtree = await listSubtree(tx, provider);
  if (parent.id === provider.id || subtree.some(({ id }) => id === parent.id)) {
    throw new ObjectActionError("update", "creating loop in the provider tree is not allowed.");
  }
  return { parentId: parent.id, rootId: parent.rootId, subtree };
}

async function getParent(tx: ReadTransaction, uuid: string): Promise<ResourceProvider> {
  const parent = await findProviderByUuid(tx, uuid);
  // Upstream calls the action "create" here even when it updates.
  if (!parent) throw new ObjectActionError("create", "parent provider UUID does not exist.");
  return parent;
}

/** Everything below a provider, without itself. */
async function listSubtree(
  tx: ReadTransaction,
  provider: ResourceProvider,
): Promise<ResourceProvider[]> {
  const children = Map.groupBy(
    await listProvidersOfTree(tx, provider.rootId),
    ({ parentId }) => parentId,
  );
  const subtree = [...(children.get(provider.id) ?? [])];
  // The list grows while it is walked, until the leaves are reached.
  for (const member of subtree) subtree.push(...(children.get(member.id) ?? []));
  return subtree;
}

async function renameAndMove(
  tx: WriteTransaction,
  provider: ResourceProvider,
  name: string,
  { parentId, rootId, subtree }: Place,
): Promise<void> {
  try {
    await updateProviderRow(tx, provider.id, { name, parentId, rootId });
  } catch (error) {
    if (error instanceof DuplicateEntry) throw new ResourceProviderExists(["name"]);
    if (error instanceof ReferenceViolation) {
      throw new ObjectActionError("update", "parent provider UUID does not exist.");
    }
    throw error;
  }
  if (rootId === provider.rootId) return;
  await updateRootOfProviders(
    tx,
    subtree.map(({ id }) => id),
    rootId,
  );
}

/** Says which attributes collide; engines tell about one of them only. */
async function refuseDuplicates(
  tx: ReadTransaction,
  { uuid, name }: { readonly uuid: string; readonly name: string },
): Promise<void> {
  const attributes: ("uuid" | "name")[] = [];
  if (await findProviderByUuid(tx, uuid)) attributes.push("uuid");
  if ((await listAllProviders(tx, { name })).length > 0) attributes.push("name");
  if (attributes.length > 0) throw new ResourceProviderExists(attributes);
}
