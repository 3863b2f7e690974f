import { listAggregatesOfProvider } from "../db/aggregates.ts";
import { listInventories } from "../db/inventories.ts";
import { listTraitsOfProvider } from "../db/traits.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import { compareInventories, type ProviderDetails } from "../domain/change-details.ts";
import type { InventoryAmounts } from "../domain/inventory.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import type { ProviderIndex } from "../index/provider-index.ts";

/** What is told of a change of a provider. */
type Told = Omit<ProviderDetails, "of">;

/** Notes that a provider, or what belongs to it, has changed, from what to what. */
export function recordProvider(
  tx: WriteTransaction,
  { id, uuid }: Pick<ResourceProvider, "id" | "uuid">,
  changed: Told,
): void {
  const details = { of: "provider", ...changed } as const;
  tx.recordChange({ kind: "provider", providerId: id, subject: uuid, details });
}

/** Where a provider is in which tree, under which name: what has changed of it. */
export function placeDetails(
  was: ResourceProvider | undefined,
  now: ResourceProvider | undefined,
): Told {
  const fromTo = (read: (provider: ResourceProvider) => string | null) => {
    const both = [was ? read(was) : null, now ? read(now) : null] as const;
    return both[0] === both[1] ? undefined : both;
  };
  const name = fromTo((provider) => provider.name);
  const parent = fromTo((provider) => provider.parentProviderUuid);
  const root = fromTo((provider) => provider.rootProviderUuid);
  return {
    ...(now && { generation: now.generation }),
    ...(name && { name }),
    ...(parent && { parent }),
    ...(root && { root }),
  };
}

/** What a provider has to offer, by the ids of the classes and traits. */
interface Offer {
  readonly inventories: ReadonlyMap<number, InventoryAmounts>;
  readonly traits: readonly string[];
  readonly aggregates: readonly string[];
}

/**
 * What a provider offers before a change. The read model knows, without a query, unless another process has
 * changed the provider in this moment.
 */
export async function offerOf(
  tx: ReadTransaction,
  index: ProviderIndex,
  provider: ResourceProvider,
): Promise<Offer> {
  const record = index.get(provider.uuid);
  if (record?.generation === provider.generation) {
    const { traitIds, aggregates } = record;
    const traits = traitIds.map((id) => index.traits.nameOf(id) ?? `#${id}`);
    return { inventories: byClass(record.inventories), traits, aggregates };
  }
  const traits = await listTraitsOfProvider(tx, provider.id);
  return {
    inventories: byClass(await listInventories(tx, provider.id)),
    traits: traits.map(({ name }) => name),
    aggregates: await listAggregatesOfProvider(tx, provider.id),
  };
}

/** What is told of a provider that is deleted with all that it offers. */
export function lostOffer(index: ProviderIndex, { inventories, traits, aggregates }: Offer): Told {
  return {
    ...(inventories.size > 0 && inventoryDetails(index, inventories, new Map())),
    ...(traits.length > 0 && { traits: { added: [], removed: traits } }),
    ...(aggregates.length > 0 && { aggregates: { added: [], removed: aggregates } }),
  };
}

/** The inventories that have changed, those of before and of now by the id of the class. */
export function inventoryDetails(
  index: ProviderIndex,
  was: ReadonlyMap<number, InventoryAmounts>,
  now: ReadonlyMap<number, InventoryAmounts>,
): Told {
  const nameOf = (id: number) => index.resourceClasses.nameOf(id) ?? `#${id}`;
  const inventories = compareInventories(was, now, nameOf);
  return Object.keys(inventories).length > 0 ? { inventories } : {};
}

export function byClass(
  inventories: readonly (InventoryAmounts & { readonly resourceClassId: number })[],
): ReadonlyMap<number, InventoryAmounts> {
  return new Map(inventories.map((inventory) => [inventory.resourceClassId, inventory]));
}
