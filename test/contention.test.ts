import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import { ENGINES, type TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const CLIENTS = 200;
const HOST = providerUuid(1);
const OTHER_HOST = providerUuid(2);

describe.each([...ENGINES, ...SERVER_ENGINES])("$name: 200 clients", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    database = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
  });

  afterEach(async () => {
    await stowage.stop();
    await database.remove();
  });

  test("that want the last units of a provider get exactly the units that are there", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 37, MEMORY_MB: 1_000_000 });

    const replies = await allClients((client) =>
      claim(client, { [HOST]: { VCPU: 1, MEMORY_MB: 512 } }),
    );

    const { granted, refused } = byOutcome(replies);
    expect([granted.length, refused.length]).toEqual([37, CLIENTS - 37]);
    for (const { text } of refused) {
      expect(text).toContain(
        `Unable to create allocation for 'VCPU' on resource provider '${HOST}'. ` +
          "The requested amount would exceed the capacity.",
      );
      expect(text).toContain('"code":"placement.undefined_code"');
    }
    await expect(usagesOf(HOST)).resolves.toEqual({ VCPU: 37, MEMORY_MB: 37 * 512 });
    await expectWholeClaims(HOST, { VCPU: 1, MEMORY_MB: 512 }, 37);
  });

  test("that want the same two providers in opposite order neither wait for each other nor share", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 50 });
    await makeProvider(stowage.client, OTHER_HOST, { VCPU: 60 });

    const replies = await allClients((client) =>
      claim(
        client,
        client % 2 === 0
          ? { [HOST]: { VCPU: 1 }, [OTHER_HOST]: { VCPU: 1 } }
          : { [OTHER_HOST]: { VCPU: 1 }, [HOST]: { VCPU: 1 } },
      ),
    );

    const { granted, refused } = byOutcome(replies);
    expect([granted.length, refused.length]).toEqual([50, CLIENTS - 50]);
    for (const { text } of refused) expect(text).toContain(`on resource provider '${HOST}'`);
    await expect(usagesOf(HOST)).resolves.toEqual({ VCPU: 50 });
    await expect(usagesOf(OTHER_HOST)).resolves.toEqual({ VCPU: 50 });
  });

  test("that make the same consumer: one is told that it did, and what it claimed is there", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 1000 });

    const replies = await allClients((client) =>
      stowage.client.put(
        `/allocations/${consumerUuid(1)}`,
        claimBody({ [HOST]: { VCPU: client + 1 } }),
      ),
    );

    const { granted, refused } = byOutcome(replies);
    expect([granted.length, refused.length]).toEqual([1, CLIENTS - 1]);
    for (const { text } of refused) {
      expect(text).toContain("consumer generation conflict");
      expect(text).toContain('"code":"placement.concurrent_update"');
    }
    const winner = replies.findIndex(({ status }) => status === 204);
    await expect(usagesOf(HOST)).resolves.toEqual({ VCPU: winner + 1 });
    await expectWholeClaims(HOST, { VCPU: winner + 1 }, 1);
  });

  test("that take and give back units in turn leave what is there", async () => {
    await makeProvider(stowage.client, HOST, { VCPU: 20 });

    const replies = await allClients(async (client) => {
      const taken = await claim(client, { [HOST]: { VCPU: 1 } });
      if (taken.status !== 204) return taken;
      return stowage.client.delete(`/allocations/${consumerUuid(client)}`);
    });

    expect(byOutcome(replies).granted.length).toBeGreaterThanOrEqual(20);
    await expect(usagesOf(HOST)).resolves.toEqual({ VCPU: 0 });
    await expectWholeClaims(HOST, {}, 0);
  });

  function allClients<Result>(act: (client: number) => Promise<Result>): Promise<Result[]> {
    return Promise.all(Array.from({ length: CLIENTS }, (_, client) => act(client)));
  }

  function claim(client: number, wanted: Parameters<typeof claimBody>[0]) {
    return stowage.client.put(`/allocations/${consumerUuid(client)}`, claimBody(wanted));
  }

  /** Every client was told yes or no, and nothing else. */
  function byOutcome<Reply extends { readonly status: number }>(replies: readonly Reply[]) {
    const byStatus = Map.groupBy(replies, ({ status }) => status);
    expect([...byStatus.keys()].filter((status) => status !== 204 && status !== 409)).toEqual([]);
    return { granted: byStatus.get(204) ?? [], refused: byStatus.get(409) ?? [] };
  }

  async function usagesOf(provider: string): Promise<unknown> {
    const reply = await stowage.client.get(`/resource_providers/${provider}/usages`);
    return reply.json<{ usages: unknown }>().usages;
  }

  /** So many consumers hold what was asked for, none holds a part of it, and each has a record. */
  async function expectWholeClaims(
    provider: string,
    resources: Readonly<Record<string, number>>,
    count: number,
  ): Promise<void> {
    const reply = await stowage.client.get(`/resource_providers/${provider}/allocations`);
    const { allocations } = reply.json<{ allocations: Record<string, { resources: unknown }> }>();
    expect(Object.keys(allocations)).toHaveLength(count);
    for (const held of Object.values(allocations)) expect(held.resources).toEqual(resources);
    const usages = await stowage.client.get("/usages?project_id=lab");
    const { INSTANCE } = usages.json<{ usages: Record<string, { consumer_count: number }> }>()
      .usages;
    expect(INSTANCE?.consumer_count ?? 0).toBe(count);
  }
});
