import {
  deleteAllocationsOfConsumers,
  insertAllocations,
  listStoredAllocations,
} from "../db/allocations.ts";
import { ensureConsumerTypes } from "../db/consumer-types.ts";
import {
  createConsumers,
  deleteConsumersWithoutAllocations,
  ensureExternalIdentities,
  findConsumers,
  updateConsumer,
} from "../db/consumers.ts";
import { deleteInventories, insertInventories, updateInventory } from "../db/inventories.ts";
import { incrementProviderGenerations } from "../db/resource-providers.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import type { Claim } from "../domain/claim.ts";
import type { ExternalIdentity } from "../domain/consumer.ts";
import { PlacementError } from "../domain/errors.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { ClaimPlan, type PlannedConsumer, type PlannedProvider } from "./claim-plan.ts";

/** What became of a claim: the reason why it was refused, or nothing. */
export type ClaimOutcome = PlacementError | undefined;

/**
 * Writes claims in one transaction: all that can be accepted, each judged on what the ones before
 * it leave. The read model follows when the transaction has committed.
 *
 * @throws ConcurrentUpdateDetected another process changed a provider or consumer since it was
 *   read; nothing was written, and the batch can be tried again on fresh data
 * @returns the outcomes, in the order of the claims
 */
export async function writeClaims(
  tx: WriteTransaction,
  index: ProviderIndex,
  claims: readonly Claim[],
): Promise<ClaimOutcome[]> {
  const plan = new ClaimPlan(index);
  await loadConsumers(tx, plan, claims);
  const outcomes = claims.map((claim) => addToPlan(tx, plan, claim));
  if (outcomes.every((outcome) => outcome !== undefined)) return outcomes;
  const consumers = [...plan.consumers.values()]
    .filter((consumer) => consumer.isClaimed)
    .sort((left, right) => (left.uuid < right.uuid ? -1 : 1));
  await writeConsumers(tx, consumers);
  await writeProviders(tx, plan.providers);
  await writeAllocations(tx, consumers);
  await deleteConsumersWithoutAllocations(
    tx,
    consumers.filter(({ generation }) => generation === undefined).map(({ uuid }) => uuid),
  );
  tx.afterCommit(() => updateIndex(index, plan.providers));
  return outcomes;
}

async function loadConsumers(
  tx: WriteTransaction,
  plan: ClaimPlan,
  claims: readonly Claim[],
): Promise<void> {
  const uuids = [
    ...new Set(claims.flatMap((claim) => claim.consumers.map((consumer) => consumer.consumerUuid))),
  ];
  const stored = await findConsumers(tx, uuids);
  const allocations = Map.groupBy(
    await listStoredAllocations(tx, uuids),
    (allocation) => allocation.consumerUuid,
  );
  for (const uuid of uuids) {
    const held = (allocations.get(uuid) ?? []).map((allocation) => ({
      providerId: allocation.resourceProviderId,
      resourceClassId: allocation.resourceClassId,
      used: allocation.used,
    }));
    plan.addConsumer(uuid, stored.get(uuid), held);
  }
}

function addToPlan(tx: WriteTransaction, plan: ClaimPlan, claim: Claim): ClaimOutcome {
  try {
    const providers = plan.add(claim);
    recordChanges(tx, plan, claim, providers);
    return undefined;
  } catch (error) {
    if (error instanceof PlacementError) return error;
    throw error;
  }
}

function recordChanges(
  tx: WriteTransaction,
  plan: ClaimPlan,
  claim: Claim,
  providerUuids: ReadonlySet<string>,
): void {
  for (const { record } of plan.providers) {
    if (!providerUuids.has(record.uuid)) continue;
    const change = { kind: "provider", providerId: record.id, subject: record.uuid } as const;
    tx.recordChange(change, claim.context);
  }
  for (const { consumerUuid } of claim.consumers) {
    const exists = plan.consumers.get(consumerUuid)?.generation !== undefined;
    const kind = exists ? "consumer" : "consumer_deleted";
    tx.recordChange({ kind, subject: consumerUuid }, claim.context);
  }
}

/**
 * Consumers come before providers, both in the order of their keys, so that two processes that
 * write the same rows take their locks in the same order.
 */
async function writeConsumers(
  tx: WriteTransaction,
  consumers: readonly PlannedConsumer[],
): Promise<void> {
  const present = consumers.filter(({ generation }) => generation !== undefined);
  const projects = await ensureIdentities(tx, "projects", present, (item) => item.projectId);
  const users = await ensureIdentities(tx, "users", present, (item) => item.userId);
  const types = await ensureConsumerTypes(
    tx,
    present.flatMap(({ consumerType }) => consumerType ?? []),
  );
  const typeIdOf = ({ consumerType, stored, wasRemoved }: PlannedConsumer) => {
    if (consumerType !== undefined) return known(types, consumerType);
    return wasRemoved ? null : (stored?.consumerTypeId ?? null);
  };
  for (const consumer of consumers) {
    const { stored, generation } = consumer;
    if (!stored) continue;
    if (generation !== undefined) {
      stored.change({
        project: known(projects, consumer.projectId),
        user: known(users, consumer.userId),
        consumerTypeId: typeIdOf(consumer),
      });
    }
    // A consumer that is about to be deleted is guarded by its generation too.
    await updateConsumer(tx, stored, (generation ?? stored.generation + 1) - stored.generation);
  }
  await createConsumers(
    tx,
    present
      .filter(({ stored }) => !stored)
      .map((consumer) => ({
        uuid: consumer.uuid,
        generation: consumer.generation ?? 0,
        projectId: known(projects, consumer.projectId).id,
        userId: known(users, consumer.userId).id,
        consumerTypeId: typeIdOf(consumer),
      })),
  );
}

async function ensureIdentities(
  tx: WriteTransaction,
  table: "projects" | "users",
  consumers: readonly PlannedConsumer[],
  externalIdOf: (consumer: PlannedConsumer) => string | undefined,
): Promise<Map<string, ExternalIdentity>> {
  const externalIds = new Set(consumers.flatMap((consumer) => externalIdOf(consumer) ?? []));
  return ensureExternalIdentities(tx, table, [...externalIds]);
}

async function writeProviders(
  tx: WriteTransaction,
  providers: readonly PlannedProvider[],
): Promise<void> {
  const changed = providers.filter(({ steps }) => steps > 0);
  await incrementProviderGenerations(
    tx,
    changed.map(({ record: { id, generation }, steps }) => ({ id, generation, steps })),
  );
  for (const provider of changed) if (provider.isReshaped) await writeInventories(tx, provider);
}

/** Brings the inventories of a provider to what a reshape planned. */
async function writeInventories(
  tx: WriteTransaction,
  { record, inventories }: PlannedProvider,
): Promise<void> {
  const before = new Map(record.inventories.map((item) => [item.resourceClassId, item]));
  const added = new Map([...inventories].filter(([classId]) => !before.has(classId)));
  const removed = [...before.keys()].filter((classId) => !inventories.has(classId));
  await deleteInventories(tx, record.id, removed);
  await insertInventories(tx, record.id, added);
  for (const [classId, inventory] of inventories) {
    const old = before.get(classId);
    if (old && old !== inventory) await updateInventory(tx, record.id, classId, inventory);
  }
}

async function writeAllocations(
  tx: WriteTransaction,
  consumers: readonly PlannedConsumer[],
): Promise<void> {
  await deleteAllocationsOfConsumers(
    tx,
    consumers.filter((consumer) => consumer.hasStoredAllocations).map(({ uuid }) => uuid),
  );
  await insertAllocations(
    tx,
    consumers.flatMap((consumer) =>
      consumer.allocations.map((allocation) => ({
        resourceProviderId: allocation.providerId,
        consumerUuid: consumer.uuid,
        resourceClassId: allocation.resourceClassId,
        used: allocation.used,
      })),
    ),
  );
}

function updateIndex(index: ProviderIndex, providers: readonly PlannedProvider[]): void {
  for (const { record, steps, used, inventories, isReshaped } of providers) {
    const generation = record.generation + steps;
    if (!isReshaped) {
      index.applyUsage(record.id, generation, used);
      continue;
    }
    index.put({
      ...record,
      generation,
      inventories: [...inventories]
        .map(([resourceClassId, inventory]) => ({
          ...inventory,
          resourceClassId,
          used: used.get(resourceClassId) ?? 0,
        }))
        .sort((left, right) => left.resourceClassId - right.resourceClassId),
    });
  }
}

function known<Value>(values: ReadonlyMap<string, Value>, key: string | undefined): Value {
  const value = key === undefined ? undefined : values.get(key);
  if (value === undefined) throw new Error(`${key} is not there right after it was made`);
  return value;
}
