import {
  deleteAllocationsOfConsumers,
  insertAllocations,
  listStoredAllocations,
  type StoredAllocation,
} from "../db/allocations.ts";
import { ensureConsumerTypes, findConsumerTypes } from "../db/consumer-types.ts";
import {
  createConsumers,
  deleteConsumersWithoutAllocations,
  ensureExternalIdentities,
  findConsumers,
  findExternalIdentities,
  updateConsumers,
  type ConsumerUpdate,
} from "../db/consumers.ts";
import { deleteInventories, insertInventories, updateInventory } from "../db/inventories.ts";
import { incrementProviderGenerations } from "../db/resource-providers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import type { Claim } from "../domain/claim.ts";
import type { Consumer, ExternalIdentity } from "../domain/consumer.ts";
import { PlacementError } from "../domain/errors.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { ClaimPlan, type PlannedConsumer, type PlannedProvider } from "./claim-plan.ts";

/** What became of a claim: the reason why it was refused, or nothing. */
export type ClaimOutcome = PlacementError | undefined;

/** What the database has of all that claims name, besides providers. */
export interface ClaimedState {
  /** By UUID. */
  readonly consumers: ReadonlyMap<string, Consumer>;
  /** By the UUID of the consumer. */
  readonly allocations: ReadonlyMap<string, readonly StoredAllocation[]>;
  /** Those that are there already. They are never deleted. */
  readonly names: ConsumerNames;
}

/** Ids by what the outside calls them. */
interface ConsumerNames {
  readonly projects: ReadonlyMap<string, ExternalIdentity>;
  readonly users: ReadonlyMap<string, ExternalIdentity>;
  readonly types: ReadonlyMap<string, number>;
}

/**
 * Reads what claims are about. It may have changed by the time they are written: then a guard
 * misses. So it is read before the transaction that writes, which is kept short.
 */
export async function loadClaimedState(
  tx: ReadTransaction,
  claims: readonly Claim[],
): Promise<ClaimedState> {
  const claimed = claims.flatMap(({ consumers }) => consumers);
  const uuids = distinct(claimed, ({ consumerUuid }) => consumerUuid);
  const allocations = await listStoredAllocations(tx, uuids);
  return {
    consumers: await findConsumers(tx, uuids),
    allocations: Map.groupBy(allocations, ({ consumerUuid }) => consumerUuid),
    names: {
      projects: await findExternalIdentities(
        tx,
        "projects",
        distinct(claimed, ({ projectId }) => projectId),
      ),
      users: await findExternalIdentities(
        tx,
        "users",
        distinct(claimed, ({ userId }) => userId),
      ),
      types: await findConsumerTypes(
        tx,
        distinct(claimed, ({ consumerType }) => consumerType),
      ),
    },
  };
}

/**
 * Writes claims in one transaction: all that can be accepted, each judged on what the ones before
 * it leave. The read model follows when the transaction has committed.
 *
 * @param state read before; it may be out of date
 * @param isOvertaken whether the read model knows better by the time of the commit
 * @throws ConcurrentUpdateDetected, ConsumerExists another process changed a provider or consumer
 *   since it was read; nothing was written, and the batch can be tried again on fresh data
 * @returns the outcomes, in the order of the claims
 */
export async function writeClaims(
  tx: WriteTransaction,
  index: ProviderIndex,
  claims: readonly Claim[],
  state: ClaimedState,
  isOvertaken: () => boolean,
): Promise<ClaimOutcome[]> {
  const plan = new ClaimPlan(index);
  addConsumers(plan, claims, state);
  const outcomes = claims.map((claim) => addToPlan(tx, plan, claim));
  if (outcomes.every((outcome) => outcome !== undefined)) return outcomes;
  const consumers = [...plan.consumers.values()]
    .filter((consumer) => consumer.isClaimed)
    .sort((left, right) => (left.uuid < right.uuid ? -1 : 1));
  writeConsumers(tx, consumers, await ensureNames(tx, consumers, state.names));
  await writeProviders(tx, plan.providers);
  writeAllocations(tx, consumers);
  deleteConsumersWithoutAllocations(
    tx,
    consumers.filter(({ generation }) => generation === undefined).map(({ uuid }) => uuid),
  );
  tx.afterCommit(() => {
    if (!isOvertaken()) updateIndex(index, plan.providers);
  });
  return outcomes;
}

function addConsumers(
  plan: ClaimPlan,
  claims: readonly Claim[],
  { consumers, allocations }: ClaimedState,
): void {
  for (const { consumerUuid } of claims.flatMap((claim) => claim.consumers)) {
    const held = (allocations.get(consumerUuid) ?? []).map((allocation) => ({
      providerId: allocation.resourceProviderId,
      resourceClassId: allocation.resourceClassId,
      used: allocation.used,
    }));
    plan.addConsumer(consumerUuid, consumers.get(consumerUuid), held);
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

/** Makes the projects, users and types that consumers are to have and that are not there yet. */
async function ensureNames(
  tx: WriteTransaction,
  consumers: readonly PlannedConsumer[],
  { projects, users, types }: ConsumerNames,
): Promise<ConsumerNames> {
  const present = consumers.filter(({ generation }) => generation !== undefined);
  const missing = <Id>(
    known: ReadonlyMap<string, Id>,
    nameOf: (consumer: PlannedConsumer) => string | undefined,
  ) => distinct(present, nameOf).filter((name) => !known.has(name));
  const newProjects = missing(projects, ({ projectId }) => projectId);
  const newUsers = missing(users, ({ userId }) => userId);
  const newTypes = missing(types, ({ consumerType }) => consumerType);
  return {
    projects: joined(projects, await ensureExternalIdentities(tx, "projects", newProjects)),
    users: joined(users, await ensureExternalIdentities(tx, "users", newUsers)),
    types: joined(types, await ensureConsumerTypes(tx, newTypes)),
  };
}

/**
 * Consumers come before providers, both in the order of their keys, so that two processes that
 * write the same rows take their locks in the same order.
 */
function writeConsumers(
  tx: WriteTransaction,
  consumers: readonly PlannedConsumer[],
  { projects, users, types }: ConsumerNames,
): void {
  const typeIdOf = ({ consumerType, stored, wasRemoved }: PlannedConsumer) => {
    if (consumerType !== undefined) return idOf(types, consumerType);
    return wasRemoved ? null : (stored?.consumerTypeId ?? null);
  };
  const updates = consumers.flatMap((consumer): ConsumerUpdate[] => {
    const { stored, generation } = consumer;
    if (!stored) return [];
    // A consumer that is about to be deleted is guarded by its generation too.
    if (generation === undefined) return [{ consumer: stored, steps: 1 }];
    stored.change({
      project: idOf(projects, consumer.projectId),
      user: idOf(users, consumer.userId),
      consumerTypeId: typeIdOf(consumer),
    });
    return [{ consumer: stored, steps: generation - stored.generation }];
  });
  updateConsumers(tx, updates);
  createConsumers(
    tx,
    consumers
      .filter(({ stored, generation }) => !stored && generation !== undefined)
      .map((consumer) => ({
        uuid: consumer.uuid,
        generation: consumer.generation ?? 0,
        projectId: idOf(projects, consumer.projectId).id,
        userId: idOf(users, consumer.userId).id,
        consumerTypeId: typeIdOf(consumer),
      })),
  );
}

async function writeProviders(
  tx: WriteTransaction,
  providers: readonly PlannedProvider[],
): Promise<void> {
  const changed = providers.filter(({ steps }) => steps > 0);
  incrementProviderGenerations(
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

function writeAllocations(tx: WriteTransaction, consumers: readonly PlannedConsumer[]): void {
  deleteAllocationsOfConsumers(
    tx,
    consumers.filter((consumer) => consumer.hasStoredAllocations).map(({ uuid }) => uuid),
  );
  insertAllocations(
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

function idOf<Id>(ids: ReadonlyMap<string, Id>, name: string | undefined): Id {
  const id = name === undefined ? undefined : ids.get(name);
  if (id === undefined) throw new Error(`${name} is not there right after it was made`);
  return id;
}

/** Each name once; without those that have none. */
function distinct<Item>(
  items: readonly Item[],
  nameOf: (item: Item) => string | undefined,
): string[] {
  return [...new Set(items.flatMap((item) => nameOf(item) ?? []))];
}

function joined<Id>(
  known: ReadonlyMap<string, Id>,
  added: ReadonlyMap<string, Id>,
): ReadonlyMap<string, Id> {
  return added.size === 0 ? known : new Map([...known, ...added]);
}
