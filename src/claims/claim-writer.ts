import {
  deleteAllocationsOfConsumers,
  expectNoAllocations,
  insertAllocations,
} from "../db/allocations.ts";
import { ensureConsumerTypes } from "../db/consumer-types.ts";
import {
  createConsumers,
  deleteConsumersWithoutAllocations,
  ensureExternalIdentities,
  updateConsumers,
  type ConsumerUpdate,
} from "../db/consumers.ts";
import { deleteInventories, insertInventories, updateInventory } from "../db/inventories.ts";
import { lockProviders } from "../db/provider-trees.ts";
import { loadProviderRecords } from "../db/provider-records.ts";
import { incrementProviderGenerations } from "../db/resource-providers.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import type { ProviderRecord } from "../domain/provider-record.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { portionsOf, sorted, type Pace } from "../scheduling/pace.ts";
import type { ClaimPlan } from "./claim-plan.ts";
import type { PlannedConsumer, PlannedProvider } from "./planned.ts";
import { unknownNames, type ConsumerNames } from "./known-names.ts";

/** So many rows of a table are made ready in one piece, and share a statement with a server. */
const PORTION = 200;

/**
 * Writes what claims were planned to do. The order of the tables, and of the keys within each, is the same for
 * all, so that two processes that write the same rows take their locks in the same order.
 *
 * @param arePresumed whether nobody has looked for the consumers, because they are said to be new
 */
export async function writePlan(
  tx: WriteTransaction,
  plan: ClaimPlan,
  known: ConsumerNames,
  { arePresumed, pace }: { readonly arePresumed: boolean; readonly pace: Pace },
): Promise<WrittenPlan> {
  const consumers = await pace.run(sorted(claimedConsumers(plan), byUuid));
  const made = await ensureNames(tx, consumers, known, pace);
  const inPortions = async <Row>(
    rows: readonly Row[],
    write: (portion: readonly Row[]) => void,
  ) => {
    // One portion is no reason to wait.
    if (rows.length <= PORTION) return write(rows);
    for (const portion of portionsOf(rows, PORTION)) {
      write(portion);
      await tx.sendMuch();
      await pace.rest();
    }
  };
  await inPortions(consumers, (portion) => writeConsumers(tx, portion, known, made));
  const providers = await pace.run(sorted(changedProviders(plan), byId));
  // A reshape is of a whole tree, and not in the order in which those lock it who move parts of it.
  if (providers.some(({ isReshaped }) => isReshaped)) await lockProviders(tx, idsOf(providers));
  await inPortions(providers, (portion) => raiseGenerations(tx, portion));
  const reshaped = providers.filter(({ isReshaped }) => isReshaped);
  for (const provider of reshaped) await writeInventories(tx, provider);
  if (arePresumed) {
    await inPortions([...plan.consumers.keys()], (portion) => expectNoAllocations(tx, portion));
  }
  await inPortions(consumers, (portion) => removeAllocations(tx, portion));
  await inPortions(consumers, (portion) => addAllocations(tx, portion));
  await inPortions(consumers, (portion) => removeConsumers(tx, portion));
  // A column may not hold exactly what was planned: MySQL cuts allocation ratios.
  const records = await loadProviderRecords(tx, idsOf(reshaped));
  const writtenAt = Math.floor(tx.now.getTime() / 1000);
  return { made, apply: (index) => updateIndex(index, plan.providers, records, writtenAt) };
}

function claimedConsumers(plan: ClaimPlan): PlannedConsumer[] {
  return [...plan.consumers.values()].filter(({ isClaimed }) => isClaimed);
}

function changedProviders(plan: ClaimPlan): PlannedProvider[] {
  return plan.providers.filter(({ steps }) => steps > 0);
}

function byUuid(left: PlannedConsumer, right: PlannedConsumer): number {
  return left.uuid < right.uuid ? -1 : 1;
}

function byId(left: PlannedProvider, right: PlannedProvider): number {
  return left.record.id - right.record.id;
}

function idsOf(providers: readonly PlannedProvider[]): number[] {
  return providers.map(({ record }) => record.id);
}

/** What is to be done once it is committed. */
interface WrittenPlan {
  /** The names that were made. */
  readonly made: ConsumerNames;
  /** Brings the read model to what was written. */
  readonly apply: (index: ProviderIndex) => void;
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
  pace: Pace,
): Promise<ConsumerNames> {
  const present = consumers.filter(({ generation }) => generation !== undefined);
  const { projects, users, types } = await pace.run(unknownNames(present, known));
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

function raiseGenerations(tx: WriteTransaction, providers: readonly PlannedProvider[]): void {
  incrementProviderGenerations(
    tx,
    providers.map(({ record: { id, generation }, steps }) => ({ id, generation, steps })),
  );
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

function removeAllocations(tx: WriteTransaction, consumers: readonly PlannedConsumer[]): void {
  const holding = consumers.filter(({ hasStoredAllocations }) => hasStoredAllocations);
  deleteAllocationsOfConsumers(
    tx,
    holding.map(({ uuid }) => uuid),
  );
}

function addAllocations(tx: WriteTransaction, consumers: readonly PlannedConsumer[]): void {
  insertAllocations(
    tx,
    consumers.flatMap(({ uuid, allocations }) =>
      allocations.map(({ providerId, resourceClassId, used }) => ({
        resourceProviderId: providerId,
        consumerUuid: uuid,
        resourceClassId,
        used,
      })),
    ),
  );
}

function removeConsumers(tx: WriteTransaction, consumers: readonly PlannedConsumer[]): void {
  const removed = consumers.filter(({ generation }) => generation === undefined);
  deleteConsumersWithoutAllocations(
    tx,
    removed.map(({ uuid }) => uuid),
  );
}

function updateIndex(
  index: ProviderIndex,
  providers: readonly PlannedProvider[],
  reshaped: readonly ProviderRecord[],
  writtenAt: number,
): void {
  for (const { record, steps, used, isReshaped } of providers) {
    if (isReshaped) continue;
    const modifiedAt = steps > 0 ? writtenAt : undefined;
    index.applyUsage(record.id, record.generation + steps, used, modifiedAt);
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
