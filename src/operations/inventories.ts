import { listAllocatedClassIds } from "../db/allocations.ts";
import * as rows from "../db/inventories.ts";
import {
  getProviderAt,
  getProviderByUuid,
  incrementProviderGeneration,
} from "../db/resource-providers.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import {
  InvalidInventoryCapacity,
  InventoryInUse,
  InventoryWithResourceClassNotFound,
  NotFound,
  ResourceClassNotFound,
  ResourceProviderConcurrentUpdateDetected,
  DuplicateEntry,
} from "../domain/errors.ts";
import { capacityOf, type InventoryAmounts } from "../domain/inventory.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { classNamesFor } from "./class-names.ts";
import { byClass, inventoryDetails, offerOf, recordProvider } from "./provider-details.ts";
import type { Service } from "./service.ts";

/** How an inventory is checked before it is stored. */
export interface InventoryRules {
  /** Since 1.26 all of an inventory may be reserved. */
  readonly reservedCanBeTotal: boolean;
}

/**
 * Adds an inventory of a class that the provider does not have yet.
 *
 * @throws ResourceProviderNotFound, ResourceClassNotFound, InvalidInventoryCapacity,
 *   ResourceProviderConcurrentUpdateDetected (there is one of the class)
 * @returns the new generation of the provider
 */
export function createInventory(
  service: Service,
  context: RequestContext,
  providerUuid: string,
  resourceClass: string,
  inventory: InventoryAmounts,
  rules: InventoryRules,
): Promise<number> {
  return service.write(context, async (tx, index) => {
    const provider = await getProviderByUuid(tx, providerUuid);
    checkHasCapacity(provider, resourceClass, inventory, rules);
    const classId = classIdOf(index, resourceClass);
    try {
      await rows.insertInventories(tx, provider.id, new Map([[classId, inventory]]));
    } catch (error) {
      if (error instanceof DuplicateEntry) throw new ResourceProviderConcurrentUpdateDetected();
      throw error;
    }
    return finishChange(tx, index, provider, new Map(), new Map([[classId, inventory]]));
  });
}

/**
 * Replaces one inventory.
 *
 * @throws ResourceProviderNotFound, ProviderGenerationConflict, InvalidInventoryCapacity,
 *   ResourceClassNotFound, InventoryWithResourceClassNotFound
 * @returns the new generation of the provider
 */
export function updateInventory(
  service: Service,
  context: RequestContext,
  providerUuid: string,
  generation: number,
  resourceClass: string,
  inventory: InventoryAmounts,
  rules: InventoryRules,
): Promise<number> {
  return service.write(context, async (tx, index) => {
    const provider = await getProviderAt(tx, providerUuid, generation);
    checkHasCapacity(provider, resourceClass, inventory, rules);
    const classId = classIdOf(index, resourceClass);
    const was = only(classId, await offerOf(tx, index, provider));
    if (!(await rows.updateInventory(tx, provider.id, classId, inventory))) {
      throw new InventoryWithResourceClassNotFound(resourceClass);
    }
    return finishChange(tx, index, provider, was, new Map([[classId, inventory]]));
  });
}

/**
 * Replaces all inventories of a provider: adds, changes and removes as needed.
 *
 * @param generation the one that the change is based on; `undefined` takes the present one
 * @throws ResourceProviderNotFound, ProviderGenerationConflict, InvalidInventoryCapacity,
 *   ResourceClassNotFound, InventoryInUse
 * @returns the new generation of the provider
 */
export function setInventories(
  service: Service,
  context: RequestContext,
  providerUuid: string,
  generation: number | undefined,
  inventories: ReadonlyMap<string, InventoryAmounts>,
  rules: InventoryRules,
): Promise<number> {
  return service.write(context, async (tx, index) => {
    const provider = await getProviderAt(tx, providerUuid, generation);
    for (const [resourceClass, inventory] of inventories) {
      checkHasCapacity(provider, resourceClass, inventory, rules);
    }
    const wanted = new Map(
      [...inventories].map(([name, inventory]) => [classIdOf(index, name), inventory]),
    );
    const present = byClass(await rows.listInventories(tx, provider.id));
    await removeInventories(
      tx,
      index,
      provider,
      [...present.keys()].filter((classId) => !wanted.has(classId)),
    );
    await rows.insertInventories(
      tx,
      provider.id,
      new Map([...wanted].filter(([classId]) => !present.has(classId))),
    );
    for (const [classId, inventory] of wanted) {
      if (present.has(classId)) await rows.updateInventory(tx, provider.id, classId, inventory);
    }
    return finishChange(tx, index, provider, present, wanted);
  });
}

/**
 * @throws ResourceProviderNotFound, ResourceClassNotFound, InventoryInUse, NotFound (the provider
 *   has no such inventory)
 */
export function deleteInventory(
  service: Service,
  context: RequestContext,
  providerUuid: string,
  resourceClass: string,
): Promise<void> {
  return service.write(context, async (tx, index) => {
    const provider = await getProviderByUuid(tx, providerUuid);
    const classId = classIdOf(index, resourceClass);
    const was = only(classId, await offerOf(tx, index, provider));
    const removed = await removeInventories(tx, index, provider, [classId]);
    if (removed === 0) {
      throw new NotFound(`No inventory of class ${resourceClass} found for delete`);
    }
    await finishChange(tx, index, provider, was, new Map());
  });
}

function checkHasCapacity(
  provider: ResourceProvider,
  resourceClass: string,
  inventory: InventoryAmounts,
  { reservedCanBeTotal }: InventoryRules,
): void {
  const capacity = capacityOf(inventory);
  if (reservedCanBeTotal ? capacity < 0 : capacity <= 0) {
    throw new InvalidInventoryCapacity(resourceClass, provider.uuid, reservedCanBeTotal);
  }
}

async function removeInventories(
  tx: WriteTransaction,
  index: ProviderIndex,
  provider: ResourceProvider,
  classIds: readonly number[],
): Promise<number> {
  const inUse = await listAllocatedClassIds(tx, provider.id, classIds);
  if (inUse.length > 0) {
    const nameOf = await classNamesFor(
      tx,
      index,
      inUse.map((resourceClassId) => ({ resourceClassId })),
    );
    throw new InventoryInUse(inUse.map(nameOf), provider.uuid);
  }
  return rows.deleteInventories(tx, provider.id, classIds);
}

/** @param was the inventories that may have changed, by the id of the class, and `now` what they are */
async function finishChange(
  tx: WriteTransaction,
  index: ProviderIndex,
  provider: ResourceProvider,
  was: ReadonlyMap<number, InventoryAmounts>,
  now: ReadonlyMap<number, InventoryAmounts>,
): Promise<number> {
  const generation = incrementProviderGeneration(tx, provider);
  const stored = new Map<number, InventoryAmounts>();
  for (const [classId, inventory] of now) {
    const allocationRatio = tx.adapter.roundRatio(inventory.allocationRatio);
    stored.set(classId, { ...inventory, allocationRatio });
  }
  recordProvider(tx, provider, { generation, ...inventoryDetails(index, was, stored) });
  return generation;
}

function only(
  classId: number,
  { inventories }: { readonly inventories: ReadonlyMap<number, InventoryAmounts> },
): ReadonlyMap<number, InventoryAmounts> {
  const inventory = inventories.get(classId);
  return new Map(inventory && [[classId, inventory]]);
}

function classIdOf(index: ProviderIndex, name: string): number {
  const id = index.resourceClasses.idOf(name);
  if (id === undefined) throw new ResourceClassNotFound(name);
  return id;
}
