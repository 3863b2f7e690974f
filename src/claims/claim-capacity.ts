import {
  InvalidAllocationCapacityExceeded,
  InvalidAllocationConstraintsViolated,
  InventoryInUse,
  NoInventory,
} from "../domain/errors.ts";
import { capacityOf, meetsUnitConstraints, type InventoryAmounts } from "../domain/inventory.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderFacts } from "../domain/refusal.ts";
import type { NameRegistry } from "../index/name-registry.ts";
import { Steps } from "../scheduling/pace.ts";
import type { Demand, PlannedProvider, Reshape } from "./planned.ts";

// Whether what a claim wants fits where it is to go. Each of the functions yields where it may pause.

/** Where the plan looks providers up: the read model. */
export interface ProviderSource {
  get(uuid: string): ProviderRecord | undefined;
  getById(id: number): ProviderRecord | undefined;
  readonly resourceClasses: Pick<NameRegistry, "idOf" | "nameOf" | "getName">;
}

/** What the consumers of a claim are to hold. */
type Demands = readonly { readonly demands: readonly Demand[] }[];

/** Amounts by provider and resource class. */
export class UsageTable {
  readonly #rows = new Map<PlannedProvider, Map<number, number>>();

  get(provider: PlannedProvider, resourceClassId: number): number {
    return this.#rows.get(provider)?.get(resourceClassId) ?? 0;
  }

  add(provider: PlannedProvider, resourceClassId: number, amount: number): void {
    const row = this.#rows.get(provider) ?? new Map<number, number>();
    this.#rows.set(provider, row);
    row.set(resourceClassId, (row.get(resourceClassId) ?? 0) + amount);
  }

  *entries(): Iterable<{
    readonly provider: PlannedProvider;
    readonly resourceClassId: number;
    readonly amount: number;
  }> {
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
 *
 * @param usage what would be in use more, or less, if the consumers held nothing
 */
export function* checkCapacity(
  source: ProviderSource,
  changes: Demands,
  usage: UsageTable,
  reshapes: readonly Reshape[],
): Generator<void, UsageTable> {
  const reshaped = new Map(reshapes.map(({ provider, interim }) => [provider, interim] as const));
  const inventoriesOf = (provider: PlannedProvider) =>
    reshaped.get(provider) ?? provider.inventories;
  yield* checkAnyInventory(source, changes, inventoriesOf);
  const steps = new Steps();
  const total = new UsageTable();
  for (const { demands } of changes) {
    for (const demand of demands) {
      const { provider, resourceClassId, used } = demand;
      total.add(provider, resourceClassId, used);
      const inventory = inventoriesOf(provider).get(resourceClassId);
      const before = usage.get(provider, resourceClassId);
      checkDemand(source, demand, inventory, before, total.get(provider, resourceClassId));
      if (steps.mayPause()) yield;
    }
  }
  return total;
}

/**
 * @param change by how much less is in use if the consumers of the claim hold nothing
 * @param requested by the claim so far
 */
function checkDemand(
  { resourceClasses }: ProviderSource,
  { provider, resourceClassId, used: amount }: Demand,
  inventory: InventoryAmounts | undefined,
  change: number,
  requested: number,
): void {
  const resourceClass = resourceClasses.getName(resourceClassId);
  if (!inventory) throw new NoInventory([resourceClass], [provider.record.uuid]);
  const before = provider.used.get(resourceClassId) ?? 0;
  const used = before + change;
  const capacity = capacityOf(inventory);
  const { reserved, minUnit, maxUnit, stepSize } = inventory;
  const factsFor = (asked: number) => ({
    provider: factsOf(provider),
    resourceClass,
    requested: asked,
    capacity,
    used,
    reserved,
    minUnit,
    maxUnit,
    stepSize,
  });
  if (!meetsUnitConstraints(inventory, amount)) {
    throw new InvalidAllocationConstraintsViolated(factsFor(amount));
  }
  const after = used + requested;
  if (after > capacity && after > before) {
    throw new InvalidAllocationCapacityExceeded(factsFor(requested));
  }
}

function factsOf({ record, steps }: PlannedProvider): ProviderFacts {
  return { uuid: record.uuid, name: record.name, generation: record.generation + steps };
}

/** Names all classes and providers at once when providers have none of the classes. */
function* checkAnyInventory(
  source: ProviderSource,
  changes: Demands,
  inventoriesOf: (provider: PlannedProvider) => ReadonlyMap<number, InventoryAmounts>,
): Generator<void> {
  const steps = new Steps();
  const classIds = new Set<number>();
  const providers = new Set<PlannedProvider>();
  for (const { demands } of changes) {
    for (const { provider, resourceClassId } of demands) {
      classIds.add(resourceClassId);
      providers.add(provider);
    }
    if (steps.mayPause()) yield;
  }
  const bare: string[] = [];
  for (const provider of providers) {
    const inventories = inventoriesOf(provider);
    if (!classIds.values().some((id) => inventories.has(id))) bare.push(provider.record.uuid);
    if (steps.mayPause()) yield;
  }
  if (bare.length > 0) throw new NoInventory(namesOf(source, classIds), bare);
}

/** An inventory that a reshape removes must be used by nobody once the allocations have moved. */
export function checkNotInUse(
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
    );
  if (inUse.length === 0) return;
  throw new InventoryInUse(namesOf(source, inUse), provider.record.uuid);
}

/** In the order of the ids, as upstream lists them. */
function namesOf({ resourceClasses }: ProviderSource, classIds: Iterable<number>): string[] {
  return [...classIds]
    .sort((left, right) => left - right)
    .map((classId) => resourceClasses.getName(classId));
}
