import { hasAllocations } from "../db/allocations.ts";
import { lockProviders } from "../db/provider-trees.ts";
import * as rows from "../db/resource-providers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import {
  CannotDeleteParentResourceProvider,
  ObjectActionError,
  ResourceProviderExists,
  ResourceProviderInUse,
  DuplicateEntry,
  ReferenceViolation,
  TransactionConflict,
} from "../domain/errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import { lostOffer, offerOf, placeDetails, recordProvider } from "./provider-details.ts";
import { getParent, ProviderMove } from "./provider-move.ts";
import type { Service } from "./service.ts";

interface ProviderAttributes {
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
    const parent = parentProviderUuid ? await lockParent(tx, parentProviderUuid) : undefined;
    await refuseDuplicates(tx, { uuid, name });
    await rows.insertProvider(tx, { uuid, name }, parent);
    const provider = await rows.getProviderByUuid(tx, uuid);
    recordProvider(tx, provider, placeDetails(undefined, provider));
    return provider;
  });
}

/**
 * Renames a provider, and moves it with everything below it to another parent. Where a parent is given,
 * be it the present one, whoever is found in another tree than its parent is put into the right one.
 *
 * @param attributes.parentProviderUuid `undefined` leaves the parent alone
 * @param canReparent false below 1.37: a provider may be given its first parent, and no other
 * @throws ResourceProviderNotFound, ResourceProviderExists, ObjectActionError
 */
export function updateProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
  { name, parentProviderUuid }: ProviderAttributes,
  canReparent: boolean,
): Promise<ResourceProvider> {
  return service.write(context, async (tx) => {
    const provider = await rows.getProviderByUuid(tx, uuid);
    if (parentProviderUuid !== undefined) {
      await moveProvider(tx, uuid, parentProviderUuid, canReparent);
    }
    await rename(tx, provider, name);
    const updated = await rows.getProviderByUuid(tx, uuid);
    recordProvider(tx, updated, placeDetails(provider, updated));
    return updated;
  });
}

/** @throws ResourceProviderNotFound, ResourceProviderInUse, CannotDeleteParentResourceProvider */
export function deleteProvider(
  service: Service,
  context: RequestContext,
  uuid: string,
): Promise<void> {
  return service.write(context, async (tx, index) => {
    const provider = await rows.getProviderByUuid(tx, uuid);
    // A claim that is under way is waited for, and one that comes later finds nothing.
    await rows.lockProvider(tx, provider);
    if (await rows.hasChildProviders(tx, provider.id))
      throw new CannotDeleteParentResourceProvider();
    if (await hasAllocations(tx, provider.id)) throw new ResourceProviderInUse();
    const offer = await offerOf(tx, index, provider);
    try {
      await rows.deleteProvider(tx, provider.id);
    } catch (error) {
      // Another process has made a child of it since we looked.
      if (error instanceof ReferenceViolation) throw new CannotDeleteParentResourceProvider();
      throw error;
    }
    const details = {
      of: "provider",
      ...placeDetails(provider, undefined),
      ...lostOffer(index, offer),
    } as const;
    tx.recordChange({ kind: "provider_deleted", providerId: provider.id, subject: uuid, details });
  });
}

/**
 * The parent of a provider that is to be made. It is held: whoever moves it has to move the new child,
 * too, and so either finds it or comes later.
 */
async function lockParent(tx: WriteTransaction, uuid: string): Promise<ResourceProvider> {
  const parent = await getParent(tx, uuid);
  await lockProviders(tx, [parent.id]);
  return getParent(tx, uuid);
}

async function rename(
  tx: WriteTransaction,
  provider: ResourceProvider,
  name: string,
): Promise<void> {
  try {
    await rows.updateNameOfProvider(tx, provider.id, name);
  } catch (error) {
    if (error instanceof DuplicateEntry) throw new ResourceProviderExists(["name"]);
    throw error;
  }
}

/**
 * What is known before providers are held may change until they are. So it is only looked at to tell
 * whom to hold; what is done is decided on what is found after that.
 */
async function moveProvider(
  tx: WriteTransaction,
  uuid: string,
  parentUuid: string | null,
  canReparent: boolean,
): Promise<void> {
  const expected = await ProviderMove.plan(tx, uuid, parentUuid);
  await lockProviders(tx, expected.involved);
  const isAlone = tx.adapter.rowLock === undefined;
  const move = isAlone ? expected : await ProviderMove.plan(tx, uuid, parentUuid);
  if (!move.involved.isSubsetOf(expected.involved)) {
    throw new TransactionConflict("the trees of the provider and its new parent have changed");
  }
  move.check(canReparent);
  for (const place of await move.write(tx)) {
    // Of itself all is told at once.
    if (place.uuid !== uuid) recordProvider(tx, place, { root: place.root });
  }
}

/** Says which attributes collide; engines tell about one of them only. */
async function refuseDuplicates(
  tx: ReadTransaction,
  { uuid, name }: { readonly uuid: string; readonly name: string },
): Promise<void> {
  const attributes: ("uuid" | "name")[] = [];
  if (await rows.findProviderByUuid(tx, uuid)) attributes.push("uuid");
  if ((await rows.listProviders(tx, { name })).length > 0) attributes.push("name");
  if (attributes.length > 0) throw new ResourceProviderExists(attributes);
}
