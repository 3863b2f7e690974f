import { listAllocationsOfConsumer, listAllocationsOfProvider } from "../db/allocations.ts";
import { findConsumerTypeName } from "../db/consumer-types.ts";
import { findConsumers } from "../db/consumers.ts";
import { getProviderByUuid } from "../db/resource-providers.ts";
import type { Allocation } from "../domain/allocation.ts";
import type { Claim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ResourceProvider } from "../domain/resource-provider.ts";
import { classNamesFor } from "./class-names.ts";
import type { Service } from "./service.ts";
import { UNKNOWN_CONSUMER_TYPE } from "./usages.ts";

/** An allocation with the name of its resource class. */
export interface NamedAllocation extends Allocation {
  readonly resourceClass: string;
}

export interface ConsumerAllocations {
  /** Empty for a consumer that does not exist. */
  readonly allocations: readonly NamedAllocation[];
  readonly consumer: Consumer | undefined;
  readonly consumerType: string;
}

export function listConsumerAllocations(
  service: Service,
  context: RequestContext,
  consumerUuid: string,
): Promise<ConsumerAllocations> {
  return service.read(context, async (tx, index) => {
    const stored = service.storedConsumer(consumerUuid);
    const allocations = await listAllocationsOfConsumer(tx, stored);
    const consumer =
      allocations.length > 0 ? (await findConsumers(tx, [stored])).get(stored) : undefined;
    const nameOf = await classNamesFor(tx, index, allocations);
    const type = await findConsumerTypeName(tx, consumer?.consumerTypeId ?? null);
    return {
      allocations: allocations.map((allocation) => ({
        ...allocation,
        resourceClass: nameOf(allocation.resourceClassId),
      })),
      consumer,
      consumerType: type ?? UNKNOWN_CONSUMER_TYPE,
    };
  });
}

/** @throws ResourceProviderNotFound */
export function listProviderAllocations(
  service: Service,
  context: RequestContext,
  providerUuid: string,
): Promise<{
  readonly provider: ResourceProvider;
  readonly allocations: readonly NamedAllocation[];
}> {
  return service.read(context, async (tx, index) => {
    const provider = await getProviderByUuid(tx, providerUuid);
    const allocations = await listAllocationsOfProvider(tx, provider.id);
    const nameOf = await classNamesFor(tx, index, allocations);
    return {
      provider,
      allocations: allocations.map((allocation) => ({
        ...allocation,
        resourceClass: nameOf(allocation.resourceClassId),
      })),
    };
  });
}

/**
 * Makes a claim true, whole or not at all.
 *
 * @throws PlacementError why it was refused: ConsumerGenerationConflict,
 *   AllocationForUnknownProvider, ResourceClassNotFound, InvalidInventory and its kinds,
 *   ConcurrentUpdateDetected, and for a reshape ResourceProviderNotFound,
 *   ProviderGenerationConflict, InventoryInUse
 */
export function claim(service: Service, wanted: Claim): Promise<void> {
  const consumers = wanted.consumers.map((consumer) => {
    const consumerUuid = service.storedConsumer(consumer.consumerUuid);
    return consumerUuid === consumer.consumerUuid ? consumer : { ...consumer, consumerUuid };
  });
  return service.claims.submit({ ...wanted, consumers });
}

/** @throws NoAllocationsForConsumer */
export function deleteAllocations(
  service: Service,
  context: RequestContext,
  consumerUuid: string,
): Promise<void> {
  return claim(service, {
    context,
    consumers: [
      {
        consumerUuid,
        projectId: "",
        userId: "",
        generation: undefined,
        consumerType: undefined,
        mustHoldAllocations: true,
        allocations: [],
      },
    ],
  });
}
