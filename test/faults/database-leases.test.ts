import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ROOT } from "../source-files.ts";
import { claimsOf, CONSUMER } from "../stowage/claim-requests.ts";
import { leaseOf, type ToldLease } from "../stowage/held-leases.ts";
import { Client } from "../support/client.ts";
import { DatabaseProxy } from "../support/database-proxy.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startProcess, writeConfig, type StowageProcess } from "../support/stowage.ts";

// Real leases in real time: the shortest ones, through faults that last longer than they do.

const SHORTEST_S = 10;
/** Longer than a lease, and than what is borne without leases being made longer. */
const FAULT_MS = 15_000;
const PATIENCE = { timeout: 240_000, interval: 100 };
/** What is told is cut to milliseconds. */
const CUT_MS = 2;
const HOUR_MS = 3_600_000;

interface Replica {
  readonly running: StowageProcess;
  readonly client: Client;
  readonly log: string;
}

describe.for([...ENGINES, ...SERVER_ENGINES])("leases through faults on $name", (engine) => {
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let database: TestDatabase;
  let proxy: DatabaseProxy | undefined;
  let replicas: Replica[];
  let consumers = 0;

  beforeAll(async () => {
    folder = await makeFolder();
    database = await engine.borrowDatabase();
    const isFile = database.connection.startsWith("sqlite");
    const url = new URL(database.connection);
    if (!isFile) {
      proxy = await DatabaseProxy.start(url.hostname, Number(url.port));
      url.port = String(proxy.port);
    }
    const connection = isFile ? database.connection : url.href;
    // Of a file there is one, whose clock is stepped while it runs.
    const clocks = isFile
      ? [`+${HOUR_MS}@4000,-${2 * HOUR_MS}@9000`]
      : [`+${HOUR_MS}`, `-${HOUR_MS}`];
    replicas = [];
    for (const clock of clocks) replicas.push(await startReplica(connection, clock));
    await makeProvider(replicas[0]!.client, providerUuid(1), { VCPU: 1000 });
  });

  afterAll(async () => {
    for (const { running, client } of replicas) {
      client.close();
      await running.kill();
    }
    await proxy?.stop();
    await database.remove();
    await folder.remove();
  });

  async function startReplica(connection: string, clock: string): Promise<Replica> {
    const place = join(folder.path, `clock${clock.slice(0, 2)}`);
    const log = join(place, "stowage.log");
    await writeConfig(place, {
      DEFAULT: { log_file: log },
      api: { auth_strategy: "noauth2" },
      placement_database: { connection },
      stowage: { host: "127.0.0.1", database_timeout: 3 },
    });
    const running = await startProcess(place, 0, {
      NODE_OPTIONS: `--import=${join(ROOT, "test/support/stepped-clock.ts")}`,
      STOWAGE_TEST_CLOCK: clock,
    });
    return { running, client: new Client(running.url), log };
  }

  const replicaAt = (at: number) => replicas[at % replicas.length]!;

  async function claimAt(at: number): Promise<{ uuid: string; endMs: number }> {
    const uuid = consumerUuid((consumers += 1));
    const reply = await claimsOf(replicaAt(at))({
      query: "resources=VCPU:1",
      consumer: { ...CONSUMER, uuid },
      lease: { seconds: SHORTEST_S },
    });
    expect(reply.status, reply.text).toBe(201);
    const { claims } = reply.json<{ claims: [{ lease: ToldLease }] }>();
    return { uuid, endMs: Date.parse(claims[0].lease.expires_at) };
  }

  /** Waits until a consumer is gone; by how many milliseconds that was after its time. */
  async function expectToEnd({ uuid, endMs }: { uuid: string; endMs: number }): Promise<number> {
    return vi.waitFor(async () => {
      const { status } = await replicaAt(0).client.get(`/stowage/v1/consumers/${uuid}`);
      const lateMs = Date.now() - endMs;
      expect(status).toBe(404);
      expect(lateMs, "it ended early").toBeGreaterThanOrEqual(-CUT_MS);
      return lateMs;
    }, PATIENCE);
  }

  async function renewAt(at: number, uuid: string): Promise<number> {
    const reply = await leaseOf(replicaAt(at), uuid).renew(SHORTEST_S);
    expect(reply.status, reply.text).toBe(200);
    return Date.parse(reply.json<ToldLease>().expires_at);
  }

  function tell(what: string, late: readonly number[]): void {
    const ms = late.map(Math.round).join(", ");
    console.log(`${engine.name}: ${what}: ended after their time by ms: ${ms}`);
  }

  test("none ends early, nor much later, where the clocks of replicas are an hour off", async () => {
    const leases = [];
    for (let at = 0; at < 6; at += 1) {
      leases.push(await claimAt(at));
      await sleep(300);
    }
    const renewed = await claimAt(0);
    const renewals = async () => {
      let { endMs } = renewed;
      for (let at = 0; at < 8; at += 1) {
        await sleep(2000);
        endMs = await renewAt(at, renewed.uuid);
      }
      return expectToEnd({ uuid: renewed.uuid, endMs });
    };
    tell("stepped clocks", await Promise.all([...leases.map(expectToEnd), renewals()]));
  });

  /** Waits until leases were made longer for an outage, and looks at these. */
  async function expectToOutlast(
    leases: readonly { readonly uuid: string; readonly endMs: number }[],
    outages: number,
  ): Promise<number[]> {
    await vi.waitFor(async () => {
      const logs = await Promise.all(replicas.map(({ log }) => readFile(log, "utf8")));
      const told = logs.join("").split("Nobody has served for").length - 1;
      expect(told).toBeGreaterThan(outages);
    }, PATIENCE);
    return Promise.all(
      leases.map(async ({ uuid, endMs }, at) => {
        const reply = await leaseOf(replicaAt(at), uuid).get();
        expect(reply.status, reply.text).toBe(200);
        const longerMs = Date.parse(reply.json<ToldLease>().expires_at);
        expect(longerMs).toBeGreaterThan(endMs + SHORTEST_S * 1000);
        return expectToEnd({ uuid, endMs: longerMs });
      }),
    );
  }

  async function countOutages(): Promise<number> {
    const logs = await Promise.all(replicas.map(({ log }) => readFile(log, "utf8")));
    return logs.join("").split("Nobody has served for").length - 1;
  }

  test("none ends because all processes are paused for longer than it lasts", async () => {
    const leases = [await claimAt(0), await claimAt(1)];
    const outages = await countOutages();
    for (const { running } of replicas) running.process.kill("SIGSTOP");
    await sleep(FAULT_MS);
    for (const { running } of replicas) running.process.kill("SIGCONT");
    tell("paused processes", await expectToOutlast(leases, outages));
  });

  test("ends in its time where one process is paused and another one serves", async () => {
    if (replicas.length < 2) return;
    const lease = await claimAt(1);
    replicas[1]!.running.process.kill("SIGSTOP");
    try {
      tell("one paused process", [await expectToEnd(lease)]);
    } finally {
      replicas[1]!.running.process.kill("SIGCONT");
    }
  });

  test("none ends because the database is away for longer than it lasts", async () => {
    if (!proxy) return;
    const leases = [await claimAt(0), await claimAt(1)];
    const outages = await countOutages();
    proxy.fallSilent();
    await sleep(FAULT_MS);
    proxy.speakAgain();
    tell("a database that was away", await expectToOutlast(leases, outages));
  });
});
