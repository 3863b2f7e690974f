import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readTables } from "../faults/audit.ts";
import { isSame } from "../faults/journal.ts";
import { Client } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startProcess, writeConfig, type StowageProcess } from "../support/stowage.ts";
import { GaleraCluster, type GaleraNode } from "./cluster.ts";
import { Load } from "./load.ts";
import { isUsable } from "./usable.ts";

/** How often a node fails: once each way in every run, more when there is time. */
const ROUNDS = Number(process.env["STOWAGE_GALERA_ROUNDS"] ?? 2);

/** How long a node is left alone: so long that sessions are opened that know of nothing else. */
const ALONE_MS = 8000;

describe.runIf(isUsable)("three replicas, each on another node of a Galera cluster", () => {
  let cluster: GaleraCluster;
  let folder: Awaited<ReturnType<typeof makeFolder>>;
  let database: string;
  let replicas: readonly StowageProcess[] = [];
  let clients: readonly Client[] = [];

  beforeAll(async () => {
    folder = await makeFolder();
    cluster = await GaleraCluster.start();
    database = await cluster.createDatabase();
    replicas = await Promise.all(cluster.nodes.map(startReplica));
    clients = replicas.map(({ url }) => new Client(url));
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all(replicas.map((replica) => replica.kill()));
    await cluster?.stop();
    await folder.remove();
  });

  test(
    `lose nothing that was acknowledged when nodes fail under load, ${ROUNDS} times`,
    async () => {
      const load = new Load(clients);
      await load.prepare();
      load.start();
      try {
        await sleep(2000);
        for (let round = 0; round < ROUNDS; round += 1) {
          await (round % 2 === 0 ? kill(load, round) : pause(load, round));
        }
        await sleep(1000);
      } finally {
        await load.stop();
      }
      print(`claims and deletions: ${JSON.stringify(load.counts)}`);

      expect(load.problems).toEqual([]);
      await expectTablesToMatch(load);
    },
    60_000 + ROUNDS * 60_000,
  );

  test("answer 503 in bounded time where a node is left alone, and go on when the others are back", async () => {
    const [client] = clients;
    const [, second, third] = cluster.nodes;
    if (!client || !second || !third) throw new Error("there are three nodes");
    await makeProvider(client, providerUuid(1), { VCPU: 100 });
    await Promise.all([second.kill(), third.kill()]);
    const killedAtMs = performance.now();
    const claim = (number: number) =>
      client.put(
        `/allocations/${consumerUuid(number)}`,
        claimBody({ [providerUuid(1)]: { VCPU: 1 } }),
      );
    // Reads are answered until the node has noticed: nobody else can have written since.
    const firstRefusal = await claim(1);
    print(`a node left alone: a claim was answered in ${seconds(killedAtMs)} s`);
    const refused = [firstRefusal];
    for (const untilMs = performance.now() + ALONE_MS; performance.now() < untilMs;) {
      const answers = [
        claim(1),
        client.get("/resource_providers"),
        client.get("/allocation_candidates?resources=VCPU:1"),
        client.get(`/allocations/${consumerUuid(1)}`),
      ];
      refused.push(...(await Promise.all(answers)));
      await sleep(100);
    }
    for (const { status, headers } of refused) {
      expect(status).toBe(503);
      expect(headers["retry-after"]).toMatch(/^\d+$/);
    }

    const startedAtMs = performance.now();
    await Promise.all([second.start(), third.start()]);
    expect((await claim(2)).status).toBe(204);
    await client.expectSuccess("GET", "/resource_providers");
    print(`the others came back: a claim was granted after ${seconds(startedAtMs)} s`);
  });

  async function startReplica(node: GaleraNode): Promise<StowageProcess> {
    const config = await writeConfig(join(folder.path, node.name), {
      DEFAULT: { log_file: join(folder.path, `${node.name}.log`) },
      api: { auth_strategy: "noauth2" },
      placement_database: { connection: node.connection(database), sync_on_startup: true },
    });
    return startProcess(config);
  }

  async function kill(load: Load, round: number): Promise<void> {
    const victim = round % cluster.nodes.length;
    const node = cluster.node(victim);
    const atMs = performance.now();
    await node.kill();
    for (const other of othersThan(victim)) await load.untilAnswered(other, atMs);
    await sleep(1000);
    const restartedAtMs = performance.now();
    await node.start();
    const rejoined = `it rejoined in ${seconds(restartedAtMs)} s by ${await transferTo(node)}`;
    await load.untilAnswered(victim, performance.now());
    await sleep(1000);
    print(`${node.name} was killed: ${silences(load, victim, atMs)}; ${rejoined}`);
  }

  /** For longer than the others wait for it. */
  async function pause(load: Load, round: number): Promise<void> {
    const victim = round % cluster.nodes.length;
    const node = cluster.node(victim);
    const atMs = performance.now();
    node.pause();
    try {
      for (const other of othersThan(victim)) await load.untilAnswered(other, atMs + 1000);
      await sleep(3000);
    } finally {
      node.resume();
    }
    await load.untilAnswered(victim, performance.now());
    await sleep(1000);
    print(`${node.name} stood still: ${silences(load, victim, atMs)}`);
  }

  function silences(load: Load, victim: number, atMs: number): string {
    const others = othersThan(victim).map((other) => load.longestSilenceMs(other, atMs));
    const own = load.longestSilenceMs(victim, atMs);
    return (
      `no claim was answered for ${(Math.max(...others) / 1000).toFixed(1)} s by the other two ` +
      `replicas, for ${(own / 1000).toFixed(1)} s by its own`
    );
  }

  function othersThan(victim: number): number[] {
    return cluster.nodes.map((_, at) => at).filter((at) => at !== victim);
  }

  async function expectTablesToMatch(load: Load): Promise<void> {
    const { problems, holdings: held } = await readTables((text) =>
      cluster.node(0).query(text, database),
    );
    expect(problems).toEqual([]);
    const wrong = [...load.possible]
      .filter(([consumer, possible]) => {
        const found = held.get(consumer) ?? {};
        return !possible.some((holdings) => isSame(holdings, found));
      })
      .map(([consumer]) => consumer);
    expect(wrong, "consumers that do not hold what was acknowledged").toEqual([]);
    const unasked = [...held.keys()].filter((consumer) => !load.possible.has(consumer));
    expect(unasked, "consumers of which nobody knows").toEqual([]);
    const sums = await Promise.all(cluster.nodes.map(checksum));
    expect(new Set(sums).size, "the nodes differ").toBe(1);
  }

  async function checksum(node: GaleraNode): Promise<string> {
    const tables = "allocations, consumers, resource_providers, inventories, stowage_changes";
    return JSON.stringify(await node.query(`checksum table ${tables}`, database));
  }
});

/** How a node got what it had missed: the changes alone (IST) or everything (SST). */
async function transferTo(node: GaleraNode): Promise<string> {
  const log = await node.readLog();
  return log.lastIndexOf("IST received") > log.lastIndexOf("WSREP: SST received") ? "IST" : "SST";
}

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1);
}

function print(line: string): void {
  console.log(line);
}
