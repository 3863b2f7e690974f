import { isResourceClassInUse } from "../db/inventories.ts";
import {
  deleteName,
  findName,
  insertName,
  maxResourceClassId,
  MIN_CUSTOM_ID,
  renameResourceClass,
} from "../db/names.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import { made, removed } from "../domain/change-details.ts";
import {
  ResourceClassCannotDeleteStandard,
  ResourceClassCannotUpdateStandard,
  ResourceClassExists,
  ResourceClassInUse,
  ResourceClassNotFound,
  DuplicateEntry,
} from "../domain/errors.ts";
import type { NamedRecord } from "../domain/provider-record.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Service } from "./service.ts";

/** In the order of their ids. */
export async function listResourceClasses(
  service: Service,
  context: RequestContext,
): Promise<readonly NamedRecord[]> {
  const { resourceClasses } = await service.freshIndex(context);
  return resourceClasses.list();
}

/** @throws ResourceClassNotFound */
export function getResourceClass(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<NamedRecord> {
  return service.read(context, async (tx) => {
    const resourceClass = await findName(tx, "resource_classes", name);
    if (!resourceClass) throw new ResourceClassNotFound(name);
    return resourceClass;
  });
}

/** @throws ResourceClassExists */
export function createResourceClass(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<void> {
  return service.write(context, async (tx) => {
    if (await findName(tx, "resource_classes", name)) throw new ResourceClassExists(name);
    await insertResourceClass(tx, name);
  });
}

/** Makes a class if there is none of the name; returns whether it did. */
export function ensureResourceClass(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<boolean> {
  return service.write(context, async (tx) => {
    if (await findName(tx, "resource_classes", name)) return false;
    await insertResourceClass(tx, name);
    return true;
  });
}

/** @throws ResourceClassNotFound, ResourceClassCannotUpdateStandard, ResourceClassExists */
export function updateResourceClass(
  service: Service,
  context: RequestContext,
  name: string,
  newName: string,
): Promise<void> {
  return service.write(context, async (tx) => {
    const resourceClass = await findName(tx, "resource_classes", name);
    if (!resourceClass) throw new ResourceClassNotFound(name);
    if (resourceClass.id < MIN_CUSTOM_ID) throw new ResourceClassCannotUpdateStandard(name);
    try {
      await renameResourceClass(tx, resourceClass.id, newName);
    } catch (error) {
      if (error instanceof DuplicateEntry) throw new ResourceClassExists(newName);
      throw error;
    }
    const details = { of: "name", name: [name, newName] } as const;
    tx.recordChange({ kind: "resource_class", subject: newName, details });
  });
}

/** @throws ResourceClassNotFound, ResourceClassCannotDeleteStandard, ResourceClassInUse */
export function deleteResourceClass(
  service: Service,
  context: RequestContext,
  name: string,
): Promise<void> {
  return service.write(context, async (tx) => {
    const resourceClass = await findName(tx, "resource_classes", name);
    if (!resourceClass) throw new ResourceClassNotFound(name);
    if (resourceClass.id < MIN_CUSTOM_ID) throw new ResourceClassCannotDeleteStandard(name);
    // In this order: whoever makes an inventory of it has come before, or finds that it is gone.
    await deleteName(tx, "resource_classes", resourceClass.id);
    if (await isResourceClassInUse(tx, resourceClass.id)) throw new ResourceClassInUse(name);
    tx.recordChange({ kind: "resource_class_deleted", subject: name, details: removed(name) });
  });
}

async function insertResourceClass(tx: WriteTransaction, name: string): Promise<void> {
  const id = Math.max(MIN_CUSTOM_ID, (await maxResourceClassId(tx)) + 1);
  await insertName(tx, "resource_classes", name, id);
  tx.recordChange({ kind: "resource_class", subject: name, details: made(name) });
}
