import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { internalContext } from "../src/db/change.ts";
import { getProviderByUuid } from "../src/db/resource-providers.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { SQLITE, type TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const HOST = providerUuid(1);
const CONTEXT = internalContext("test");
/** More than are read in one piece. */
const CONSUMERS = 600;

describe.for([SQLITE, ...SERVER_ENGINES])("what is read of providers on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    database = await engine.createDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    await makeProvider(stowage.client, HOST, { VCPU: 100_000, MEMORY_MB: 100_000 });
  });

  afterEach(async () => {
    await stowage.stop();
    await database.remove();
  });

  const get = (path: string, version = "1.39") =>
    stowage.client.expectSuccess("GET", path, { version });

  /** As the header of an answer about a provider has it. */
  async function storedModification(uuid: string): Promise<string> {
    const { createdAt, updatedAt } = await stowage.service.database.reader(CONTEXT, (tx) =>
      getProviderByUuid(tx, uuid),
    );
    return (updatedAt ?? createdAt)!.toUTCString();
  }

  test("it is not asked of the tables again, at any microversion", async () => {
    await get(`/resource_providers/${HOST}`);
    stowage.statements.length = 0;
    for (const version of ["1.0", "1.14", "1.39"]) {
      await get("/resource_providers", version);
      await get(`/resource_providers?uuid=${HOST}`, version);
      await get(`/resource_providers/${HOST}`, version);
      await get(`/resource_providers/${HOST}/inventories`, version);
      await get(`/resource_providers/${HOST}/inventories/VCPU`, version);
      await get(`/resource_providers/${HOST}/usages`, version);
    }
    await get(`/resource_providers?resources=VCPU:1&in_tree=${HOST}&required=!HW_CPU_X86_AVX`);
    for (const relation of ["traits", "aggregates"])
      await get(`/resource_providers/${HOST}/${relation}`);
    for (const path of ["/traits", "/traits?associated=true", "/resource_classes"]) await get(path);
    const asked = stowage.statements.filter(
      (text) => !/stowage_|^(begin|commit|start|set)/i.test(text),
    );
    expect(asked).toEqual([]);
  });

  test("the time of the last change is that of the table, after a claim as well", async () => {
    const before = await get(`/resource_providers/${HOST}`);
    expect(before.headers["last-modified"]).toBe(await storedModification(HOST));
    await stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, {
      body: claimBody({ [HOST]: { VCPU: 1 } }),
    });
    const stored = await storedModification(HOST);
    for (const path of ["/resource_providers", `/resource_providers/${HOST}`]) {
      expect((await get(path)).headers["last-modified"]).toBe(stored);
    }
    const usages = await get(`/resource_providers/${HOST}/usages`);
    expect(usages.json()).toEqual({
      resource_provider_generation: 2,
      usages: { MEMORY_MB: 0, VCPU: 1 },
    });
  });

  test("aggregates come in the order in which they were first named", async () => {
    const named = [9, 3, 7, 1].map((number) => providerUuid(number));
    for (const [generation, count] of [1, 2, 3, 4].entries()) {
      await stowage.client.expectSuccess("PUT", `/resource_providers/${HOST}/aggregates`, {
        body: {
          aggregates: named.slice(0, count).toReversed(),
          resource_provider_generation: generation + 1,
        },
      });
    }
    const answer = await get(`/resource_providers/${HOST}/aggregates`);
    expect(answer.json()).toEqual({ aggregates: named, resource_provider_generation: 5 });
    expect((await get(`/resource_providers/${HOST}/aggregates`, "1.1")).json()).toEqual({
      aggregates: named,
    });
  });

  test("a trait that its last provider has lost is associated no longer, whoever still sees it", async () => {
    await stowage.client.expectSuccess("PUT", "/traits/CUSTOM_A");
    const setTraits = (traits: readonly string[], generation: number) =>
      stowage.client.expectSuccess("PUT", `/resource_providers/${HOST}/traits`, {
        body: { traits, resource_provider_generation: generation },
      });
    const associated = async () =>
      (await get("/traits?associated=true")).json<{ traits: string[] }>().traits;
    await setTraits(["CUSTOM_A"], 1);
    expect(await associated()).toEqual(["CUSTOM_A"]);
    const view = (await stowage.service.freshIndex(CONTEXT)).openView();
    await setTraits([], 2);
    expect(await associated()).toEqual([]);
    view.close();
  });

  test("allocations and usages are whole, however many consumers there are", async () => {
    const numbers = Array.from({ length: CONSUMERS }, (_, number) => number + 1);
    await stowage.client.expectSuccess("POST", "/allocations", {
      body: Object.fromEntries(
        numbers.map((number) => [
          consumerUuid(number),
          claimBody({ [HOST]: { MEMORY_MB: 2, VCPU: 1 } }),
        ]),
      ),
    });
    const held = { resources: { VCPU: 1, MEMORY_MB: 2 }, consumer_generation: 1 };
    const allocations = await get(`/resource_providers/${HOST}/allocations`);
    expect(allocations.json()).toEqual({
      allocations: Object.fromEntries(numbers.map((number) => [consumerUuid(number), held])),
      resource_provider_generation: 2,
    });
    const used = { VCPU: CONSUMERS, MEMORY_MB: 2 * CONSUMERS };
    expect((await get("/usages?project_id=lab", "1.9")).json()).toEqual({ usages: used });
    for (const [query, type] of [
      ["", "INSTANCE"],
      ["&consumer_type=INSTANCE", "INSTANCE"],
      ["&user_id=ann&consumer_type=all", "all"],
    ] as const) {
      expect((await get(`/usages?project_id=lab${query}`)).json()).toEqual({
        usages: { [type]: { ...used, consumer_count: CONSUMERS } },
      });
    }
    expect((await get("/usages?project_id=lab&user_id=bob")).json()).toEqual({ usages: {} });
    expect((await get(`/resource_providers/${HOST}/usages`)).json()).toMatchObject({
      usages: used,
    });
  });
});
