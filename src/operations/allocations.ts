import { findAllocationsOfConsumer, findAllocationsOfProvider } from "../db/allocations.ts";
import { findConsumerTypeName } from "../db/consumer-types.ts";
import { findConsumers } from "../db/consumers.ts";
import { getProviderByUuid } from "../db/resource-providers.ts";
import type { Allocation } from "../domain/allocation.ts";
import { releaseOf, type Claim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { Pace, sorted } from "../scheduling/pace.ts";
import { classNamesFor } from "./class-names.ts";
import type { Service } from "./service.ts";
import { UNKNOWN_CONSUMER_TYPE } from "./usages.ts";

/** Allocations in the order in which they were made. */
interface ListedAllocations {
  readonly allocations: readonly Allocation[];
  /** When the newest was made or changed, in seconds since 1970; undefined without any, and where one does not know. */
  readonly modifiedAt: number | undefined;
  /** The name of a resource class of theirs. */
  readonly classNameOf: (id: number) => string;
}

export interface ConsumerAllocations extends ListedAllocations {
  /** Undefined for one that does not exist. */
  readonly consumer: Consumer | undefined;
  readonly consumerType: string;
}

export async function listConsumerAllocations(
  service: Service,
  context: RequestContext,
  consumerUuid: string,
): Promise<ConsumerAllocations> {
  const found = await service.read(context, async (tx, index) => {
    const stored = service.storedConsumer(consumerUuid);
    const { allocations, modifiedAt } = await findAllocationsOfConsumer(tx, stored);
    const consumer =
      allocations.length > 0 ? (await findConsumers(tx, [stored])).get(stored) : undefined;
    const classNameOf = await classNamesFor(tx, index, allocations);
    const type = await findConsumerTypeName(tx, consumer?.consumerTypeId ?? null);
    return {
      allocations,
      modifiedAt,
      classNameOf,
      consumer,
      consumerType: type ?? UNKNOWN_CONSUMER_TYPE,
    };
  });
  return { ...found, allocations: await inOrder(found.allocations) };
}

export interface ProviderAllocations extends ListedAllocations {
  readonly generation: number;
}

/** @throws ResourceProviderNotFound */
export async function listProviderAllocations(
  service: Service,
  context: RequestContext,
  providerUuid: string,
): Promise<ProviderAllocations> {
  const found = await service.read(context, async (tx, index) => {
    const provider = await getProviderByUuid(tx, providerUuid);
    const { allocations, modifiedAt } = await findAllocationsOfProvider(tx, provider.id);
    const classNameOf = await classNamesFor(tx, index, allocations);
    return { generation: provider.generation, allocations, modifiedAt, classNameOf };
  });
  return { ...found, allocations: await inOrder(found.allocations) };
}

function inOrder(allocations: readonly Allocation[]): Promise<readonly Allocation[]> {
  return new Pace(allocations.length).run(sorted(allocations, (left, right) => left.id - right.id));
}

/**
 * Makes a claim true, whole or not at all.
 *
 * @throws PlacementError why it was refused: ConsumerGenerationConflict,
 *   AllocationForUnknownProvider, ResourceClassNotFound, InvalidInventory and its kinds,
 *   ConcurrentUpdateDetected, and for a reshape ResourceProviderNotFound,
 *   ProviderGenerationConflict, InventoryInUse
 */
export async function claim(service: Service, wanted: Claim): Promise<void> {
  const consumers = wanted.consumers.map((consumer) => {
    const consumerUuid = service.storedConsumer(consumer.consumerUuid);
    return consumerUuid === consumer.consumerUuid ? consumer : { ...consumer, consumerUuid };
  });
  await service.claims.submit({ ...wanted, consumers });
}

/** @throws NoAllocationsForConsumer */
export function deleteAllocations(
  service: Service,
  context: RequestContext,
  consumerUuid: string,
): Promise<void> {
  return claim(service, {
    context,
    consumers: [{ ...releaseOf(consumerUuid, undefined), mustHoldAllocations: true }],
  });
}
