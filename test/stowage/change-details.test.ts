import { CompiledQuery } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { adopt, migrate } from "../../src/db/migrations/migrate.ts";
import { createIncompleteConsumers, setRootProviderIds } from "../../src/db/online-migrations.ts";
import type { ChangeDetails } from "../../src/domain/change-details.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { feedOf, FeedNews, INVENTORY } from "../support/told-changes.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };
const GLOBAL_ID = "req-00000000-0000-4000-8000-000000000001";
const ENGINES = [SQLITE, ...SERVER_ENGINES];
const HOST = providerUuid(1);
const OTHER = providerUuid(2);
const CONSUMER = consumerUuid(1);

describe.for(ENGINES)("what the feed tells of a change on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;
  let feed: FeedNews;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: place.connection } });
    feed = await FeedNews.of(stowage.service.database);
  });

  afterEach(async () => {
    await stowage.stop();
    await place.remove();
  });

  const news = () => feed.next();

  const send = (method: string, path: string, body?: unknown, version = "1.39") =>
    stowage.client.expectSuccess(method, path, { body, version });

  async function makeHosts(): Promise<void> {
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    await makeProvider(stowage.client, OTHER, { VCPU: 8, DISK_GB: 8 });
    await news();
  }

  test("of a provider: its name and its place in the tree, before and after", async () => {
    await send("POST", "/resource_providers", { uuid: HOST, name: "a" });
    await send("POST", "/resource_providers", {
      uuid: OTHER,
      name: "b",
      parent_provider_uuid: HOST,
    });
    const third = providerUuid(3);
    await send("POST", "/resource_providers", { uuid: third, name: "c" });
    expect(await news()).toEqual([
      ["provider", HOST, { of: "provider", generation: 0, name: [null, "a"], root: [null, HOST] }],
      [
        "provider",
        OTHER,
        {
          of: "provider",
          generation: 0,
          name: [null, "b"],
          parent: [null, HOST],
          root: [null, HOST],
        },
      ],
      [
        "provider",
        third,
        { of: "provider", generation: 0, name: [null, "c"], root: [null, third] },
      ],
    ]);

    await send("PUT", `/resource_providers/${HOST}`, { name: "d", parent_provider_uuid: third });
    expect(await news()).toEqual([
      ["provider", OTHER, { of: "provider", root: [HOST, third] }],
      [
        "provider",
        HOST,
        {
          of: "provider",
          generation: 0,
          name: ["a", "d"],
          parent: [null, third],
          root: [HOST, third],
        },
      ],
    ]);

    await send("PUT", `/resource_providers/${third}`, { name: "c" });
    expect(await news()).toEqual([["provider", third, { of: "provider", generation: 0 }]]);
  });

  test("of a provider that is deleted: all that it was", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    await send("PUT", `/resource_providers/${HOST}/traits`, {
      resource_provider_generation: 1,
      traits: ["HW_CPU_X86_VMX"],
    });
    await send("PUT", `/resource_providers/${HOST}/aggregates`, {
      resource_provider_generation: 2,
      aggregates: [OTHER],
    });
    await news();
    await send("DELETE", `/resource_providers/${HOST}`);
    expect(await news()).toEqual([
      [
        "provider_deleted",
        HOST,
        {
          of: "provider",
          name: [HOST, null],
          root: [HOST, null],
          inventories: { VCPU: [INVENTORY, null] },
          traits: { added: [], removed: ["HW_CPU_X86_VMX"] },
          aggregates: { added: [], removed: [OTHER] },
        },
      ],
    ]);
  });

  test("of inventories: all numbers of those that changed, before and after", async () => {
    await send("POST", "/resource_providers", { uuid: HOST, name: "a" });
    await news();
    const path = `/resource_providers/${HOST}/inventories`;
    // MySQL keeps seven digits of a ratio, and that is what is told.
    const ratio = stowage.service.database.adapter.roundRatio(1.23456789);
    const odd = {
      total: 100,
      reserved: 3,
      min_unit: 2,
      max_unit: 50,
      step_size: 2,
      allocation_ratio: 1.23456789,
    };
    const told = {
      total: 100,
      reserved: 3,
      minUnit: 2,
      maxUnit: 50,
      stepSize: 2,
      allocationRatio: ratio,
    };
    const less = { ...told, total: 60 };
    const changes: readonly (readonly [() => Promise<unknown>, ChangeDetails])[] = [
      [
        () => send("POST", path, { resource_class: "VCPU", ...odd }),
        { of: "provider", generation: 1, inventories: { VCPU: [null, told] } },
      ],
      [
        () => send("PUT", `${path}/VCPU`, { resource_provider_generation: 1, ...odd, total: 60 }),
        { of: "provider", generation: 2, inventories: { VCPU: [told, less] } },
      ],
      [
        () =>
          send("PUT", path, {
            resource_provider_generation: 2,
            inventories: { VCPU: { ...odd, total: 60 }, DISK_GB: { total: 8 } },
          }),
        { of: "provider", generation: 3, inventories: { DISK_GB: [null, INVENTORY] } },
      ],
      [
        () =>
          send("PUT", path, {
            resource_provider_generation: 3,
            inventories: { DISK_GB: { total: 9 } },
          }),
        {
          of: "provider",
          generation: 4,
          inventories: {
            VCPU: [less, null],
            DISK_GB: [INVENTORY, { ...INVENTORY, total: 9 }],
          },
        },
      ],
      [
        () => send("DELETE", `${path}/DISK_GB`),
        {
          of: "provider",
          generation: 5,
          inventories: { DISK_GB: [{ ...INVENTORY, total: 9 }, null] },
        },
      ],
      [
        () => send("PUT", path, { resource_provider_generation: 5, inventories: {} }),
        { of: "provider", generation: 6 },
      ],
    ];
    for (const [act, details] of changes) {
      await act();
      expect(await news()).toEqual([["provider", HOST, details]]);
    }
  });

  test("of traits and aggregates: which were added, and which removed", async () => {
    await send("POST", "/resource_providers", { uuid: HOST, name: "a" });
    await news();
    const traits = (generation: number, names: readonly string[]) =>
      send("PUT", `/resource_providers/${HOST}/traits`, {
        resource_provider_generation: generation,
        traits: names,
      });
    const [vmx, svm] = ["HW_CPU_X86_VMX", "HW_CPU_X86_SVM"];
    await traits(0, [vmx]);
    await traits(1, [svm]);
    await send("DELETE", `/resource_providers/${HOST}/traits`);
    const aggregates = `/resource_providers/${HOST}/aggregates`;
    await send("PUT", aggregates, { resource_provider_generation: 3, aggregates: [HOST, OTHER] });
    await send("PUT", aggregates, [OTHER], "1.18");
    expect((await news()).map(([, , details]) => details)).toEqual([
      { of: "provider", generation: 1, traits: { added: [vmx], removed: [] } },
      { of: "provider", generation: 2, traits: { added: [svm], removed: [vmx] } },
      { of: "provider", generation: 3, traits: { added: [], removed: [svm] } },
      { of: "provider", generation: 4, aggregates: { added: [HOST, OTHER], removed: [] } },
      { of: "provider", generation: 4, aggregates: { added: [], removed: [HOST] } },
    ]);
  });

  test("of names: which was made, which became which, and which is gone", async () => {
    await send("PUT", "/traits/CUSTOM_A");
    await send("DELETE", "/traits/CUSTOM_A");
    await send("PUT", "/resource_classes/CUSTOM_A");
    await send("PUT", "/resource_classes/CUSTOM_A", { name: "CUSTOM_B" }, "1.6");
    await send("POST", "/resource_classes", { name: "CUSTOM_C" });
    await send("DELETE", "/resource_classes/CUSTOM_C");
    expect(await news()).toEqual([
      ["trait", "CUSTOM_A", { of: "name", name: [null, "CUSTOM_A"] }],
      ["trait_deleted", "CUSTOM_A", { of: "name", name: ["CUSTOM_A", null] }],
      ["resource_class", "CUSTOM_A", { of: "name", name: [null, "CUSTOM_A"] }],
      ["resource_class", "CUSTOM_B", { of: "name", name: ["CUSTOM_A", "CUSTOM_B"] }],
      ["resource_class", "CUSTOM_C", { of: "name", name: [null, "CUSTOM_C"] }],
      ["resource_class_deleted", "CUSTOM_C", { of: "name", name: ["CUSTOM_C", null] }],
    ]);
  });

  test("of what other programs have left behind, when it is mended", async () => {
    await makeHosts();
    await send("PUT", `/allocations/${CONSUMER}`, claimBody({ [HOST]: { VCPU: 2 } }));
    const { database } = stowage.service;
    await database.writer(CONTEXT, async (tx) => {
      await tx.query.deleteFrom("consumers").execute();
      await tx.query
        .updateTable("resource_providers")
        .set({ root_provider_id: null })
        .where("uuid", "=", HOST)
        .execute();
    });
    await news();
    await database.writer(CONTEXT, (tx) => setRootProviderIds(tx, 10));
    await database.writer(CONTEXT, (tx) => createIncompleteConsumers(tx, 10, "nobody", "noone"));
    expect(await news()).toEqual([
      ["provider", HOST, { of: "provider", root: [null, HOST] }],
      [
        "consumer",
        CONSUMER,
        {
          of: "consumer",
          generation: 0,
          projectId: "nobody",
          userId: "noone",
          consumerType: undefined,
        },
      ],
    ]);
  });

  test("with what was asked, and the id of the larger operation", async () => {
    const headers = { "x-openstack-request-id": GLOBAL_ID };
    await makeHosts();
    await stowage.client.expectSuccess("PUT", `/resource_providers/${HOST}/aggregates`, {
      body: { resource_provider_generation: 1, aggregates: [] },
      headers,
    });
    await stowage.client.expectSuccess("PUT", `/allocations/${CONSUMER}`, {
      body: claimBody({ [HOST]: { VCPU: 2 } }),
      headers,
    });
    const told = (await feed.nextRows()).flatMap(({ told: each }) => each ?? []);
    const inventories = "PUT /resource_providers/aggregates";
    expect(told.map(({ globalRequestId, cause }) => [globalRequestId, cause])).toEqual([
      [GLOBAL_ID, inventories],
      [GLOBAL_ID, "PUT /allocations"],
      [GLOBAL_ID, "PUT /allocations"],
    ]);
  });
});

describe.for(ENGINES)("a feed of the release before, on $name", (engine) => {
  let place: TestDatabase;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
  });

  afterEach(() => place.remove());

  test.for([
    ["serve", adopt],
    ["db sync", migrate],
  ] as const)("gets its details when `%s` meets it, and keeps its rows", async ([, upgrade]) => {
    const database = await Database.open(parseConnectionUrl(place.connection));
    await migrate(database);
    await database.writer(CONTEXT, async ({ query }) => {
      await query.executeQuery(
        CompiledQuery.raw("ALTER TABLE stowage_changes DROP COLUMN details"),
      );
    });
    // As the release before writes, also after the upgrade, and as triggers do.
    const write = (kind: string, subject: string) =>
      database.writer(CONTEXT, async ({ query, adapter, now }) => {
        const row = { kind, subject, created_at: adapter.encodeDate(now), request_id: "req-2" };
        await query.insertInto("stowage_changes").values(row).execute();
      });
    await write("consumer", CONSUMER);
    await upgrade(database);
    await write("consumer_deleted", CONSUMER);
    await database.writer(CONTEXT, async (tx) => {
      const details = { of: "name", name: [null, "CUSTOM_A"] } as const;
      tx.recordChange({ kind: "trait", subject: "CUSTOM_A", details });
    });
    const rows = (await feedOf(database)).slice(-3);
    await upgrade(database);
    await database.close();
    expect(rows.map(({ kind, subject, told }) => [kind, subject, told?.details])).toEqual([
      ["consumer", CONSUMER, undefined],
      ["consumer_deleted", CONSUMER, undefined],
      ["trait", "CUSTOM_A", { of: "name", name: [null, "CUSTOM_A"] }],
    ]);
  });
});
