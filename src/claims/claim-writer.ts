import {
  deleteAllocationsOfConsumers,
  expectNoAllocations,
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
import { loadProviderRecords } from "../db/provider-records.ts";
import { lockProviders } from "../db/provider-trees.ts";
import { incrementProviderGenerations } from "../db/resource-providers.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import type { Claim } from "../domain/claim.ts";
import type { Consumer } from "../domain/consumer.ts";
import { PlacementError } from "../domain/errors.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { ClaimPlan, type PlannedConsumer, type PlannedProvider } from "./claim-plan.ts";
import type { ConsumerNames, KnownNames } from "./known-names.ts";

/** What became of a claim: the reason why it was refused, or nothing. */
export type ClaimOutcome = PlacementError | undefined;

/** What the database has of all that claims name, besides providers. */
export interface ClaimedState {
  /** By UUID. */
  readonly consumers: ReadonlyMap<string, Consumer>;
  /** By the UUID of the consumer. */
  readonly allocations: ReadonlyMap<string, readonly StoredAllocation[]>;
  /** Those that are there and were not known to be. */
  readonly names: ConsumerNames;
  /** Whether nobody has looked for the consumers, because they are said to be new. */
  readonly arePresumed: boolean;
}

/**
 * Whether claims are of consumers that are said not to exist, as most are: that need not be looked up,
 * because to make them fails if it is not so. Each has to be made, and named once.
 */
export function areOfNewConsumers(claims: readonly Claim[]): boolean {
  const claimed = claims.flatMap(({ consumers }) => consumers);
  const uuids = new Set(claimed.map(({ consumerUuid }) => consumerUuid));
  return (
    uuids.size === claimed.length &&
    claimed.every(({ generation, allocations }) => generation === null && allocations.length > 0)
  );
}

/**
 * Reads what claims are about. It may have changed by the time they are written: then a guard
 * misses. So it is read before the transaction that writes, which is kept short.
 *
 * @param known names that need not be looked up
 * @param arePresumed whether to take the consumers for new, see `areOfNewConsumers`
 */
export async function loadClaimedState(
  tx: ReadTransaction,
  claims: readonly Claim[],
  known: ConsumerNames,
  arePresumed: boolean,
): Promise<ClaimedState> {
  const claimed = claims.flatMap(({ consumers }) => consumers);
  const uuids = arePresumed ? [] : [...new Set(claimed.map(({ consumerUuid }) => consumerUuid))];
  const present = claimed.filter((consumer) => consumer.allocations.length > 0);
  // Asked at once: where statements can be sent without waiting for each other, they are.
  const [allocations, consumers, projects, users, types] = await Promise.all([
    listStoredAllocations(tx, uuids),
    findConsumers(tx, uuids),
    findExternalIdentities(
      tx,
      "projects",
      unknown(present, known.projects, ({ projectId }) => projectId),
    ),
    findExternalIdentities(
      tx,
      "users",
      unknown(present, known.users, ({ userId }) => userId),
    ),
    findConsumerTypes(
      tx,
      unknown(present, known.types, ({ consumerType }) => consumerType),
    ),
  ]);
  return {
    consumers,
    allocations: Map.groupBy(allocations, ({ consumerUuid }) => consumerUuid),
    names: { projects, users, types },
    arePresumed,
  };
}

/**
 * Writes claims in one transaction: all that can be accepted, each judged on what the ones before
 * it leave. The read model follows when the transaction has committed.
 *
 * @param state read before; it may be out of date
 * @param known learns the names of the state, and those that are made
 * @param follow takes what is to be done to the read model after the commit
 * @throws ConcurrentUpdateDetected, ConsumerExists another process changed a provider or consumer
 *   since it was read; nothing was written, and the batch can be tried again on fresh data
 * @returns the outcomes, in the order of the claims; nothing when one is refused that was judged on what
 *   is presumed: why it has to be refused may show when its consumer is looked up
 */
export async function writeClaims(
  tx: WriteTransaction,
  index: ProviderIndex,
  claims: readonly Claim[],
  state: ClaimedState,
  known: KnownNames,
  follow: (apply: (index: ProviderIndex) => void) => void,
): Promise<ClaimOutcome[] | undefined> {
  const plan = new ClaimPlan(index);
  addConsumers(plan, claims, state);
  const judgements = claims.map((claim) => judge(plan, claim));
  const outcomes = judgements.map(({ refusal }) => refusal);
  if (state.arePresumed && outcomes.some((outcome) => outcome)) return undefined;
  if (outcomes.every((outcome) => outcome)) return outcomes;
  for (const { claim, changed } of judgements) recordChanges(tx, plan, claim, changed);
  const consumers = [...plan.consumers.values()]
    .filter((consumer) => consumer.isClaimed)
    .sort((left, right) => (left.uuid < right.uuid ? -1 : 1));
  known.remember(state.names);
  const made = await ensureNames(tx, consumers, known);
  writeConsumers(tx, consumers, known, made);
  await writeProviders(tx, plan.providers);
  if (state.arePresumed) expectNoAllocations(tx, [...plan.consumers.keys()]);
  writeAllocations(tx, consumers);
  deleteConsumersWithoutAllocations(
    tx,
    consumers.filter(({ generation }) => generation === undefined).map(({ uuid }) => uuid),
  );
  // A column may not hold exactly what was planned: MySQL cuts allocation ratios.
  const reshaped = await loadProviderRecords(
    tx,
    plan.providers.filter(({ isReshaped }) => isReshaped).map(({ record }) => record.id),
  );
  tx.afterCommit(() => known.remember(made));
  follow((current) => updateIndex(current, plan.providers, reshaped));
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

interface Judgement {
  readonly claim: Claim;
  readonly refusal: ClaimOutcome;
  /** The UUIDs of the providers that it changes; none where it is refused. */
  readonly changed: ReadonlySet<string> | undefined;
}

function judge(plan: ClaimPlan, claim: Claim): Judgement {
  try {
    return { claim, refusal: undefined, changed: plan.add(claim) };
  } catch (error) {
    if (error instanceof PlacementError) return { claim, refusal: error, changed: undefined };
    throw error;
  }
}

function recordChanges(
  tx: WriteTransaction,
  plan: ClaimPlan,
  claim: Claim,
  providerUuids: ReadonlySet<string> | undefined,
): void {
  if (!providerUuids) return;
  for (const { record } of plan.providers) {
    if (!providerUuids.has(record.uuid)) continue;
    const change = { kind: "provider", providerId: record.id, subject: record.uuid } as const;
    tx.recordChange(change, claim.context);
  }
  for (const { consumerUuid, allocations } of claim.consumers) {
    const kind = allocations.length > 0 ? "consumer" : "consumer_deleted";
    tx.recordChange({ kind, subject: consumerUuid }, claim.context);
  }
}

/**
 * Makes the projects, users and types that consumers are to have and that are not there yet.
 *
 * @returns those that were not known
 */
async function ensureNames(
  tx: WriteTransaction,
  consumers: readonly PlannedConsumer[],
  known: ConsumerNames,
): Promise<ConsumerNames> {
  const present = consumers.filter(({ generation }) => generation !== undefined);
  const projects = unknown(present, known.projects, ({ projectId }) => projectId);
  const users = unknown(present, known.users, ({ userId }) => userId);
  const types = unknown(present, known.types, ({ consumerType }) => consumerType);
  for (const name of [...projects, ...users, ...types]) tx.touch(name);
  return {
    projects: await ensureExternalIdentities(tx, "projects", projects),
    users: await ensureExternalIdentities(tx, "users", users),
    types: await ensureConsumerTypes(tx, types),
  };
}

/**
 * Consumers come before providers, both in the order of their keys, so that two processes that
 * write the same rows take their locks in the same order.
 */
function writeConsumers(
  tx: WriteTransaction,
  consumers: readonly PlannedConsumer[],
  known: ConsumerNames,
  made: ConsumerNames,
): void {
  const projectOf = ({ projectId }: PlannedConsumer) =>
    idOf(projectId, made.projects, known.projects);
  const userOf = ({ userId }: PlannedConsumer) => idOf(userId, made.users, known.users);
  const typeIdOf = ({ consumerType, stored, wasRemoved }: PlannedConsumer) => {
    if (consumerType !== undefined) return idOf(consumerType, made.types, known.types);
    return wasRemoved ? null : (stored?.consumerTypeId ?? null);
  };
  const updates = consumers.flatMap((consumer): ConsumerUpdate[] => {
    const { stored, generation } = consumer;
    if (!stored) return [];
    // A consumer that is about to be deleted is guarded by its generation too.
    if (generation === undefined) return [{ consumer: stored, steps: 1 }];
    stored.change({
      project: projectOf(consumer),
      user: userOf(consumer),
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
        projectId: projectOf(consumer).id,
        userId: userOf(consumer).id,
        consumerTypeId: typeIdOf(consumer),
      })),
  );
}

async function writeProviders(
  tx: WriteTransaction,
  providers: readonly PlannedProvider[],
): Promise<void> {
  const changed = providers.filter(({ steps }) => steps > 0);
  // A reshape is of a whole tree, and not in the order in which those lock it who move parts of it.
  if (changed.some(({ isReshaped }) => isReshaped)) {
    await lockProviders(
      tx,
      changed.map(({ record }) => record.id),
    );
  }
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

function updateIndex(
  index: ProviderIndex,
  providers: readonly PlannedProvider[],
  reshaped: readonly ProviderRecord[],
): void {
  for (const { record, steps, used, isReshaped } of providers) {
    if (!isReshaped) index.applyUsage(record.id, record.generation + steps, used);
  }
  for (const record of reshaped) index.put(record);
}

function idOf<Id>(name: string | undefined, ...known: readonly ReadonlyMap<string, Id>[]): Id {
  for (const ids of known) {
    const id = name === undefined ? undefined : ids.get(name);
    if (id !== undefined) return id;
  }
  throw new Error(`${name} is not there right after it was made`);
}

/** Each name of which no id is known, once; without those that have none. */
function unknown<Item>(
  items: readonly Item[],
  ids: ReadonlyMap<string, unknown>,
  nameOf: (item: Item) => string | undefined,
): string[] {
  const names = new Set(items.flatMap((item) => nameOf(item) ?? []));
  return [...names].filter((name) => !ids.has(name));
}
