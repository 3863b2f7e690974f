import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { installDatabaseTriggers } from "../src/cli/admin/triggers.ts";
import { defaultConfig } from "../src/config/config.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { atTerminal } from "./support/command-line.ts";
import type { TestDatabase } from "./support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "./support/fleet.ts";
import { openOtherProgram, type OtherProgram } from "./support/other-program.ts";
import { startHere, type LocalStowage } from "./support/stowage.ts";

const HOST = providerUuid(1);
const OTHER_CONSUMER = consumerUuid(99);
const UNKNOWN_WRITER = 'run "stowage db triggers install"';

// The statements are those of Placement, in its order.

describe.for(SERVER_ENGINES)("beside another program that writes to $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;
  let other: OtherProgram;

  beforeEach(async () => {
    database = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: database.connection } });
    other = await openOtherProgram(database.connection);
    await makeProvider(stowage.client, HOST, { VCPU: 10 });
    // Takes note of its own changes in the feed, too.
    expect(await usageShown()).toBe(0);
  });

  afterEach(async () => {
    await other.close();
    await stowage.stop();
    await database.remove();
  });

  const installTriggers = () =>
    atTerminal((to) =>
      installDatabaseTriggers(
        defaultConfig({ placementDatabase: { connection: database.connection } }),
        to,
      ),
    );

  const claim = (consumer: number, amount: number) =>
    stowage.client.put(
      `/allocations/${consumerUuid(consumer)}`,
      claimBody({ [HOST]: { VCPU: amount } }),
    );

  async function usageShown(): Promise<number | undefined> {
    const reply = await stowage.client.get("/allocation_candidates?resources=VCPU:1");
    const { provider_summaries: summaries } = reply.json<{
      provider_summaries: Record<string, { resources: { VCPU: { used: number } } }>;
    }>();
    return summaries[HOST]?.resources.VCPU.used;
  }

  const warnings = () => stowage.log.filter((line) => line.includes(UNKNOWN_WRITER));

  /** The statements of a claim of Placement, without the end of the transaction. */
  async function beginToClaim(amount: number): Promise<void> {
    await other.run("BEGIN");
    await other.run(
      "INSERT INTO allocations (resource_provider_id, resource_class_id, consumer_id, used) " +
        `SELECT id, 0, '${OTHER_CONSUMER}', ${amount} FROM resource_providers WHERE uuid = '${HOST}'`,
    );
    await other.run(
      `UPDATE resource_providers SET generation = generation + 1 WHERE uuid = '${HOST}'`,
    );
  }

  const giveBack = () =>
    other.run(`DELETE FROM allocations WHERE consumer_id = '${OTHER_CONSUMER}'`);

  test("a claim waits for one that is under way, and gets what that leaves", async () => {
    await beginToClaim(7);
    const tooLarge = claim(1, 4);
    await sleep(200);
    await other.run("COMMIT");
    expect((await tooLarge).text).toContain("The requested amount would exceed the capacity.");

    await beginToClaim(1);
    const fits = claim(2, 2);
    await sleep(200);
    await other.run("COMMIT");
    expect((await fits).status).toBe(204);
    expect((await claim(3, 1)).status).toBe(409);
  });

  test("without triggers, the log says once which command helps", async () => {
    expect(warnings()).toEqual([]);
    for (const consumer of [1, 2]) {
      await beginToClaim(1);
      await other.run("COMMIT");
      expect((await claim(consumer, 1)).status).toBe(204);
      expect(await usageShown()).toBe(2 * consumer);
    }
    expect(warnings()).toHaveLength(1);
  });

  test("with triggers, and between replicas, there is nothing to be said", async () => {
    await installTriggers();
    const replica = await startHere({ placementDatabase: { connection: database.connection } });
    await beginToClaim(1);
    const waiting = claim(1, 1);
    await sleep(200);
    await other.run("COMMIT");
    expect((await waiting).status).toBe(204);
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, number) =>
        (number % 2 ? replica : stowage).client.put(
          `/allocations/${consumerUuid(100 + number)}`,
          claimBody({ [HOST]: { VCPU: 1 } }),
        ),
      ),
    );
    expect(replies.filter(({ status }) => status === 204)).toHaveLength(8);
    expect(warnings()).toEqual([]);
    expect(replica.log.filter((line) => line.includes(UNKNOWN_WRITER))).toEqual([]);
    await replica.stop();
  });

  test("without triggers, what is given back is missed, which never lets too much be claimed", async () => {
    await beginToClaim(8);
    await other.run("COMMIT");
    // The guard misses, so the provider is read again.
    expect((await claim(1, 1)).status).toBe(204);
    expect(await usageShown()).toBe(9);

    await giveBack();
    expect(await usageShown()).toBe(9);
    expect((await claim(2, 5)).status).toBe(409);
  });

  test("with triggers, what is given back is free at once", async () => {
    await installTriggers();
    await beginToClaim(8);
    await other.run("COMMIT");
    expect(await usageShown()).toBe(8);

    await giveBack();
    expect(await usageShown()).toBe(0);
    expect((await claim(2, 10)).status).toBe(204);
  });

  test("triggers that are installed while Stowage serves show what was missed before", async () => {
    await beginToClaim(8);
    await other.run("COMMIT");
    expect(await usageShown()).toBe(0);

    await installTriggers();
    expect(await usageShown()).toBe(8);
    expect(warnings()).toEqual([]);
  });

  test("a claim on a provider that is gone is refused, and the provider forgotten", async () => {
    await other.run(`UPDATE resource_providers SET root_provider_id = NULL WHERE uuid = '${HOST}'`);
    await other.run("DELETE FROM inventories");
    await other.run(`DELETE FROM resource_providers WHERE uuid = '${HOST}'`);

    expect((await claim(1, 1)).status).toBe(400);
    expect(await usageShown()).toBeUndefined();
    expect(warnings()).toHaveLength(1);
  });

  test("a provider is not deleted under a claim that is under way", async () => {
    await beginToClaim(1);
    const deleted = stowage.client.delete(`/resource_providers/${HOST}`);
    await sleep(200);
    await other.run("COMMIT");
    expect((await deleted).status).toBe(409);
    expect((await stowage.client.get(`/resource_providers/${HOST}`)).status).toBe(200);
  });

  test("a consumer that is being changed is not overwritten", async () => {
    expect((await claim(1, 1)).status).toBe(204);
    const uuid = consumerUuid(1);
    await other.run("BEGIN");
    await other.run(`DELETE FROM allocations WHERE consumer_id = '${uuid}'`);
    await other.run(`UPDATE consumers SET generation = generation + 1 WHERE uuid = '${uuid}'`);
    const changed = stowage.client.put(
      `/allocations/${uuid}`,
      claimBody({ [HOST]: { VCPU: 2 } }, { generation: 1 }),
    );
    await sleep(200);
    await other.run("COMMIT");
    expect((await changed).text).toContain("consumer generation conflict");
  });

  test("without triggers, a provider that it has made is found, and a stale generation told once", async () => {
    const made = providerUuid(2);
    await other.run(
      `INSERT INTO resource_providers (uuid, name, generation) VALUES ('${made}', 'made', 3)`,
    );
    const shown = await stowage.client.get(`/resource_providers/${made}`);
    expect(shown.json()).toMatchObject({ name: "made", generation: 3 });
    await other.run(`UPDATE resource_providers SET generation = 7 WHERE uuid = '${HOST}'`);
    const generationShown = async () =>
      (await stowage.client.get(`/resource_providers/${HOST}`)).json<{ generation: number }>()
        .generation;
    const setInventories = (generation: number) =>
      stowage.client.put(`/resource_providers/${HOST}/inventories`, {
        resource_provider_generation: generation,
        inventories: { VCPU: { total: 9 } },
      });
    expect((await setInventories(await generationShown())).status).toBe(409);
    expect(await generationShown()).toBe(7);
    expect((await setInventories(7)).status).toBe(200);
  });
});
