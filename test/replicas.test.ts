import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { SERVER_ENGINES } from "./db/server-engines.ts";
import { CommitProxy } from "./support/commit-proxy.ts";
import type { TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const PROVIDER = providerUuid(1);

describe.for(SERVER_ENGINES)("two replicas on one $name", (engine) => {
  let database: TestDatabase;
  let first: LocalStowage;
  let second: LocalStowage;

  beforeEach(async () => {
    database = await engine.createDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    first = await startHere(overrides);
    second = await startHere(overrides);
  });

  afterEach(async () => {
    await Promise.all([first.stop(), second.stop()]);
    await database.remove();
  });

  const replicas = () => [first, second] as const;
  const claim = (replica: LocalStowage, number: number) =>
    replica.client.put(
      `/allocations/${consumerUuid(number)}`,
      claimBody({ [PROVIDER]: { VCPU: 1 } }),
    );

  test("show on each what was written through the other, at once", async () => {
    await makeProvider(first.client, PROVIDER, { VCPU: 100 });
    for (let number = 1; number <= 10; number += 1) {
      const [writer, reader] = number % 2 ? replicas() : replicas().toReversed();
      if (!writer || !reader) throw new Error("there are two replicas");
      expect((await claim(writer, number)).status).toBe(204);
      expect(await usedAccordingTo(reader)).toBe(number);
    }
  });

  test("give out exactly the units that are there, however many clients want them", async () => {
    await makeProvider(first.client, PROVIDER, { VCPU: 20 });
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, number) => claim(replicas()[number % 2 ? 0 : 1], number)),
    );

    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 204)).toHaveLength(20);
    expect(statuses.filter((status) => status === 409)).toHaveLength(40);
    const usages = await second.client.get(`/resource_providers/${PROVIDER}/usages`);
    expect(usages.json()).toMatchObject({ usages: { VCPU: 20 } });
  });

  test("show a change that stood still between its writing and its commit while many others passed", async () => {
    await makeProvider(first.client, PROVIDER, { VCPU: 100 });
    const { hostname, port } = new URL(database.connection);
    const proxy = await CommitProxy.start(hostname, Number(port));
    const stranded = await startHere({
      placementDatabase: { connection: proxy.route(database.connection) },
    });
    const clock = vi.spyOn(performance, "now");
    try {
      const held = proxy.meetCommit("hold");
      const claiming = claim(stranded, 1);
      await held;
      await recordManyChanges(second);
      for (let seconds = 0; seconds < 60; seconds += 1) {
        clock.mockReturnValue(performance.now() + 1000);
        expect(await usedAccordingTo(first)).toBe(0);
      }
      proxy.release();
      expect((await claiming).status).toBe(204);
      expect(await usedAccordingTo(first)).toBe(1);
      expect(await usedAccordingTo(second)).toBe(1);
    } finally {
      clock.mockRestore();
      proxy.release();
      await stranded.stop();
      await proxy.stop();
    }
  });
});

async function usedAccordingTo({ client }: LocalStowage): Promise<number | undefined> {
  const answer = await client.get("/allocation_candidates?resources=VCPU:1");
  const { provider_summaries: summaries } = answer.json<{
    provider_summaries: Record<string, { resources: { VCPU: { used: number } } }>;
  }>();
  return summaries[PROVIDER]?.resources.VCPU.used;
}

/** So many that what came before them is settled when it can be. */
async function recordManyChanges({ service }: LocalStowage): Promise<void> {
  const context = { requestId: "req-1", userId: undefined, projectId: undefined };
  await service.write(context, async (tx) => {
    for (let number = 0; number < 500; number += 1) {
      tx.recordChange({ kind: "consumer", subject: consumerUuid(number) });
    }
  });
}
