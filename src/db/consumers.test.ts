import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../config/connection-url.ts";
import type { Consumer } from "../domain/consumer.ts";
import { ConcurrentUpdateDetected, ConsumerExists, ConsumerNotFound } from "../domain/errors.ts";
import { insertAllocations } from "./allocations.ts";
import { ensureConsumerTypes } from "./consumer-types.ts";
import {
  createConsumers,
  deleteConsumersWithoutAllocations,
  ensureExternalIdentities,
  findConsumers,
  getConsumer,
  incrementConsumerGeneration,
  updateConsumers,
} from "./consumers.ts";
import { Database } from "./database.ts";
import { insertMissing } from "./insert-missing.ts";
import { migrate } from "./migrations/migrate.ts";
import { insertProvider } from "./resource-providers.ts";
import type { DatabaseContext } from "./change.ts";
import type { WriteTransaction } from "./transaction.ts";

const CONTEXT: DatabaseContext = { requestId: "req-1", userId: "ann", projectId: "lab" };
const CONSUMER = "c0000000-0000-4000-8000-000000000001";
const OTHER_CONSUMER = "c0000000-0000-4000-8000-000000000002";

let folder: string;
let database: Database;
/** As another process has it: a second way into the same file. */
let elsewhere: Database;
let statements: string[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "stowage-"));
  const file = parseConnectionUrl(`sqlite:///${path.join(folder, "placement.sqlite")}`);
  statements = [];
  database = await Database.open(file, { onStatement: (text) => statements.push(text) });
  await migrate(database);
  elsewhere = await Database.open(file);
});

afterEach(async () => {
  await Promise.all([database.close(), elsewhere.close()]);
  await rm(folder, { recursive: true });
});

describe("createConsumers", () => {
  test("makes consumers that are found by their UUIDs", async () => {
    await create(CONSUMER, OTHER_CONSUMER);

    const found = await database.reader(CONTEXT, (tx) =>
      findConsumers(tx, [CONSUMER, OTHER_CONSUMER, "c0000000-0000-4000-8000-000000000003"]),
    );
    expect([...found.keys()].toSorted()).toEqual([CONSUMER, OTHER_CONSUMER]);
    expect(found.get(CONSUMER)).toMatchObject({
      uuid: CONSUMER,
      generation: 1,
      project: { externalId: "lab" },
      user: { externalId: "ann" },
      consumerTypeId: null,
    });
  });

  test("turns a duplicate key into ConsumerExists, and nothing of the batch stays", async () => {
    await create(CONSUMER);

    await expect(create(OTHER_CONSUMER, CONSUMER)).rejects.toThrow(ConsumerExists);
    await expect(load(OTHER_CONSUMER)).rejects.toThrow(ConsumerNotFound);
  });

  test("lets one of two processes win, and tells the other", async () => {
    const outcomes = await Promise.allSettled([
      create(CONSUMER),
      createIn(elsewhere, CONSUMER),
      create(CONSUMER),
    ]);

    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(ConsumerExists);
    }
    // The losers left the winner's record alone.
    await expect(load(CONSUMER)).resolves.toMatchObject({ uuid: CONSUMER });
  });
});

describe("getConsumer", () => {
  test("says precisely which consumer there is none of", async () => {
    await expect(load(CONSUMER)).rejects.toThrow(ConsumerNotFound);
    await expect(load(CONSUMER)).rejects.toThrow(CONSUMER);
  });
});

describe("updateConsumers", () => {
  test("writes the changed fields and no others", async () => {
    await create(CONSUMER);
    const consumer = await load(CONSUMER);
    statements.length = 0;
    await database.writer(CONTEXT, async (tx) => {
      consumer.change({ user: await user(tx, "bob") });
      updateConsumers(tx, [{ consumer, steps: 0 }]);
    });

    const update = statements.find((text) => text.startsWith('update "consumers"'));
    expect(update).toContain('"user_id"');
    expect(update).not.toContain('"project_id"');
    expect(update).not.toContain('"consumer_type_id"');
    await expect(load(CONSUMER)).resolves.toMatchObject({
      project: { externalId: "lab" },
      user: { externalId: "bob" },
      generation: 1,
    });
  });

  test("writes nothing when nothing was changed", async () => {
    await create(CONSUMER);
    const consumer = await load(CONSUMER);
    statements.length = 0;
    await database.writer(CONTEXT, (tx) => updateConsumers(tx, [{ consumer, steps: 0 }]));

    expect(statements.filter((text) => text.startsWith("update"))).toEqual([]);
  });

  test("keeps the change set until the transaction has committed", async () => {
    await create(CONSUMER);
    const consumer = await load(CONSUMER);
    await database.writer(CONTEXT, async (tx) => {
      consumer.change({ user: await user(tx, "bob") });
      updateConsumers(tx, [{ consumer, steps: 1 }]);
      expect(consumer.changedFields).toEqual(new Set(["user"]));
      expect(consumer.generation).toBe(1);
    });

    expect(consumer.changedFields).toEqual(new Set());
    expect(consumer.generation).toBe(2);
  });

  test("keeps the change set after a rollback, so that saving again saves everything", async () => {
    await create(CONSUMER);
    const consumer = await load(CONSUMER);
    const bob = await database.writer(CONTEXT, (tx) => user(tx, "bob"));
    await expect(
      database.writer(CONTEXT, async (tx) => {
        consumer.change({ user: bob });
        updateConsumers(tx, [{ consumer, steps: 1 }]);
        throw new Error("the power is out");
      }),
    ).rejects.toThrow("the power is out");

    expect(consumer.changedFields).toEqual(new Set(["user"]));
    expect(consumer.generation).toBe(1);
    await expect(load(CONSUMER)).resolves.toMatchObject({ user: { externalId: "ann" } });

    await database.writer(CONTEXT, (tx) => updateConsumers(tx, [{ consumer, steps: 1 }]));
    await expect(load(CONSUMER)).resolves.toMatchObject({
      user: { externalId: "bob" },
      generation: 2,
    });
  });

  test("is refused when another process was first, and changes nothing", async () => {
    await create(CONSUMER);
    const consumer = await load(CONSUMER);
    await elsewhere.writer(CONTEXT, async (tx) =>
      incrementConsumerGeneration(tx, await getConsumer(tx, CONSUMER)),
    );
    await expect(
      database.writer(CONTEXT, async (tx) => {
        consumer.change({ user: await user(tx, "bob") });
        updateConsumers(tx, [{ consumer, steps: 0 }]);
      }),
    ).rejects.toThrow(ConcurrentUpdateDetected);

    expect(consumer.changedFields).toEqual(new Set(["user"]));
    await expect(load(CONSUMER)).resolves.toMatchObject({
      user: { externalId: "ann" },
      generation: 2,
    });
  });
});

describe("incrementConsumerGeneration", () => {
  test("lets one of those who read the same generation win", async () => {
    await create(CONSUMER);
    const readers = await Promise.all([database, elsewhere, database, elsewhere].map(loadFrom));
    const outcomes = await Promise.allSettled(
      readers.map((consumer, position) =>
        (position % 2 === 0 ? database : elsewhere).writer(CONTEXT, (tx) =>
          incrementConsumerGeneration(tx, consumer),
        ),
      ),
    );

    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        expect(outcome.reason).toBeInstanceOf(ConcurrentUpdateDetected);
      }
    }
    await expect(load(CONSUMER)).resolves.toMatchObject({ generation: 2 });
  });
});

describe("deleteConsumersWithoutAllocations", () => {
  test("deletes those of the given consumers that hold nothing, and no others", async () => {
    const bystander = "c0000000-0000-4000-8000-000000000003";
    await create(CONSUMER, OTHER_CONSUMER, bystander);
    await database.writer(CONTEXT, (tx) => allocate(tx, CONSUMER));
    await database.writer(CONTEXT, (tx) =>
      deleteConsumersWithoutAllocations(tx, [CONSUMER, OTHER_CONSUMER]),
    );

    await expect(load(CONSUMER)).resolves.toMatchObject({ uuid: CONSUMER });
    await expect(load(OTHER_CONSUMER)).rejects.toThrow(ConsumerNotFound);
    await expect(load(bystander)).resolves.toMatchObject({ uuid: bystander });
  });
});

describe("projects, users and consumer types", () => {
  const names = ["one", "two", "three", "four"];

  test.each(["projects", "users"] as const)(
    "that two processes need at once are made once: %s",
    async (table) => {
      const found = await Promise.all(
        [database, elsewhere, database, elsewhere].map((place) =>
          place.writer(CONTEXT, (tx) => ensureExternalIdentities(tx, table, names)),
        ),
      );

      for (const identities of found) expect(identities).toEqual(found[0]);
      expect([...(found[0]?.keys() ?? [])].toSorted()).toEqual(names.toSorted());
    },
  );

  test("that two processes need at once are made once: consumer types", async () => {
    const found = await Promise.all(
      [database, elsewhere, database, elsewhere].map((place) =>
        place.writer(CONTEXT, (tx) => ensureConsumerTypes(tx, ["INSTANCE", "MIGRATION"])),
      ),
    );

    for (const types of found) expect(types).toEqual(found[0]);
    expect(found[0]?.size).toBe(2);
  });

  test("may be more than one statement can take", async () => {
    const many = Array.from({ length: 40_000 }, (_, number) => `NAME_${number}`);
    const [projects, types] = await database.writer(CONTEXT, async (tx) => [
      await ensureExternalIdentities(tx, "projects", many),
      await ensureConsumerTypes(tx, many),
    ]);

    expect([projects?.size, types?.size]).toEqual([40_000, 40_000]);
  });

  test("that another process makes between looking and making are found on the next attempt", async () => {
    let attempts = 0;
    const found = await database.writer(CONTEXT, async (tx) => {
      attempts += 1;
      if (attempts > 1) return ensureExternalIdentities(tx, "projects", ["one"]);
      await ensureExternalIdentities(tx, "projects", ["one"]);
      return insertMissing(() =>
        tx.query
          .insertInto("projects")
          .values({ external_id: "one", created_at: null, updated_at: null })
          .execute(),
      );
    });

    expect(attempts).toBe(2);
    expect(found).toEqual(new Map([["one", { id: 1, externalId: "one" }]]));
  });

  test("that are there already are not made again", async () => {
    await database.writer(CONTEXT, (tx) => ensureExternalIdentities(tx, "projects", ["one"]));
    statements.length = 0;
    await database.writer(CONTEXT, (tx) => ensureExternalIdentities(tx, "projects", ["one"]));

    expect(statements.filter((text) => text.startsWith("insert"))).toEqual([]);
  });
});

function create(...uuids: readonly string[]): Promise<void> {
  return createIn(database, ...uuids);
}

function createIn(place: Database, ...uuids: readonly string[]): Promise<void> {
  return place.writer(CONTEXT, async (tx) => {
    const projects = await ensureExternalIdentities(tx, "projects", ["lab"]);
    const { id: userId } = await user(tx, "ann");
    createConsumers(
      tx,
      uuids.map((uuid) => ({
        uuid,
        generation: 1,
        projectId: projects.get("lab")?.id ?? -1,
        userId,
        consumerTypeId: null,
      })),
    );
  });
}

async function user(tx: WriteTransaction, externalId: string) {
  const identity = (await ensureExternalIdentities(tx, "users", [externalId])).get(externalId);
  if (!identity) throw new Error(`${externalId} was not made`);
  return identity;
}

function load(uuid: string): Promise<Consumer> {
  return database.reader(CONTEXT, (tx) => getConsumer(tx, uuid));
}

function loadFrom(place: Database): Promise<Consumer> {
  return place.reader(CONTEXT, (tx) => getConsumer(tx, CONSUMER));
}

async function allocate(tx: WriteTransaction, consumerUuid: string): Promise<void> {
  const uuid = "11111111-1111-4111-8111-111111111111";
  await insertProvider(tx, { uuid, name: "host" }, undefined);
  insertAllocations(tx, [{ resourceProviderId: 1, consumerUuid, resourceClassId: 0, used: 1 }]);
}
