import { defaultConfig } from "../../src/config/config.ts";
import { internalContext } from "../../src/db/change.ts";
import type { Database } from "../../src/db/database.ts";
import { openDatabase } from "../../src/db/open-database.ts";
import type { WriteTransaction } from "../../src/db/transaction.ts";
import { consumerUuid, providerUuid } from "../../test/support/fleet.ts";

/** The first host has so much of everything, and is in {@link MUCH_PROJECT}'s use. */
export const MUCH = {
  names: 20_000,
  inventories: 4000,
  aggregates: 20_000,
  consumers: 100_000,
  allocations: 6000,
  children: 50_000,
  sharing: 20_000,
};
export const MUCH_PROJECT = "much";
/** Holds something of very many providers. */
export const MUCH_CONSUMER = consumerUuid(0);
export const SHARED_CLASS = "CUSTOM_C1";

const AT_ONCE = 400;
/** Beyond those of standard names. */
const FIRST_ID = 100_000;
/** Beyond those of the fleet. */
const FIRST_CHILD = 1_000_000;

/**
 * Writes into the tables of a fleet what no fleet has: very many traits, classes, aggregates and consumers, and
 * providers whose ids are not in the order of their trees.
 */
export async function addMuch(file: string, hosts: number): Promise<void> {
  const database = await openDatabase(
    defaultConfig({ placementDatabase: { connection: `sqlite:///${file}` } }),
  );
  await addNames(database);
  await addConsumers(database);
  await addChildren(database, hosts);
  await database.close();
}

async function addNames(database: Database): Promise<void> {
  await inPortions(database, MUCH.names, async ({ query }, numbers) => {
    const ids = numbers.map((number) => FIRST_ID + number);
    const named = (prefix: string) => ids.map((id) => ({ id, name: `${prefix}${id - FIRST_ID}` }));
    await query.insertInto("traits").values(named("CUSTOM_T")).execute();
    await query.insertInto("resource_classes").values(named("CUSTOM_C")).execute();
    await query
      .insertInto("resource_provider_traits")
      .values(ids.map((id) => ({ trait_id: id, resource_provider_id: 1 })))
      .execute();
  });
  await inPortions(database, MUCH.aggregates, async ({ query }, numbers) => {
    const ids = numbers.map((number) => FIRST_ID + number);
    await query
      .insertInto("placement_aggregates")
      .values(ids.map((id) => ({ id, uuid: providerUuid(id) })))
      .execute();
    await query
      .insertInto("resource_provider_aggregates")
      .values(ids.map((id) => ({ aggregate_id: id, resource_provider_id: 1 })))
      .execute();
  });
  await inPortions(database, MUCH.inventories, async ({ query }, numbers) => {
    await query
      .insertInto("inventories")
      .values(numbers.map((number) => inventory(1, FIRST_ID + number)))
      .execute();
  });
}

async function addConsumers(database: Database): Promise<void> {
  await database.writer(CONTEXT, async ({ query }) => {
    await query.insertInto("projects").values({ id: 1, external_id: MUCH_PROJECT }).execute();
    await query.insertInto("users").values({ id: 1, external_id: "ann" }).execute();
    await query.insertInto("consumers").values(consumer(0)).execute();
  });
  await inPortions(database, MUCH.consumers, async ({ query }, numbers) => {
    await query.insertInto("consumers").values(numbers.map(consumer)).execute();
    await query
      .insertInto("allocations")
      .values(numbers.map((number) => allocation(1, number, 0)))
      .execute();
  });
  await inPortions(database, MUCH.allocations, async ({ query }, numbers) => {
    const rows = numbers.map((number) => allocation(2 + (number % 1000), 0, number % 3));
    await query.insertInto("allocations").values(rows).execute();
  });
}

/** Below one host after the other; the first of them share what they have. */
async function addChildren(database: Database, hosts: number): Promise<void> {
  await inPortions(database, MUCH.children, async ({ query }, numbers) => {
    const ids = numbers.map((number) => FIRST_CHILD + number);
    await query
      .insertInto("resource_providers")
      .values(
        ids.map((id) => ({
          id,
          uuid: providerUuid(id),
          name: `child-${id}`,
          generation: 0,
          parent_provider_id: 2 + (id % (hosts - 1)),
          root_provider_id: 2 + (id % (hosts - 1)),
        })),
      )
      .execute();
    const sharing = ids.filter((id) => id < FIRST_CHILD + MUCH.sharing);
    if (sharing.length === 0) return;
    const trait = await query
      .selectFrom("traits")
      .select("id")
      .where("name", "=", "MISC_SHARES_VIA_AGGREGATE")
      .executeTakeFirstOrThrow();
    await query
      .insertInto("resource_provider_traits")
      .values(sharing.map((id) => ({ resource_provider_id: id, trait_id: trait.id })))
      .execute();
    await query
      .insertInto("inventories")
      .values(sharing.map((id) => inventory(id, FIRST_ID + 1)))
      .execute();
    await query
      .insertInto("resource_provider_aggregates")
      .values(
        sharing.map((id) => ({
          resource_provider_id: id,
          aggregate_id: FIRST_ID + (id % 100) + 1,
        })),
      )
      .execute();
  });
}

function inventory(providerId: number, classId: number) {
  return {
    resource_provider_id: providerId,
    resource_class_id: classId,
    total: 1000,
    reserved: 0,
    min_unit: 1,
    max_unit: 1000,
    step_size: 1,
    allocation_ratio: 1,
  };
}

function consumer(number: number) {
  return { uuid: consumerUuid(number), project_id: 1, user_id: 1, generation: 1 };
}

function allocation(providerId: number, consumerNumber: number, classId: number) {
  return {
    resource_provider_id: providerId,
    consumer_id: consumerUuid(consumerNumber),
    resource_class_id: classId,
    used: 1,
  };
}

const CONTEXT = internalContext("bench");

/** Numbers from 1 on, some at a time. */
async function inPortions(
  database: Database,
  count: number,
  write: (tx: WriteTransaction, numbers: readonly number[]) => Promise<void>,
): Promise<void> {
  for (let start = 1; start <= count; start += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - start + 1);
    const numbers = Array.from({ length: size }, (_, at) => start + at);
    await database.writer(CONTEXT, (tx) => write(tx, numbers));
  }
}
