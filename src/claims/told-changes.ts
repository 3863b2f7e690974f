import type { Change } from "../db/change.ts";
import {
  compareInventories,
  type ConsumerDetails,
  type Holdings,
  type ProviderDetails,
} from "../domain/change-details.ts";
import type { InventoryAmounts } from "../domain/inventory.ts";
import type { ClaimPlan } from "./claim-plan.ts";
import type { PlannedAllocation, PlannedChanges, PlannedConsumer } from "./planned.ts";

/**
 * What an accepted claim changes, as the change feed tells it.
 *
 * @param roundRatio what the database makes of an allocation ratio
 */
export function* toldChanges(
  plan: ClaimPlan,
  { providers, consumers, inventories }: PlannedChanges,
  roundRatio: (ratio: number) => number,
): Generator<Change> {
  const reshapes = new Map(inventories.map((reshape) => [reshape.provider.record.id, reshape]));
  for (const { record } of providers) {
    const reshape = reshapes.get(record.id);
    const change = { kind: "provider", providerId: record.id, subject: record.uuid } as const;
    yield reshape
      ? { ...change, makeDetails: () => reshapeDetails(plan, reshape, roundRatio) }
      : change;
  }
  for (const { was, now } of consumers) {
    const kind = now.generation === undefined ? "consumer_deleted" : "consumer";
    yield { kind, subject: now.uuid, makeDetails: () => consumerDetails(plan, was, now) };
  }
}

function reshapeDetails(
  plan: ClaimPlan,
  { provider, was }: PlannedChanges["inventories"][number],
  roundRatio: (ratio: number) => number,
): ProviderDetails {
  const now = new Map<number, InventoryAmounts>();
  for (const [classId, inventory] of provider.inventories) {
    now.set(classId, {
      ...inventory,
      allocationRatio: roundRatio(inventory.allocationRatio),
    });
  }
  return {
    of: "provider",
    generation: provider.record.generation + provider.steps,
    inventories: compareInventories(was, now, (id) => plan.classNameOf(id)),
  };
}

function consumerDetails(
  plan: ClaimPlan,
  was: PlannedConsumer,
  now: PlannedConsumer,
): ConsumerDetails {
  const whose = now.generation === undefined ? was : now;
  const formerly =
    now.generation === undefined || was.generation === undefined ? {} : differing(was, now);
  return {
    of: "consumer",
    generation: now.generation,
    projectId: whose.projectId,
    userId: whose.userId,
    consumerType: typeOf(whose),
    ...(Object.keys(formerly).length > 0 && { formerly }),
    was: holdings(plan, was.allocations),
    now: holdings(plan, now.allocations),
  };
}

function differing(was: PlannedConsumer, now: PlannedConsumer): ConsumerDetails["formerly"] & {} {
  return {
    ...(was.projectId !== undefined &&
      was.projectId !== now.projectId && { projectId: was.projectId }),
    ...(was.userId !== undefined && was.userId !== now.userId && { userId: was.userId }),
    ...(typeOf(was) !== typeOf(now) && { consumerType: typeOf(was) ?? null }),
  };
}

/** The one it was claimed with, or else the one it had. */
function typeOf({ consumerType, wasRemoved, stored }: PlannedConsumer): string | undefined {
  return consumerType ?? (wasRemoved ? undefined : stored?.loaded.consumerType);
}

function holdings(plan: ClaimPlan, allocations: readonly PlannedAllocation[]): Holdings {
  const held: Record<string, Record<string, number>> = {};
  for (const { providerId, resourceClassId, used } of allocations) {
    const ofProvider = (held[plan.providerUuidOf(providerId)] ??= {});
    const name = plan.classNameOf(resourceClassId);
    // Upstream may have left several rows of one class.
    ofProvider[name] = (ofProvider[name] ?? 0) + used;
  }
  return held;
}
