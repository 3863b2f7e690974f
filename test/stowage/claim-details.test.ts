import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { feedOf, FeedNews, INVENTORY, replay, storedHoldings } from "../support/told-changes.ts";

const HOST = providerUuid(1);
const OTHER = providerUuid(2);
const CONSUMER = consumerUuid(1);

describe.for([SQLITE, ...SERVER_ENGINES])("what the feed tells of a claim on $name", (engine) => {
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

  async function generationOf(uuid: string): Promise<number> {
    const reply = await send("GET", `/resource_providers/${uuid}`);
    return reply.json<{ generation: number }>().generation;
  }

  async function makeHosts(): Promise<void> {
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    await makeProvider(stowage.client, OTHER, { VCPU: 8, DISK_GB: 8 });
    await news();
  }

  test("of a consumer: whose it is, what it held and what it holds", async () => {
    await makeHosts();
    const claim = (body: object) => send("PUT", `/allocations/${CONSUMER}`, body);
    const first = { [HOST]: { VCPU: 2 } };
    const second = { [HOST]: { VCPU: 1 }, [OTHER]: { VCPU: 1, DISK_GB: 3 } };
    await claim(claimBody(first));
    const lab = { of: "consumer", projectId: "lab", userId: "ann", consumerType: "INSTANCE" };
    const provider = (uuid: string) => ["provider", uuid, undefined];
    expect(await news()).toEqual([
      provider(HOST),
      ["consumer", CONSUMER, { ...lab, generation: 1, was: {}, now: first }],
      ["consumer_type", "INSTANCE", { of: "name", name: [null, "INSTANCE"] }],
    ]);
    await claim({
      ...claimBody(second, { generation: 1, project: "shop" }),
      consumer_type: "MIGRATION",
    });
    const shop = { ...lab, projectId: "shop", consumerType: "MIGRATION" };
    const formerly = { projectId: "lab", consumerType: "INSTANCE" };
    const [fromHost, fromOther, moved] = await news();
    expect([fromHost, fromOther]).toEqual([provider(HOST), provider(OTHER)]);
    expect(moved).toEqual([
      "consumer",
      CONSUMER,
      { ...shop, generation: 2, formerly, was: first, now: second },
    ]);
    await send("DELETE", `/allocations/${CONSUMER}`);
    expect((await news()).at(-1)).toEqual([
      "consumer_deleted",
      CONSUMER,
      { ...shop, generation: undefined, was: second, now: {} },
    ]);
  });

  test("of a consumer that keeps its type where a claim names none", async () => {
    await makeHosts();
    await send("PUT", `/allocations/${CONSUMER}`, claimBody({ [HOST]: { VCPU: 2 } }));
    await news();
    const { consumer_type: _, ...body } = claimBody({ [HOST]: { VCPU: 1 } }, { generation: 1 });
    await send("PUT", `/allocations/${CONSUMER}`, body, "1.37");
    expect((await news()).at(-1)?.[2]).toMatchObject({ consumerType: "INSTANCE", generation: 2 });
  });

  test("of claims that are written together: each begins where the one before ended", async () => {
    await makeHosts();
    const amounts = [1, 2, 3, 4, 5];
    await Promise.all(
      amounts.map((VCPU) =>
        stowage.client.put(
          `/allocations/${CONSUMER}`,
          { allocations: [{ resource_provider: { uuid: HOST }, resources: { VCPU } }] },
          { version: "1.0" },
        ),
      ),
    );
    const told = (await news()).flatMap(([kind, , details]) =>
      kind === "consumer" && details?.of === "consumer" ? [details] : [],
    );
    expect(told.map(({ generation }) => generation)).toEqual(amounts);
    expect(told.map(({ was }) => was)).toEqual([{}, ...told.slice(0, -1).map(({ now }) => now)]);
  });

  test("of a reshape: inventories and consumers", async () => {
    await makeHosts();
    await send("PUT", `/allocations/${CONSUMER}`, claimBody({ [HOST]: { VCPU: 2 } }));
    await news();
    await send("POST", "/reshaper", {
      inventories: {
        [HOST]: { resource_provider_generation: await generationOf(HOST), inventories: {} },
        [OTHER]: {
          resource_provider_generation: await generationOf(OTHER),
          inventories: { VCPU: { total: 16 }, DISK_GB: { total: 8 } },
        },
      },
      allocations: { [CONSUMER]: claimBody({ [OTHER]: { VCPU: 2 } }, { generation: 1 }) },
    });
    const told = await news();
    const sorted = told.toSorted(([, left], [, right]) => (left < right ? -1 : 1));
    expect(sorted).toEqual([
      [
        "provider",
        HOST,
        {
          of: "provider",
          generation: await generationOf(HOST),
          inventories: { VCPU: [INVENTORY, null] },
        },
      ],
      [
        "provider",
        OTHER,
        {
          of: "provider",
          generation: await generationOf(OTHER),
          inventories: { VCPU: [INVENTORY, { ...INVENTORY, total: 16 }] },
        },
      ],
      [
        "consumer",
        CONSUMER,
        {
          of: "consumer",
          generation: 2,
          projectId: "lab",
          userId: "ann",
          consumerType: "INSTANCE",
          was: { [HOST]: { VCPU: 2 } },
          now: { [OTHER]: { VCPU: 2 } },
        },
      ],
    ]);
  });

  test("adds up, claim by claim, to what the table of allocations has", async () => {
    const hosts = [HOST, OTHER, providerUuid(3)];
    for (const host of hosts) await makeProvider(stowage.client, host, { VCPU: 20, DISK_GB: 20 });
    const amounts = fc.record(
      { VCPU: fc.integer({ min: 1, max: 9 }), DISK_GB: fc.integer({ min: 1, max: 9 }) },
      { requiredKeys: [] },
    );
    const held = fc
      .dictionary(fc.constantFrom(...hosts), amounts, { maxKeys: 3 })
      .map((each) => Object.entries(each).filter(([, resources]) => Object.keys(resources).length));
    const step = fc.record({ consumer: fc.integer({ min: 1, max: 4 }), held });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 5 })), async (rounds) => {
        for (const round of rounds) {
          await Promise.all(
            round.map(({ consumer, held: wanted }) =>
              stowage.client.send(
                wanted.length === 0 ? "DELETE" : "PUT",
                `/allocations/${consumerUuid(consumer)}`,
                {
                  version: "1.8",
                  body: {
                    project_id: "lab",
                    user_id: "ann",
                    allocations: wanted.map(([uuid, resources]) => ({
                      resource_provider: { uuid },
                      resources,
                    })),
                  },
                },
              ),
            ),
          );
        }
        const rows = await feedOf(stowage.service.database);
        expect(replay(rows)).toEqual(await storedHoldings(stowage.service.database));
      }),
      { numRuns: engine === SQLITE ? 40 : 10 },
    );
  });
});
