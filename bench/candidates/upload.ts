import { type FleetShape, providersOf, RESOURCE_CLASSES, TRAITS } from "./fleets.ts";

const PARALLEL = 8;

/** Makes a fleet in another Placement through its API, which must be empty and use noauth2. */
export async function upload(base: URL, shape: FleetShape, seed: number): Promise<void> {
  const send = (method: string, path: string, body?: unknown) => sendTo(base, method, path, body);
  for (const { name } of [...RESOURCE_CLASSES, ...TRAITS]) {
    if (!name.startsWith("CUSTOM_")) continue;
    await send(
      "PUT",
      name.startsWith("CUSTOM_TRAIT") ? `traits/${name}` : `resource_classes/${name}`,
    );
  }
  const uuids = new Map<number, string>();
  const names = new Map([...RESOURCE_CLASSES].map(({ id, name }) => [id, name]));
  const traits = new Map(TRAITS.map(({ id, name }) => [id, name]));
  let waiting: Promise<void>[] = [];
  for (const provider of providersOf(shape, seed)) {
    const { uuid, name, parentId } = provider;
    uuids.set(provider.id, uuid);
    await send("POST", "resource_providers", {
      uuid,
      name,
      ...(parentId !== null && { parent_provider_uuid: uuids.get(parentId) }),
    });
    waiting.push(
      (async () => {
        await send("PUT", `resource_providers/${uuid}/inventories`, {
          resource_provider_generation: 0,
          inventories: Object.fromEntries<Record<string, number>>(
            provider.inventories.map((it) => [
              names.get(it.resourceClassId) ?? "",
              { total: it.total, max_unit: it.maxUnit, allocation_ratio: it.allocationRatio },
            ]),
          ),
        });
        await send("PUT", `resource_providers/${uuid}/traits`, {
          resource_provider_generation: 1,
          traits: provider.traitIds.map((id) => traits.get(id)),
        });
      })(),
    );
    if (waiting.length < PARALLEL) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
}

async function sendTo(base: URL, method: string, path: string, body?: unknown): Promise<void> {
  const response = await fetch(new URL(path, base), {
    method,
    headers: {
      "x-auth-token": "admin",
      "openstack-api-version": "placement 1.39",
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
}
