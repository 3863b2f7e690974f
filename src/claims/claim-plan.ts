import type { Claim, ConsumerClaim, InventoriesClaim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import {
  AllocationForUnknownProvider,
  ConsumerGenerationConflict,
  InvalidAllocationCapacityExceeded,
  InvalidAllocationConstraintsViolated,
  InventoryInUse,
  NoAllocationsForConsumer,
  NoInventory,
  ProviderGenerationConflict,
  ResourceClassNotFound,
  ResourceProviderNotFound,
} from "../domain/errors.ts";
import { capacityOf, meetsUnitConstraints, type InventoryAmounts } from "../domain/inventory.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderFacts } from "../domain/refusal.ts";
import type { NameRegistry } from "../index/name-registry.ts";
import type {
  PlannedAllocation,
  PlannedChanges,
  PlannedConsumer,
  PlannedProvider,
} from "./planned.ts";

/** Where the plan looks providers up: the read model. */
export interface ProviderSource {
  get(uuid: string): ProviderRecord | undefined;
  getById(id: number): ProviderRecord | undefined;
  readonly resourceClasses: Pick<NameRegistry, "idOf" | "nameOf" | "getName">;
}

/**
 * What a batch of claims will do, worked out claim by claim without touching the database.
 *
 * Each claim is judged on what the claims before it leave, so that two of them cannot both take
 * the last unit. A claim that is refused throws before it changes anything of the plan.
 */
export class ClaimPlan {
  readonly consumers = new Map<string, PlannedConsumer>();
  readonly #providers = new Map<number, PlannedProvider>();
  readonly #source: ProviderSource;

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
   * Adds a claim to the plan.
   *
   * @throws PlacementError the claim is refused, and the plan is as it was before
   * @returns what it changes
   */
  add(claim: Claim): PlannedChanges {
    const reshapes = (claim.inventories ?? []).map((reshape) => this.#resolveReshape(reshape));
    const changes = claim.consumers.map((consumer) => this.#resolveConsumer(consumer));
    const usage = this.#usageWithoutConsumers(changes);
    const inventories = new Map(
      reshapes.map(({ provider, interim }) => [provider.record.id, interim] as const),
    );
    const demand = checkCapacity(this.#source, changes, usage, inventories);
    for (const reshape of reshapes) checkNotInUse(this.#source, reshape, usage, demand);
    return this.#apply(reshapes, changes, usage, demand);
  }

  #resolveReshape({ providerUuid, generation, inventories }: InventoriesClaim): Reshape {
    const provider = this.#provider(this.#source.get(providerUuid));
    if (!provider) throw new ResourceProviderNotFound(providerUuid);
    const actual = provider.record.generation + provider.steps;
    if (generation !== actual)
      throw new ProviderGenerationConflict(providerUuid, actual, generation);
    const final = new Map(
      [...inventories].map(([name, inventory]) => [this.#resourceClassId(name), inventory]),
    );
    return { provider, final, interim: new Map([...provider.inventories, ...final]) };
  }

  #resolveConsumer(claim: ConsumerClaim): ConsumerChange {
    const consumer = this.consumers.get(claim.consumerUuid);
    if (!consumer) throw new Error(`consumer ${claim.consumerUuid} was not loaded`);
    if (claim.generation !== undefined && claim.generation !== (consumer.generation ?? null)) {
      throw new ConsumerGenerationConflict(consumer.uuid, consumer.generation, claim.generation);
    }
    if (claim.mustHoldAllocations && consumer.allocations.length === 0) {
      throw new NoAllocationsForConsumer(claim.consumerUuid);
    }
    const providers = claim.allocations.map((allocation) => {
      const provider = this.#provider(this.#source.get(allocation.providerUuid));
      if (!provider) throw new AllocationForUnknownProvider(allocation.providerUuid);
      return { provider, resources: allocation.resources };
    });
    const demands = providers.flatMap(({ provider, resources }) =>
      [...resources].map(([name, amount]) => ({
        provider,
        resourceClassId: this.#resourceClassId(name),
        amount,
      })),
    );
    return { claim, consumer, demands };
  }

  /** What would be in use if the consumers of a claim held nothing, by provider id and class id. */
  #usageWithoutConsumers(changes: readonly ConsumerChange[]): UsageTable {
    const usage = new UsageTable();
    for (const { consumer } of changes) {
      for (const { providerId, resourceClassId, used } of consumer.allocations) {
        const provider = this.#provider(this.#source.getById(providerId));
        if (provider) usage.add(provider, resourceClassId, -used);
      }
    }
    return usage;
  }

  #apply(
    reshapes: readonly Reshape[],
    changes: readonly ConsumerChange[],
    usage: UsageTable,
    demand: UsageTable,
  ): PlannedChanges {
    const changed = new Set<string>();
    for (const table of [usage, demand]) {
      for (const { provider, resourceClassId, amount } of table.entries()) {
        const used = provider.used.get(resourceClassId) ?? 0;
        provider.used.set(resourceClassId, used + amount);
        changed.add(provider.record.uuid);
      }
    }
    for (const provider of this.#claimedProviders(changes)) {
      provider.steps += 1;
      changed.add(provider.record.uuid);
    }
    const inventories = reshapes.map(({ provider, final }) => {
      // Upstream sets the inventories twice, around the allocations, unless there are none to set.
      provider.steps += final.size > 0 ? 2 : 1;
      const was = provider.inventories;
      provider.inventories = final;
      provider.isReshaped = true;
      changed.add(provider.record.uuid);
      return { provider: { ...provider }, was };
    });
    const consumers = changes.map((change) => {
      const was = { ...change.consumer };
      applyToConsumer(change);
      return { was, now: { ...change.consumer } };
    });
    return { providers: changed, consumers, inventories };
  }

  /** Each provider that a claim names, or that a consumer gives back by holding nothing any more. */
  #claimedProviders(changes: readonly ConsumerChange[]): Set<PlannedProvider> {
    const claimed = new Set<PlannedProvider>();
    for (const { consumer, demands, claim } of changes) {
      for (const { provider } of demands) claimed.add(provider);
      if (demands.length > 0 || claim.mustHoldAllocations) continue;
      for (const { providerId } of consumer.allocations) {
        const provider = this.#providers.get(providerId);
        if (provider) claimed.add(provider);
      }
    }
    return claimed;
  }

  #provider(record: ProviderRecord | undefined): PlannedProvider | undefined {
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

interface Reshape {
  readonly provider: PlannedProvider;
  /** What the provider is to have in the end. */
  readonly final: ReadonlyMap<number, InventoryAmounts>;
  /** What it has while allocations move: the old and the new, the new winning. */
  readonly interim: ReadonlyMap<number, InventoryAmounts>;
}

interface ConsumerChange {
  readonly claim: ConsumerClaim;
  readonly consumer: PlannedConsumer;
  readonly demands: readonly Demand[];
}

interface Demand {
  readonly provider: PlannedProvider;
  readonly resourceClassId: number;
  readonly amount: number;
}

/** Amounts by provider and resource class. */
class UsageTable {
  readonly #rows = new Map<PlannedProvider, Map<number, number>>();

  get(provider: PlannedProvider, resourceClassId: number): number {
    return this.#rows.get(provider)?.get(resourceClassId) ?? 0;
  }

  add(provider: PlannedProvider, resourceClassId: number, amount: number): void {
    const row = this.#rows.get(provider) ?? new Map<number, number>();
    this.#rows.set(provider, row);
    row.set(resourceClassId, (row.get(resourceClassId) ?? 0) + amount);
  }

  *entries(): Iterable<Demand> {
    for (const [provider, row] of this.#rows) {
      for (const [resourceClassId, amount] of row) yield { provider, resourceClassId, amount };
    }
  }
}

/**
 * Checks every demand of a claim against unit constraints and capacity, in the order of the
 * request; what its own consumers held before counts as free.
 *
 * More than the capacity is allowed when it is no worse than before: a consumer must be able to
 * shrink, or to stay, on a provider whose inventory was reduced under it.
 */
function checkCapacity(
  source: ProviderSource,
  changes: readonly ConsumerChange[],
  usage: UsageTable,
  reshaped: ReadonlyMap<number, ReadonlyMap<number, InventoryAmounts>>,
): UsageTable {
  const demands = changes.flatMap((change) => change.demands);
  const inventoriesOf = (provider: PlannedProvider) =>
    reshaped.get(provider.record.id) ?? provider.inventories;
  checkAnyInventory(source, demands, inventoriesOf);
  const total = new UsageTable();
  for (const { provider, resourceClassId, amount } of demands) {
    total.add(provider, resourceClassId, amount);
    const inventory = inventoriesOf(provider).get(resourceClassId);
    const className = source.resourceClasses.getName(resourceClassId);
    if (!inventory) throw new NoInventory([className], [provider.record.uuid]);
    const before = provider.used.get(resourceClassId) ?? 0;
    const used = before + usage.get(provider, resourceClassId);
    const requested = total.get(provider, resourceClassId);
    const capacity = capacityOf(inventory);
    const facts = () => ({
      provider: factsOf(provider),
      resourceClass: className,
      requested,
      capacity,
      used,
      reserved: inventory.reserved,
      minUnit: inventory.minUnit,
      maxUnit: inventory.maxUnit,
      stepSize: inventory.stepSize,
    });
    if (!meetsUnitConstraints(inventory, amount)) {
      throw new InvalidAllocationConstraintsViolated({ ...facts(), requested: amount });
    }
    const after = used + requested;
    if (after > capacity && after > before) throw new InvalidAllocationCapacityExceeded(facts());
  }
  return total;
}

function factsOf({ record, steps }: PlannedProvider): ProviderFacts {
  return { uuid: record.uuid, name: record.name, generation: record.generation + steps };
}

/** Names all classes and providers at once when providers have none of the classes. */
function checkAnyInventory(
  source: ProviderSource,
  demands: readonly Demand[],
  inventoriesOf: (provider: PlannedProvider) => ReadonlyMap<number, InventoryAmounts>,
): void {
  const classIds = [...new Set(demands.map((demand) => demand.resourceClassId))].sort(
    (left, right) => left - right,
  );
  const bare = [...new Set(demands.map((demand) => demand.provider))].filter(
    (provider) => !classIds.some((classId) => inventoriesOf(provider).has(classId)),
  );
  if (bare.length === 0) return;
  throw new NoInventory(
    classIds.map((classId) => source.resourceClasses.getName(classId)),
    bare.map((provider) => provider.record.uuid),
  );
}

/** An inventory that a reshape removes must be used by nobody once the allocations have moved. */
function checkNotInUse(
  source: ProviderSource,
  { provider, final, interim }: Reshape,
  usage: UsageTable,
  demand: UsageTable,
): void {
  const inUse = [...interim.keys()]
    .filter((classId) => !final.has(classId))
    .filter(
      (classId) =>
        (provider.used.get(classId) ?? 0) +
          usage.get(provider, classId) +
          demand.get(provider, classId) >
        0,
    )
    .sort((left, right) => left - right);
  if (inUse.length === 0) return;
  throw new InventoryInUse(
    inUse.map((classId) => source.resourceClasses.getName(classId)),
    provider.record.uuid,
  );
}

function applyToConsumer({ claim, consumer, demands }: ConsumerChange): void {
  consumer.isClaimed = true;
  consumer.allocations = demands.map(({ provider, resourceClassId, amount }) => ({
    providerId: provider.record.id,
    resourceClassId,
    used: amount,
  }));
  if (demands.length === 0) {
    consumer.wasRemoved = true;
    consumer.generation = undefined;
    consumer.consumerType = undefined;
    return;
  }
  // A new consumer starts at 0 and is raised by its first claim.
  consumer.generation = (consumer.generation ?? 0) + 1;
  consumer.projectId = claim.projectId;
  consumer.userId = claim.userId;
  consumer.consumerType = claim.consumerType ?? consumer.consumerType;
}
