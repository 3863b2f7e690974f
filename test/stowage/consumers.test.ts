import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ADMIN } from "../http/support.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { runUnchecked } from "../support/unchecked-rows.ts";

const [HOST, OTHER, DEVICE, POOL] = [1, 2, 3, 4].map(providerUuid) as [
  string,
  string,
  string,
  string,
];

interface Consumer {
  readonly uuid: string;
  readonly generation: number;
  readonly project_id: string;
  readonly type: string | null;
  readonly trees: number;
  readonly allocations: Readonly<Record<string, { readonly resources: object }>>;
}

describe.each([...ENGINES, ...SERVER_ENGINES])("consumers on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;

  beforeAll(async () => {
    database = await engine.createDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    const { client } = stowage;
    await makeProvider(client, HOST, { VCPU: 64, MEMORY_MB: 1024 });
    await makeProvider(client, OTHER, { VCPU: 64 });
    await client.expectSuccess("POST", "/resource_providers", {
      body: { uuid: DEVICE, name: "device", parent_provider_uuid: HOST },
    });
    await client.expectSuccess("PUT", `/resource_providers/${DEVICE}/inventories`, {
      body: { resource_provider_generation: 0, inventories: { PGPU: { total: 4 } } },
    });
    await makeProvider(client, POOL, { DISK_GB: 1000 });
    await client.expectSuccess("PUT", `/resource_providers/${POOL}/traits`, {
      body: { resource_provider_generation: 1, traits: ["MISC_SHARES_VIA_AGGREGATE"] },
    });
    await claim(1, { [HOST]: { VCPU: 2 }, [POOL]: { DISK_GB: 5 } });
    await claim(2, { [HOST]: { VCPU: 1 }, [OTHER]: { VCPU: 1 } });
    await claim(3, { [HOST]: { MEMORY_MB: 8 }, [DEVICE]: { PGPU: 1 } }, "other");
    for (let number = 10; number < 30; number += 1) await claim(number, { [OTHER]: { VCPU: 1 } });
    await runUnchecked(database.connection, [
      `UPDATE consumers SET created_at = '2020-01-01 00:00:00', updated_at = NULL, consumer_type_id = NULL WHERE uuid = '${consumerUuid(2)}'`,
    ]);
  });
  afterAll(async () => {
    await stowage.stop();
    await database.remove();
  });

  const claim = (number: number, held: Record<string, Record<string, number>>, project = "lab") =>
    stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(number)}`, {
      body: claimBody(held, { project }),
    });

  const ask = (path: string, headers: Record<string, string> = ADMIN) =>
    fetch(`${stowage.client.url}/stowage/v1/consumers${path}`, { headers });

  async function find(query: string): Promise<string[]> {
    const answer = await ask(`?${query}`);
    expect([query, answer.status]).toEqual([query, 200]);
    return ((await answer.json()) as { consumers: Consumer[] }).consumers.map(({ uuid }) => uuid);
  }

  const uuids = (...numbers: number[]) => numbers.map(consumerUuid);

  test("are found by what they are and hold", async () => {
    expect(await find("project_id=other")).toEqual(uuids(3));
    expect(await find("project_id=nobody")).toEqual([]);
    expect(await find(`uuid=${consumerUuid(3)}`)).toEqual(uuids(3));
    expect(await find(`provider=${HOST}`)).toEqual(uuids(1, 2, 3));
    expect(await find(`provider=${DEVICE}`)).toEqual(uuids(3));
    expect(await find(`tree=${DEVICE}`)).toEqual(uuids(1, 2, 3));
    expect(await find(`tree=${OTHER}&provider=${HOST}`)).toEqual([]);
    expect(await find(`provider=${HOST}&resource_class=VCPU`)).toEqual(uuids(1, 2));
    expect(await find("resource_class=DISK_GB")).toEqual(uuids(1));
    expect(await find("type=unknown")).toEqual(uuids(2));
    expect(await find("type=INSTANCE&user_id=ann&project_id=other")).toEqual(uuids(3));
    expect(await find("created_before=2021-01-01T00:00:00Z")).toEqual(uuids(2));
    // What a shared pool gives to all is no second host.
    expect(await find("held_on_trees=2")).toEqual(uuids(2));
  });

  test("are told with all that they hold", async () => {
    const answer = await ask(`/${consumerUuid(3)}`);
    expect(answer.headers.get("stowage-position")).toMatch(/^1\./);
    expect(await answer.json()).toMatchObject({
      uuid: consumerUuid(3),
      generation: 1,
      project_id: "other",
      user_id: "ann",
      type: "INSTANCE",
      created_at: expect.stringMatching(/Z$/),
      trees: 1,
      allocations: {
        [HOST]: { resources: { MEMORY_MB: 8 }, provider_name: HOST, root_provider_uuid: HOST },
        [DEVICE]: { resources: { PGPU: 1 }, provider_name: "device", root_provider_uuid: HOST },
      },
    });
    expect((await ask(`/${consumerUuid(99)}`)).status).toBe(404);
  });

  test("come page by page, each once, be the pages thinned out or not", async () => {
    for (const more of ["", "&held_on_trees=1"]) {
      const found: string[] = [];
      let next: string | null = "0";
      while (next !== null) {
        const answer = await ask(`?limit=4&after=${next}${more}`);
        const page = (await answer.json()) as { consumers: Consumer[]; next: string | null };
        expect(page.consumers.length).toBeLessThanOrEqual(4);
        found.push(...page.consumers.map(({ uuid }) => uuid));
        next = page.next;
      }
      expect(found.toSorted()).toEqual(
        uuids(1, 2, 3, ...Array.from({ length: 20 }, (_, at) => 10 + at)).toSorted(),
      );
    }
  });

  test("of a project are for its readers, who are told no names of hosts", async () => {
    const reader = { "x-auth-token": "reader:other", "x-roles": "reader" };
    const own = await ask("?project_id=other", reader);
    expect(own.status).toBe(200);
    expect(await own.text()).not.toContain("provider_name");
    expect((await ask(`/${consumerUuid(3)}`, reader)).status).toBe(200);
    for (const path of ["", "?project_id=lab", `/${consumerUuid(1)}`, `/${consumerUuid(99)}`]) {
      expect([path, (await ask(path, reader)).status]).toEqual([path, 403]);
    }
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["after=x", "after"],
    [`provider=${providerUuid(99)}`, "No resource provider"],
    ["tree=x", "x"],
    ["resource_class=CUSTOM_NONE", "CUSTOM_NONE"],
    ["created_before=2026-02-31T00:00:00Z", "no time"],
    ["lease=maybe", "lease"],
  ])("asked for by %s are refused with what is wrong", async (query, problem) => {
    const answer = await ask(`?${query}`);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(problem);
  });
});
