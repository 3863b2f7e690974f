import { sql } from "kysely";

import { Consumer, type ExternalIdentity } from "../domain/consumer.ts";
import {
  ConcurrentUpdateDetected,
  ConsumerExists,
  ConsumerNotFound,
  ExternalIdentityTaken,
  DuplicateEntry,
} from "../domain/errors.ts";
import { normalizeUuid } from "../domain/uuid.ts";
import { selectFor } from "./built-once.ts";
import { inChunks } from "./chunks.ts";
import { createdNow } from "./created-now.ts";
import { insertMissing } from "./insert-missing.ts";
import { deferForRows, deferInsertion } from "./row-statements.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

export async function getConsumer(tx: ReadTransaction, uuid: string): Promise<Consumer> {
  const consumer = (await findConsumers(tx, [uuid])).get(uuid);
  if (!consumer) throw new ConsumerNotFound(uuid);
  return consumer;
}

/** Those of the given consumers that exist, by UUID. */
export async function findConsumers(
  tx: ReadTransaction,
  uuids: readonly string[],
): Promise<Map<string, Consumer>> {
  const consumers = new Map<string, Consumer>();
  await inChunks(
    uuids,
    async (chunk) => {
      for (const row of await selectConsumers(tx, chunk)) {
        const consumer = consumerOf(row);
        if (consumer) consumers.set(row.uuid, consumer);
      }
      return [];
    },
    CONSUMERS_AT_ONCE,
  );
  return consumers;
}

/** Half of what one statement could ask for: SQLite reads in one piece. */
const CONSUMERS_AT_ONCE = 500;

function selectConsumers(tx: ReadTransaction, uuids: readonly string[]) {
  return selectFor(tx, "consumers", uuids, (chunk) =>
    tx.query
      .selectFrom("consumers as c")
      // Not inner joins: from few projects, MySQL reads all of their consumers to find fifty.
      .leftJoin("projects as p", "p.id", "c.project_id")
      .leftJoin("users as u", "u.id", "c.user_id")
      .leftJoin("consumer_types as ct", "ct.id", "c.consumer_type_id")
      .select([
        "c.id",
        "c.uuid",
        "c.generation",
        "c.consumer_type_id",
        "ct.name as consumer_type",
        "c.project_id",
        "p.external_id as project_external_id",
        "c.user_id",
        "u.external_id as user_external_id",
      ])
      .where("c.uuid", "in", chunk),
  );
}

type ConsumerRow = Awaited<ReturnType<typeof selectConsumers>>[number];

function consumerOf({ id, uuid, generation, ...row }: ConsumerRow): Consumer | undefined {
  const { project_external_id: project, user_external_id: user } = row;
  if (project === null || user === null) return undefined;
  const attributes = {
    project: { id: row.project_id, externalId: project },
    user: { id: row.user_id, externalId: user },
    consumerTypeId: row.consumer_type_id,
  };
  return new Consumer(id, uuid, generation, attributes, row.consumer_type ?? undefined);
}

interface NewConsumer {
  readonly uuid: string;
  readonly generation: number;
  readonly projectId: number;
  readonly userId: number;
  readonly consumerTypeId: number | null;
}

/** @throws ConsumerExists one of them is there already, which shows when this is sent */
export function createConsumers(tx: WriteTransaction, consumers: readonly NewConsumer[]): void {
  const timestamps = createdNow(tx);
  deferInsertion(
    tx,
    "consumers",
    consumers.map((consumer) => ({
      uuid: consumer.uuid,
      generation: consumer.generation,
      project_id: consumer.projectId,
      user_id: consumer.userId,
      consumer_type_id: consumer.consumerTypeId,
      ...timestamps,
    })),
    (error) =>
      error instanceof DuplicateEntry
        ? new ConsumerExists(consumers.map(({ uuid }) => uuid).join(", "))
        : error,
  );
}

/** A consumer to be saved, and by how much its generation is to rise. */
export interface ConsumerUpdate {
  readonly consumer: Consumer;
  readonly steps: number;
}

/**
 * Saves the changed fields of consumers and raises their generations, guarded by the generation that
 * each was loaded with. Their change sets are cleared, and their generations raised, once the
 * transaction has committed.
 *
 * @throws ConcurrentUpdateDetected someone else was first, which shows when this is sent
 */
export function updateConsumers(tx: WriteTransaction, updates: readonly ConsumerUpdate[]): void {
  const needed = updates.filter(
    ({ consumer, steps }) => steps > 0 || consumer.changedFields.size > 0,
  );
  // Those that change alike share a statement.
  const alike = Map.groupBy(needed, ({ consumer, steps }) =>
    JSON.stringify([steps, changedColumns(consumer)]),
  );
  for (const group of alike.values()) updateAlike(tx, group);
  for (const { consumer, steps } of needed) {
    tx.afterCommit(() => {
      consumer.generation += steps;
      consumer.markSaved();
    });
  }
}

/** @throws ConcurrentUpdateDetected someone else was first, which shows when this is sent */
export function incrementConsumerGeneration(tx: WriteTransaction, consumer: Consumer): void {
  updateConsumers(tx, [{ consumer, steps: 1 }]);
}

function updateAlike(tx: WriteTransaction, updates: readonly ConsumerUpdate[]): void {
  const [first] = updates;
  if (!first) return;
  const { steps } = first;
  const columns = changedColumns(first.consumer);
  const now = tx.adapter.encodeDate(tx.now);
  deferForRows(tx, {
    name: `update consumers ${Object.keys(columns).join()}`,
    rows: updates,
    lead: [steps, now, ...Object.values(columns)],
    parametersOf: ({ consumer }) => [consumer.id, consumer.generation],
    build: (rows) =>
      tx.query
        .updateTable("consumers")
        .set((eb) => ({ generation: eb("generation", "+", steps), updated_at: now, ...columns }))
        .where((eb) =>
          eb.or(rows.map(({ consumer: { id, generation } }) => eb.and({ id, generation }))),
        ),
    mustAffect: 1,
    explain: (error) => error ?? new ConcurrentUpdateDetected(),
  });
}

function changedColumns({ changedFields, project, user, consumerTypeId }: Consumer) {
  return {
    ...(changedFields.has("project") && { project_id: project.id }),
    ...(changedFields.has("user") && { user_id: user.id }),
    ...(changedFields.has("consumerTypeId") && { consumer_type_id: consumerTypeId }),
  };
}

/** Removes those of the given consumers that hold no allocation. */
export function deleteConsumersWithoutAllocations(
  tx: WriteTransaction,
  uuids: readonly string[],
): void {
  deferForRows(tx, {
    name: "delete consumers without allocations",
    rows: uuids,
    parametersOf: (uuid) => [uuid],
    build: (chunk) =>
      tx.query
        .deleteFrom("consumers")
        .where("uuid", "in", chunk)
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom("allocations as a")
                .select("a.id")
                .whereRef("a.consumer_id", "=", "consumers.uuid"),
            ),
          ),
        ),
  });
}

/**
 * The rows of projects or users by external id; those that are missing are made.
 *
 * @throws ExternalIdentityTaken the engine takes one of them for another one that is there
 */
export async function ensureExternalIdentities(
  tx: WriteTransaction,
  table: "projects" | "users",
  externalIds: readonly string[],
): Promise<Map<string, ExternalIdentity>> {
  // One that has just been made may be the next one, too.
  const batches = tx.adapter.comparesTextLoosely ? externalIds.map((id) => [id]) : [externalIds];
  const found = new Map<string, ExternalIdentity>();
  for (const batch of batches) {
    const identities = await ensureDistinctIdentities(tx, table, batch);
    for (const [externalId, identity] of identities) found.set(externalId, identity);
  }
  return found;
}

/** @param externalIds no two of them are the same to the engine */
async function ensureDistinctIdentities(
  tx: WriteTransaction,
  table: "projects" | "users",
  externalIds: readonly string[],
): Promise<Map<string, ExternalIdentity>> {
  if (externalIds.length === 0) return new Map();
  const rows = await selectIdentities(tx, table, externalIds);
  const found = exactly(rows, externalIds);
  const missing = externalIds.filter((externalId) => !found.has(externalId));
  if (missing.length === 0) return found;
  const alike = rows.find((row) => !found.has(row.external_id));
  if (alike) throw new ExternalIdentityTaken(table, missing.join(", "), alike.external_id);
  await insertMissing(() =>
    inChunks(missing, (chunk) =>
      tx.query
        .insertInto(table)
        .values(
          chunk.map((externalId) => ({
            external_id: externalId,
            ...createdNow(tx),
          })),
        )
        .execute(),
    ),
  );
  for (const [externalId, identity] of await findExternalIdentities(tx, table, missing)) {
    found.set(externalId, identity);
  }
  return found;
}

/**
 * Those of the given projects or users that are there. One that the engine takes for the same is another
 * one: MySQL finds `Lab` for `lab`, and what one tenant claims would be told as the other's.
 */
export async function findExternalIdentities(
  tx: ReadTransaction,
  table: "projects" | "users",
  externalIds: readonly string[],
): Promise<Map<string, ExternalIdentity>> {
  return exactly(await selectIdentities(tx, table, externalIds), externalIds);
}

interface IdentityRow {
  readonly id: number;
  readonly external_id: string;
}

function exactly(rows: readonly IdentityRow[], externalIds: readonly string[]) {
  const asked = new Set(externalIds);
  return new Map(
    rows
      .filter((row) => asked.has(row.external_id))
      .map((row) => [row.external_id, { id: row.id, externalId: row.external_id }]),
  );
}

/** As the engine compares. */
function selectIdentities(
  tx: ReadTransaction,
  table: "projects" | "users",
  externalIds: readonly string[],
): Promise<IdentityRow[]> {
  return inChunks(externalIds, (chunk) =>
    tx.query
      .selectFrom(table)
      .select(["id", "external_id"])
      .where("external_id", "in", chunk)
      .execute(),
  );
}

/**
 * How the consumers are stored that are not in the canonical spelling of their UUID, by that: Placement stores
 * what it is sent. Reads all consumers, in some 0.3 s for a million of them.
 */
export async function listConsumerSpellings(tx: ReadTransaction): Promise<Map<string, string>> {
  const lower = tx.adapter.comparesTextLoosely
    ? sql<string>`binary lower(c.uuid)`
    : sql<string>`lower(c.uuid)`;
  const rows = await tx.query
    .selectFrom("consumers as c")
    .select("c.uuid")
    .where((eb) =>
      eb.or([
        eb("c.uuid", "not like", "________-____-____-____-____________"),
        eb("c.uuid", "!=", lower),
      ]),
    )
    .execute();
  const spellings = rows.flatMap(({ uuid }): [string, string][] => {
    const canonical = normalizeUuid(uuid);
    return canonical === undefined || canonical === uuid ? [] : [[canonical, uuid]];
  });
  return new Map(spellings);
}
