import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { deleteOldChanges } from "../src/operations/housekeeping.ts";
import { listChangesAfter } from "../src/db/change-feed.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { CommitProxy } from "./support/commit-proxy.ts";
import type { TestDatabase } from "./support/engines.ts";
import { eachSecond, recordManyChanges } from "./support/change-feed.ts";
import {
  claimBody,
  consumerUuid,
  makeProvider,
  providerUuid,
  usedAccordingTo as usedOf,
} from "./support/fleet.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const DAY_MS = 86_400_000;
const PROVIDER = providerUuid(1);
const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

describe.for(SERVER_ENGINES)("two replicas on one $name", (engine) => {
  let database: TestDatabase;
  let first: LocalStowage;
  let second: LocalStowage;

  beforeEach(async () => {
    database = await engine.borrowDatabase();
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

  test("show as candidates what is free, and nothing that the other has filled", async () => {
    const providers = [PROVIDER, providerUuid(2)];
    for (const provider of providers) await makeProvider(first.client, provider, { VCPU: 1 });
    const candidates = async (replica: LocalStowage) => {
      const answer = await replica.client.get("/allocation_candidates?resources=VCPU:1");
      return Object.keys(answer.json<{ provider_summaries: object }>().provider_summaries).sort();
    };
    for (let time = 0; time < 3; time += 1) {
      for (let count = 0; count < 3; count += 1) {
        for (const replica of replicas()) expect(await candidates(replica)).toEqual(providers);
      }
      expect((await claim(first, 1)).status).toBe(204);
      for (const replica of replicas()) expect(await candidates(replica)).toEqual([providers[1]]);
      await second.client.expectSuccess("DELETE", `/allocations/${consumerUuid(1)}`);
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

  test("go on past a gap that nobody will fill, and show all that comes after", async () => {
    await makeProvider(first.client, PROVIDER, { VCPU: 100 });
    await leaveGap(first);
    await recordManyChanges(second.service);
    await eachSecond(60, async () => {
      await Promise.all(replicas().map(usedAccordingTo));
      return hasSettled(first);
    });
    expect(await hasSettled(first)).toBe(true);
    expect((await claim(first, 1)).status).toBe(204);
    const third = await startHere({ placementDatabase: { connection: database.connection } });
    for (const replica of [...replicas(), third]) expect(await usedAccordingTo(replica)).toBe(1);
    expect((await claim(second, 2)).status).toBe(204);
    for (const replica of [...replicas(), third]) expect(await usedAccordingTo(replica)).toBe(2);
    await third.stop();
  });

  test("read everything anew when they were not asked for long, while others write, and show no old state", async () => {
    await makeProvider(first.client, PROVIDER, { VCPU: 1000 });
    const clock = vi.spyOn(performance, "now");
    try {
      for (let number = 1; number <= 10; number += 1) {
        expect((await claim(first, number)).status).toBe(204);
        await deleteOldChanges(first.service, new Date(Date.now() + 8 * DAY_MS));
        clock.mockReturnValue(performance.now() + 4 * DAY_MS);
        const claiming = [claim(first, 100 + number), claim(second, 200 + number)];
        const shown = await Promise.all(Array.from({ length: 10 }, () => usedAccordingTo(second)));
        await Promise.all(claiming);
        for (const used of shown) {
          expect(used).toBeGreaterThanOrEqual(3 * number - 2);
          expect(used).toBeLessThanOrEqual(3 * number);
        }
        expect(await usedAccordingTo(second)).toBe(3 * number);
      }
    } finally {
      clock.mockRestore();
    }
  });

  test("show a change that stood still between its writing and its commit while many others passed", async () => {
    await makeProvider(first.client, PROVIDER, { VCPU: 100 });
    const { hostname, port } = new URL(database.connection);
    const proxy = await CommitProxy.start(hostname, Number(port));
    const stranded = await startHere({
      placementDatabase: { connection: proxy.route(database.connection) },
    });
    try {
      const held = proxy.meetCommit("hold");
      const claiming = claim(stranded, 1);
      await held;
      await recordManyChanges(second.service);
      await eachSecond(60, async () => {
        expect(await usedAccordingTo(first)).toBe(0);
        return false;
      });
      proxy.release();
      expect((await claiming).status).toBe(204);
      expect(await usedAccordingTo(first)).toBe(1);
      expect(await usedAccordingTo(second)).toBe(1);
    } finally {
      proxy.release();
      await stranded.stop();
      await proxy.stop();
    }
  });
});

function usedAccordingTo({ client }: LocalStowage): Promise<number | undefined> {
  return usedOf(client, PROVIDER);
}

/** Takes an id of the change feed and rolls back. */
async function leaveGap({ service }: LocalStowage): Promise<void> {
  const writing = service.database.writer(CONTEXT, async (tx) => {
    await tx.query
      .insertInto("stowage_changes")
      .values({
        created_at: tx.adapter.encodeDate(tx.now),
        kind: "consumer",
        subject: consumerUuid(1),
        request_id: CONTEXT.requestId,
      })
      .execute();
    throw new Error("undone");
  });
  await expect(writing).rejects.toThrow("undone");
}

/** Whether a replica has said that gaps are closed. */
async function hasSettled({ service }: LocalStowage): Promise<boolean> {
  const entries = await service.database.reader(CONTEXT, (tx) => listChangesAfter(tx, 0));
  return entries.some(({ settled }) => settled !== undefined);
}
