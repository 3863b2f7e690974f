import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../config/connection-url.ts";
import { ResourceProviderConcurrentUpdateDetected } from "../domain/errors.ts";
import { Database } from "./database.ts";
import { migrate } from "./migrations/migrate.ts";
import {
  incrementProviderGenerations,
  insertProvider,
  listProviders,
  type GenerationIncrement,
} from "./resource-providers.ts";
import type { DatabaseContext } from "./change.ts";

const CONTEXT: DatabaseContext = { requestId: "req-1", userId: "ann", projectId: "lab" };
/** More than one statement guards. */
const PROVIDERS = 250;

let database: Database;

beforeEach(async () => {
  database = await Database.open(parseConnectionUrl("sqlite://"));
  await migrate(database);
  await database.writer(CONTEXT, async (tx) => {
    for (let number = 0; number < PROVIDERS; number += 1) {
      await insertProvider(tx, { uuid: `uuid ${number}`, name: `name ${number}` }, undefined);
    }
  });
});

afterEach(() => database.close());

describe("incrementProviderGenerations", () => {
  test("raises each generation by its own steps", async () => {
    await increment(await everyProvider((number) => (number % 3) + 1));

    const generations = (await providers()).map(({ generation }) => generation);
    expect(generations).toEqual(Array.from({ length: PROVIDERS }, (_, number) => (number % 3) + 1));
  });

  test("leaves all as they are when one of them is not what it was", async () => {
    const increments = await everyProvider(() => 1);
    const [last] = increments.slice(-1);
    await increment(last ? [last] : []);

    await expect(increment(increments)).rejects.toThrow(ResourceProviderConcurrentUpdateDetected);
    const generations = (await providers()).map(({ generation }) => generation);
    expect(generations).toEqual([...Array.from({ length: PROVIDERS - 1 }, () => 0), 1]);
  });

  test("is refused for a provider that is gone", async () => {
    await expect(increment([{ id: 7777, generation: 0, steps: 1 }])).rejects.toThrow(
      ResourceProviderConcurrentUpdateDetected,
    );
  });
});

function increment(increments: readonly GenerationIncrement[]): Promise<void> {
  return database.writer(CONTEXT, (tx) => incrementProviderGenerations(tx, increments));
}

async function everyProvider(
  stepsOf: (number: number) => number,
): Promise<readonly GenerationIncrement[]> {
  return (await providers()).map(({ id, generation }, number) => ({
    id,
    generation,
    steps: stepsOf(number),
  }));
}

function providers() {
  return database.reader(CONTEXT, (tx) => listProviders(tx, {}));
}
