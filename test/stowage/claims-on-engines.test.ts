import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { Client } from "../support/client.ts";
import { CommitProxy } from "../support/commit-proxy.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { makeProvider, providerUuid } from "../support/fleet.ts";
import {
  makeFolder,
  startHere,
  startProcess,
  writeConfig,
  type LocalStowage,
} from "../support/stowage.ts";
import { claimsOf, errorOf, keyed } from "./claim-requests.ts";

/** How often the service is killed. */
const ROUNDS = Number(process.env["STOWAGE_FAULT_ROUNDS"] ?? 3);

describe.for([...ENGINES, ...SERVER_ENGINES])("claims in one call on $name", (engine) => {
  let database: TestDatabase;
  let replicas: LocalStowage[];

  beforeAll(async () => {
    database = await engine.createDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    replicas = [await startHere(overrides)];
    // A file has one process.
    if (engine.name !== "SQLite") replicas.push(await startHere(overrides));
  });

  afterAll(async () => {
    for (const replica of replicas) await replica.stop();
    await database.remove();
  });

  async function usedOf(host: number, name: string): Promise<number> {
    const { client } = replicas[0]!;
    const reply = await client.get(`/resource_providers/${providerUuid(host)}/usages`);
    return reply.json<{ usages: Record<string, number> }>().usages[name]!;
  }

  test("50 clients get exactly the 200 units that there are", async () => {
    const { client } = replicas[0]!;
    for (let host = 1; host <= 20; host += 1) {
      await makeProvider(client, providerUuid(host), { VCPU: 10 });
    }
    const statuses = new Map<string, number>();
    const workers = Array.from({ length: 50 }, async (_, worker) => {
      const claim = claimsOf(replicas[worker % replicas.length]!);
      for (let count = 0; count < 6; count += 1) {
        const reply = await claim({ query: "resources=VCPU:1", prefer: "random", attempts: 100 });
        const outcome = reply.status === 201 ? "granted" : errorOf(reply).code;
        statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
      }
    });
    await Promise.all(workers);
    expect(statuses).toEqual(
      new Map([
        ["granted", 200],
        ["stowage.no_candidates", 100],
      ]),
    );
    for (let host = 1; host <= 20; host += 1) await expect(usedOf(host, "VCPU")).resolves.toBe(10);
  });

  test("the same request 20 times at once is one claim, and one answer", async () => {
    await makeProvider(replicas[0]!.client, providerUuid(31), { DISK_GB: 1000 });
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        claimsOf(replicas[at % replicas.length]!)({ query: "resources=DISK_GB:1" }, keyed("one")),
      ),
    );
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(19);
    await expect(usedOf(31, "DISK_GB")).resolves.toBe(1);
  });

  test("is not made again where the service was killed before it answered", async () => {
    const folder = await makeFolder();
    const proxy = await proxyFor(database.connection);
    const connection = proxy?.route(database.connection) ?? database.connection;
    await writeConfig(folder.path, {
      DEFAULT: { log_file: join(folder.path, "stowage.log") },
      api: { auth_strategy: "noauth2" },
      placement_database: { connection },
      stowage: { host: "127.0.0.1" },
    });
    // A file has one process.
    if (!proxy) for (const replica of replicas.splice(0)) await replica.stop();
    let running = await startProcess(folder.path);
    let client = new Client(running.url);
    try {
      await makeProvider(client, providerUuid(41), { MEMORY_MB: 1000 });
      for (let round = 1; round <= ROUNDS; round += 1) {
        const request = () =>
          claimsOf({ client })({ query: "resources=MEMORY_MB:1" }, keyed(`killed ${round}`));
        const committed = proxy?.meetCommit("cut after") ?? Promise.resolve();
        const first = request().catch(() => undefined);
        await Promise.race([committed, first]);
        // A file has nothing in between: it may be killed before, or after, or while it commits.
        if (!proxy) await setTimeout(Math.random() * 8);
        await running.kill();
        await first;
        running = await startProcess(folder.path);
        client.close();
        client = new Client(running.url);
        const path = `/resource_providers/${providerUuid(41)}/usages`;
        const used = async () =>
          (await client.get(path)).json<{ usages: { MEMORY_MB: number } }>().usages.MEMORY_MB;
        // It may have been killed in the midst of another commit, which is then the one that it met.
        const wasCommitted = (await used()) === round;
        const again = await request();
        const onceMore = await request();
        expect([again.status, onceMore.status]).toEqual([wasCommitted ? 200 : 201, 200]);
        expect(onceMore.text).toBe(again.text);
        await expect(used()).resolves.toBe(round);
      }
    } finally {
      client.close();
      await running.kill();
      await proxy?.stop();
      await folder.remove();
    }
  });
});

function proxyFor(connection: string): Promise<CommitProxy> | undefined {
  if (connection.startsWith("sqlite")) return undefined;
  const { hostname, port } = new URL(connection);
  return CommitProxy.start(hostname, Number(port));
}
