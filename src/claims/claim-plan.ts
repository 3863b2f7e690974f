import type { Claim, ConsumerClaim, InventoriesClaim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import {
  AllocationForUnknownProvider,
  ConsumerGenerationConflict,
  NoAllocationsForConsumer,
  ProviderGenerationConflict,
  ResourceClassNotFound,
  ResourceProviderNotFound,
} from "../domain/errors.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import { Steps } from "../scheduling/pace.ts";
import { checkCapacity, checkNotInUse, UsageTable, type ProviderSource } from "./claim-capacity.ts";
import type {
  Demand,
  PlannedAllocation,
  PlannedChanges,
  PlannedConsumer,
  PlannedProvider,
  Reshape,
} from "./planned.ts";
/**
 * What a batch of claims will do, worked out claim by claim without touching the database.
 *
 * Each claim is judged on what the claims before it leave, so that two of them cannot both take
 * the last unit. A claim that is refused throws before it changes anything of the plan.
 */
export class ClaimPlan {
  readonly consumers = new Map<string, PlannedConsumer>();
  readonly #providers = new Map<number, PlannedProvider>();
  /** Those of them that claims name, in each spelling that they have used. */
  readonly #providersByUuid = new Map<string, PlannedProvider>();
  readonly #source: ProviderSource;
  readonly #steps = new Steps();

  constructor(source: ProviderSource) {
    this.#source = source;
  }

  /** The providers that the claims changed or looked at. */
  get providers(): readonly PlannedProvider[] {
    return [...this.#providers.values()];
  }

  /** Says what the database has of a consumer; needed for each consumer that a claim names. */
  addConsumer(
    uuid: string,
    stored: Consumer | undefined,
    allocations: readonly PlannedAllocation[],
  ): void {
    this.consumers.set(uuid, {
      uuid,
      stored,
      hasStoredAllocations: allocations.length > 0,
      isClaimed: false,
      wasRemoved: false,
      generation: stored?.generation,
      projectId: stored?.loaded.projectId,
      userId: stored?.loaded.userId,
      consumerType: undefined,
      allocations,
    });
  }

  /**
   * Adds a claim to the plan. It yields where it may pause: nothing else is to be done to the plan meanwhile, and
   * the read model may change, which the guards of what is written notice.
   *
   * @throws PlacementError the claim is refused, and the plan is as it was before
   * @returns what it changes
   */
  *add(claim: Claim): Generator<void, PlannedChanges> {
    const reshapes: Reshape[] = [];
    for (const reshape of claim.inventories ?? []) {
      reshapes.push(this.#resolveReshape(reshape));
      if (this.#steps.mayPause()) yield;
    }
    const changes: ConsumerChange[] = [];
    for (const consumer of claim.consumers) changes.push(yield* this.#resolveConsumer(consumer));
    const usage = yield* this.#usageWithoutConsumers(changes);
    const demand = yield* checkCapacity(this.#source, changes, usage, reshapes);
    for (const reshape of reshapes) {
      checkNotInUse(this.#source, reshape, usage, demand);
      if (this.#steps.mayPause()) yield;
    }
    return yield* this.#apply(reshapes, changes, usage, demand);
  }

  #resolveReshape({ providerUuid, generation, inventories }: InventoriesClaim): Reshape {
    const provider = this.#provider(providerUuid);
    if (!provider) throw new ResourceProviderNotFound(providerUuid);
    const actual = provider.record.generation + provider.steps;
    if (generation !== actual)
      throw new ProviderGenerationConflict(providerUuid, actual, generation);
    const final = new Map(
      [...inventories].map(([name, inventory]) => [this.#resourceClassId(name), inventory]),
    );
    return { provider, final, interim: new Map([...provider.inventories, ...final]) };
  }

  *#resolveConsumer(claim: ConsumerClaim): Generator<void, ConsumerChange> {
    const consumer = this.consumers.get(claim.consumerUuid);
    if (!consumer) throw new Error(`consumer ${claim.consumerUuid} was not loaded`);
    if (claim.generation !== undefined && claim.generation !== (consumer.generation ?? null)) {
      throw new ConsumerGenerationConflict(consumer.uuid, consumer.generation, claim.generation);
    }
    if (claim.mustHoldAllocations && consumer.allocations.length === 0) {
      throw new NoAllocationsForConsumer(claim.consumerUuid);
    }
    const providers: PlannedProvider[] = [];
    for (const { providerUuid } of claim.allocations) {
      const provider = this.#provider(providerUuid);
      if (!provider) throw new AllocationForUnknownProvider(providerUuid);
      providers.push(provider);
      if (this.#steps.mayPause()) yield;
    }
    const demands: Demand[] = [];
    for (const [place, { resources }] of claim.allocations.entries()) {
      const provider = providers[place]!;
      const providerId = provider.record.id;
      for (const [name, used] of resources) {
        demands.push({ provider, providerId, resourceClassId: this.#resourceClassId(name), used });
      }
      if (this.#steps.mayPause()) yield;
    }
    return { claim, consumer, demands };
  }

  /** What would be in use if the consumers of a claim held nothing. */
  *#usageWithoutConsumers(changes: readonly ConsumerChange[]): Generator<void, UsageTable> {
    const usage = new UsageTable();
    for (const { consumer } of changes) {
      for (const { providerId, resourceClassId, used } of consumer.allocations) {
        const provider = this.#providerById(providerId);
        if (provider) usage.add(provider, resourceClassId, -used);
        if (this.#steps.mayPause()) yield;
      }
    }
    return usage;
  }

  *#apply(
    reshapes: readonly Reshape[],
    changes: readonly ConsumerChange[],
    usage: UsageTable,
    demand: UsageTable,
  ): Generator<void, PlannedChanges> {
    const changed = new Set<PlannedProvider>();
    for (const table of [usage, demand]) {
      for (const { provider, resourceClassId, amount } of table.entries()) {
        const used = provider.used.get(resourceClassId) ?? 0;
        provider.used.set(resourceClassId, used + amount);
        changed.add(provider);
        if (this.#steps.mayPause()) yield;
      }
    }
    for (const provider of yield* this.#claimedProviders(changes)) {
      provider.steps += 1;
      changed.add(provider);
    }
    const inventories = reshapes.map(({ provider, final }) => {
      // Upstream sets the inventories twice, around the allocations, unless there are none to set.
      provider.steps += final.size > 0 ? 2 : 1;
      const was = provider.inventories;
      provider.inventories = final;
      provider.isReshaped = true;
      changed.add(provider);
      return { provider: { ...provider }, was };
    });
    const consumers: PlannedChanges["consumers"][number][] = [];
    for (const change of changes) {
      const was = this.consumers.get(change.consumer.uuid) ?? change.consumer;
      const now = afterChange(was, change);
      this.consumers.set(now.uuid, now);
      consumers.push({ was, now });
      if (this.#steps.mayPause()) yield;
    }
    return { providers: changed, consumers, inventories };
  }

  /** Each provider that a claim names, or that a consumer gives back by holding nothing any more. */
  *#claimedProviders(changes: readonly ConsumerChange[]): Generator<void, Set<PlannedProvider>> {
    const claimed = new Set<PlannedProvider>();
    for (const { consumer, demands, claim } of changes) {
      for (const { provider } of demands) claimed.add(provider);
      if (this.#steps.mayPause()) yield;
      if (demands.length > 0 || claim.mustHoldAllocations) continue;
      for (const { providerId } of consumer.allocations) {
        const provider = this.#providers.get(providerId);
        if (provider) claimed.add(provider);
      }
    }
    return claimed;
  }

  #provider(uuid: string): PlannedProvider | undefined {
    // To look one up builds its record anew, and many consumers may be on one provider.
    const known = this.#providersByUuid.get(uuid);
    if (known) return known;
    const planned = this.#plan(this.#source.get(uuid));
    if (planned) this.#providersByUuid.set(uuid, planned);
    return planned;
  }

  #providerById(id: number): PlannedProvider | undefined {
    return this.#providers.get(id) ?? this.#plan(this.#source.getById(id));
  }

  #plan(record: ProviderRecord | undefined): PlannedProvider | undefined {
    if (!record) return undefined;
    const known = this.#providers.get(record.id);
    if (known) return known;
    const planned: PlannedProvider = {
      record,
      steps: 0,
      isReshaped: false,
      used: new Map(record.inventories.map(({ resourceClassId, used }) => [resourceClassId, used])),
      inventories: new Map(
        record.inventories.map((inventory) => [inventory.resourceClassId, inventory]),
      ),
    };
    this.#providers.set(record.id, planned);
    return planned;
  }

  /** For what is told of a change; of what other programs have left behind, the id is all that is known. */
  providerUuidOf(id: number): string {
    return this.#providers.get(id)?.record.uuid ?? `#${id}`;
  }

  /** The same of a resource class. */
  classNameOf(id: number): string {
    return this.#source.resourceClasses.nameOf(id) ?? `#${id}`;
  }

  #resourceClassId(name: string): number {
    const id = this.#source.resourceClasses.idOf(name);
    if (id === undefined) throw new ResourceClassNotFound(name);
    return id;
  }
}

interface ConsumerChange {
  readonly claim: ConsumerClaim;
  readonly consumer: PlannedConsumer;
  readonly demands: readonly Demand[];
}

/** What a claim makes of a consumer. */
function afterChange(was: PlannedConsumer, { claim, demands }: ConsumerChange): PlannedConsumer {
  const isRemoved = demands.length === 0;
  return {
    uuid: was.uuid,
    stored: was.stored,
    hasStoredAllocations: was.hasStoredAllocations,
    isClaimed: true,
    wasRemoved: was.wasRemoved || isRemoved,
    // A new consumer starts at 0 and is raised by its first claim.
    generation: isRemoved ? undefined : (was.generation ?? 0) + 1,
    projectId: isRemoved ? was.projectId : claim.projectId,
    userId: isRemoved ? was.userId : claim.userId,
    consumerType: isRemoved ? undefined : (claim.consumerType ?? was.consumerType),
    allocations: demands,
  };
}
