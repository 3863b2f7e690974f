import {
  deleteProviderAggregates,
  ensureAggregates,
  insertProviderAggregates,
  listAggregatesOfProvider,
} from "../db/aggregates.ts";
import {
  getProviderAt,
  getProviderByUuid,
  incrementProviderGeneration,
  lockProvider,
} from "../db/resource-providers.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { recordProvider } from "./provider-details.ts";
import type { Service } from "./service.ts";

/** The UUIDs of the aggregates of a provider at one of its generations. */
export interface ProviderAggregates {
  readonly generation: number;
  readonly aggregates: readonly string[];
}

/**
 * As the database spells them.
 *
 * @throws ResourceProviderNotFound
 */
export function listProviderAggregates(
  service: Service,
  context: RequestContext,
  providerUuid: string,
): Promise<ProviderAggregates> {
  return service.read(context, async (tx) => {
    const provider = await getProviderByUuid(tx, providerUuid);
    return {
      generation: provider.generation,
      aggregates: await listAggregatesOfProvider(tx, provider.id),
    };
  });
}

/**
 * Replaces the aggregates of a provider. Aggregates need not exist: they are made when first named.
 *
 * @param generation the one that the change is based on, which is raised; `undefined` (below 1.19)
 *   neither compares nor raises it
 * @throws ResourceProviderNotFound, ProviderGenerationConflict
 */
export function setProviderAggregates(
  service: Service,
  context: RequestContext,
  providerUuid: string,
  generation: number | undefined,
  aggregates: readonly string[],
): Promise<ProviderAggregates> {
  return service.write(context, async (tx) => {
    const provider = await getProviderAt(tx, providerUuid, generation);
    if (generation === undefined) await lockProvider(tx, provider);
    const present = new Set(await listAggregatesOfProvider(tx, provider.id));
    const wanted = new Set(aggregates);
    const removed = [...present.difference(wanted)];
    const added = [...wanted.difference(present)];
    const removedIds = await ensureAggregates(tx, removed);
    const addedIds = await ensureAggregates(tx, added);
    await deleteProviderAggregates(tx, provider.id, removedIds);
    await insertProviderAggregates(tx, provider.id, addedIds);
    const newGeneration =
      generation === undefined ? provider.generation : incrementProviderGeneration(tx, provider);
    const changed = added.length + removed.length > 0 && { aggregates: { added, removed } };
    recordProvider(tx, provider, { generation: newGeneration, ...changed });
    return { generation: newGeneration, aggregates };
  });
}
