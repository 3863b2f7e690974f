import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { installTriggers } from "../src/db/migrations/triggers.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import type { TestDatabase } from "./support/engines.ts";
import {
  claimBody,
  consumerUuid,
  makeProvider,
  providerUuid,
  usedAccordingTo,
} from "./support/fleet.ts";
import { openOtherProgram, type OtherProgram } from "./support/other-program.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const HOST = providerUuid(1);
const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

describe.for(SERVER_ENGINES)("what is answered on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;
  let other: OtherProgram;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: place.connection } });
    other = await openOtherProgram(place.connection);
    await makeProvider(stowage.client, HOST, { VCPU: 4 });
  });

  afterEach(async () => {
    await stowage.stop();
    await other.close();
    await place.remove();
  });

  const claim = () =>
    stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, {
      body: claimBody({ [HOST]: { VCPU: 3 } }),
    });
  const used = () => usedAccordingTo(stowage.client, HOST);

  test("is right within a minute after a table was emptied at once, without triggers, too", async () => {
    await claim();
    await stowage.service.checkIndex(CONTEXT);
    expect(await used()).toBe(3);
    expect(stowage.log.filter((line) => line.includes("read anew"))).toEqual([]);
    await other.run("TRUNCATE TABLE allocations");
    await stowage.service.checkIndex(CONTEXT);
    expect(await used()).toBe(0);
    expect(stowage.log.filter((line) => line.includes("read anew"))).toHaveLength(1);
  });

  test.runIf(engine.name === "PostgreSQL")(
    "is right at once after a table was emptied at once, with triggers",
    async () => {
      const { database } = stowage.service;
      const { triggerDialect } = database.adapter;
      if (triggerDialect) await installTriggers(database, triggerDialect);
      await claim();
      expect(await used()).toBe(3);
      await other.run("TRUNCATE TABLE allocations");
      expect(await used()).toBe(0);
    },
  );

  test("has the names that the ids have in the tables within a minute, though nobody told of them", async () => {
    await other.run("INSERT INTO traits (id, name) VALUES (50000, 'CUSTOM_NEW')");
    await other.run("INSERT INTO resource_classes (id, name) VALUES (10008, 'CUSTOM_NEW')");
    const [provider] = await other.run(`SELECT id FROM resource_providers WHERE uuid = '${HOST}'`);
    const id = Number(provider?.["id"]);
    await other.run(
      `INSERT INTO resource_provider_traits (resource_provider_id, trait_id) VALUES (${id}, 50000)`,
    );
    await other.run(
      "INSERT INTO inventories (resource_provider_id, resource_class_id, total, reserved, min_unit, " +
        `max_unit, step_size, allocation_ratio) VALUES (${id}, 10008, 1, 0, 1, 1, 1, 1)`,
    );
    await stowage.service.checkIndex(CONTEXT);
    const path = `/resource_providers/${HOST}`;
    const traits = await stowage.client.get(`${path}/traits`);
    expect(traits.json()).toMatchObject({ traits: ["CUSTOM_NEW"] });
    const inventories = await stowage.client.get(`${path}/inventories`);
    expect(Object.keys(inventories.json<{ inventories: object }>().inventories)).toEqual([
      "VCPU",
      "CUSTOM_NEW",
    ]);
    const usages = await stowage.client.get(`${path}/usages`);
    expect(usages.json()).toMatchObject({ usages: { VCPU: 0, CUSTOM_NEW: 0 } });
  });

  test("is what the column holds of a ratio after a reshape", async () => {
    const inventory = { total: 1_000_000, allocation_ratio: 1.2345678 };
    await stowage.client.expectSuccess("POST", "/reshaper", {
      body: {
        inventories: {
          [HOST]: { inventories: { VCPU: inventory }, resource_provider_generation: 1 },
        },
        allocations: {},
      },
    });
    const second = await startHere({ placementDatabase: { connection: place.connection } });
    const path = "/allocation_candidates?resources=VCPU:1";
    expect((await stowage.client.get(path)).json()).toEqual((await second.client.get(path)).json());
    await second.stop();
  });

  test("refuses a ratio that the column would make 0", async () => {
    const { status } = await stowage.client.put(`/resource_providers/${HOST}/inventories`, {
      resource_provider_generation: 1,
      inventories: { VCPU: { total: 8, allocation_ratio: 1e-46 } },
    });
    expect(status).toBe(engine.name === "MySQL" ? 400 : 200);
  });

  test("finds the same name whatever else is asked for", async () => {
    const uuid = providerUuid(2);
    await stowage.client.expectSuccess("POST", "/resource_providers", {
      body: { uuid, name: "Host2" },
    });
    await stowage.client.expectSuccess("PUT", "/traits/CUSTOM_X");
    await stowage.client.expectSuccess("PUT", `/resource_providers/${uuid}/traits`, {
      body: { resource_provider_generation: 0, traits: ["CUSTOM_X"] },
    });
    const find = async (query: string) =>
      (await stowage.client.get(`/resource_providers?${query}`)).json<{
        resource_providers: object[];
      }>().resource_providers.length;
    expect(await find("name=HOST2")).toBe(engine.name === "MySQL" ? 1 : 0);
    expect(await find("name=HOST2&required=CUSTOM_X")).toBe(await find("name=HOST2"));
    expect(await find("name=Host2&required=CUSTOM_X")).toBe(1);
    const traits = await stowage.client.get("/traits?name=startswith:CUSTOM_");
    expect(traits.json()).toEqual({ traits: ["CUSTOM_X"] });
  });
});
