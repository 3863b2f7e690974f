import { setTimeout as wait } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { DatabaseProxy } from "../support/database-proxy.ts";
import type { Reply } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startProcess, writeConfig, type StowageProcess } from "../support/stowage.ts";
import { serve, until, type Served } from "../serving/support.ts";
import { compareAnswers } from "./answers.ts";
import { readTables, type Tables } from "./audit.ts";
import { Journal } from "./journal.ts";
import { Load, WatchingClient } from "./load.ts";
import { PRIVATE_ENGINES, type PrivateServer, type Session } from "./private-servers.ts";
import { Random } from "./random.ts";

/** Only the main ones, unless there is time. */
const isShort = process.env["STOWAGE_FAULT_ROUNDS"] === undefined;
const SEED = Number(process.env["STOWAGE_FAULT_SEED"] ?? Date.now() % 2 ** 31);

/** `[stowage] database_timeout` of these tests: what every request is bound by. */
const TIMEOUT_S = 3;
/** What a busy machine may add to any time. */
const SLACK_MS = 3000;
/** How long the clients write before a fault, and after it. */
const QUIET_MS = 1000;

const PROVIDERS = [1, 2, 3, 4].map(providerUuid);
const TOTALS = { VCPU: 60, MEMORY_MB: 60 * 256 };

describe.each(PRIVATE_ENGINES)("on $name", (engine) => {
  let server: PrivateServer;
  let place: Place;

  beforeAll(async () => {
    server = await engine.start();
  });

  afterAll(async () => {
    await server?.remove();
  });

  beforeEach(async () => {
    place = await Place.make(server);
  });

  afterEach(async () => {
    await place.remove();
  });

  const expectSurvival: Place["survive"] = (fault, options) => place.survive(fault, options);

  test("a server that is killed, and comes back", async () => {
    await expectSurvival(async () => {
      await server.kill();
      await wait(2000);
      await server.start();
    });
  });

  test.skipIf(isShort)("a server that is killed and back at once", async () => {
    await expectSurvival(
      async () => {
        await server.kill();
        await server.start();
      },
      { isNoticed: false },
    );
  });

  test("a server that hangs, and goes on", async () => {
    await expectSurvival(async () => {
      server.pause();
      await wait(2.5 * TIMEOUT_S * 1000);
      server.resume();
    });
  });

  test("a network that loses everything without a word", async () => {
    await expectSurvival(async ({ proxy }) => {
      proxy.fallSilent();
      await wait(2.5 * TIMEOUT_S * 1000);
      proxy.speakAgain();
    });
  });

  test.skipIf(isShort)("a network that breaks for less than the limit", async () => {
    await expectSurvival(
      async ({ proxy }) => {
        proxy.fallSilent();
        await wait(500);
        proxy.speakAgain();
      },
      { isNoticed: false },
    );
  });

  test.skipIf(isShort)("a slow network", async () => {
    const { answers } = await expectSurvival(
      async ({ proxy }) => {
        proxy.delayMs = 20;
        await wait(3000);
        proxy.delayMs = 0;
      },
      { isNoticed: false },
    );
    expect(answers.get(503)).toBeUndefined();
  });

  test.each(["before", "after"] as const)(
    "connections that break in the middle of commits, %s the server has done it",
    async (moment) => {
      await expectSurvival(
        async ({ proxy }) => {
          for (let count = 0; count < 20; count += 1) {
            proxy.cutAtCommit(moment);
            await wait(100);
          }
        },
        { isNoticed: false },
      );
    },
  );

  test.skipIf(isShort)("a server that takes no more connections", async () => {
    await expectSurvival(async ({ proxy }) => {
      // All that the service has are lost at the same time.
      proxy.fallSilent();
      const others = await takeConnections(server);
      proxy.speakAgain();
      await wait(2 * TIMEOUT_S * 1000);
      await Promise.all(others.map((session) => session.close()));
    });
  });

  test("a server that is read only for a while", async () => {
    const { log } = await expectSurvival(async ({ client }) => {
      await server.setReadOnly(true);
      await wait(1000);
      expect((await client.get("/allocation_candidates?resources=VCPU:1")).status).toBe(200);
      expect((await client.get(`/resource_providers/${PROVIDERS[0]}/usages`)).status).toBe(200);
      expect((await claimOne(client, 900_001)).status).toBe(503);
      await wait(1000);
      await server.setReadOnly(false);
    });
    expect(log.filter((line) => AWAY.test(line))).toEqual([
      expect.stringContaining("The database takes no writes: "),
    ]);
  });

  test("a row that someone else has locked", async () => {
    await expectSurvival(async ({ owner, client }) => {
      await owner.query("begin");
      await owner.query(
        `update resource_providers set name = 'locked' where uuid = '${PROVIDERS[0]}'`,
      );
      await wait(2 * TIMEOUT_S * 1000);
      expect((await client.get("/allocation_candidates?resources=VCPU:1")).status).toBe(200);
      await owner.query("rollback");
    });
  });

  test.skipIf(isShort)("a table that someone else has locked", async () => {
    await expectSurvival(async ({ owner }) => {
      await owner.query(
        engine.name === "PostgreSQL"
          ? "begin; lock table allocations in access exclusive mode"
          : "lock tables allocations write",
      );
      await wait(2 * TIMEOUT_S * 1000);
      await owner.query(engine.name === "PostgreSQL" ? "rollback" : "unlock tables");
    });
  });

  test("a start waits for a server that is away, and says so once", async () => {
    await place.stowage.stop();
    await server.kill();
    const start = await place.startAgain({ max_retries: 100, retry_interval: 1 });
    await until(() => start.errors.length > 0);
    await wait(2500);
    await server.start();
    const client = new WatchingClient(await start.url());
    expect((await client.get("/allocation_candidates?resources=VCPU:1")).status).toBe(200);
    client.close();
    expect(start.errors.filter((line) => !line.includes("requestlog"))).toEqual([
      expect.stringMatching(/ ERROR stowage .* The database is away: .*; the start waits for it$/),
    ]);
    start.process.kill("SIGTERM");
    expect(await start.ended).toEqual([0, null]);
  });

  test.skipIf(isShort)("a start gives up in time, and may be stopped", async () => {
    await place.stowage.stop();
    server.pause();
    try {
      const hopeless = await place.startAgain({ max_retries: 0 });
      expect(await hopeless.ended).toEqual([1, null]);
      expect(hopeless.errors).toEqual([expect.stringMatching(/^stowage: cannot connect to /)]);
      const waiting = await place.startAgain({ max_retries: -1 });
      await until(() => waiting.errors.length > 0);
      waiting.process.kill("SIGTERM");
      expect(await waiting.ended).toEqual([0, null]);
    } finally {
      server.resume();
    }
  });

  test("a start on a server that is read only serves what can be read", async () => {
    await place.stowage.stop();
    await server.setReadOnly(true);
    try {
      const start = await place.startAgain({});
      const client = new WatchingClient(await start.url());
      expect((await client.get("/allocation_candidates?resources=VCPU:1")).status).toBe(200);
      expect((await claimOne(client, 900_002)).status).toBe(503);
      await server.setReadOnly(false);
      await until(async () => (await claimOne(client, 900_003)).status === 204);
      client.close();
      start.process.kill("SIGTERM");
      expect(await start.ended).toEqual([0, null]);
    } finally {
      await server.setReadOnly(false);
    }
  });

  test("a stop while the server hangs ends in time", async () => {
    const load = place.startLoad();
    await wait(QUIET_MS);
    server.pause();
    try {
      await wait(500);
      const startedAtMs = performance.now();
      const stopping = place.stowage.stop();
      await Promise.all([load.stop().catch(() => undefined), stopping]);
      expect(await stopping).toBe(0);
      expect(performance.now() - startedAtMs).toBeLessThan(2 * TIMEOUT_S * 1000 + SLACK_MS);
    } finally {
      server.resume();
    }
  });
});

/** All that are left. */
async function takeConnections(server: PrivateServer): Promise<Session[]> {
  const sessions: Session[] = [];
  for (;;) {
    const session = await server.openUserSession().catch(() => undefined);
    if (!session) return sessions;
    sessions.push(session);
  }
}

function claimOne(client: WatchingClient, number: number) {
  const body = claimBody({ [providerUuid(9)]: { VCPU: 1 } });
  return client.put(`/allocations/${consumerUuid(number)}`, body);
}

async function configure(
  folder: string,
  placementDatabase: Readonly<Record<string, string | number | boolean>>,
): Promise<void> {
  await writeConfig(folder, {
    api: { auth_strategy: "noauth2" },
    placement_database: placementDatabase,
    stowage: { port: 0, database_timeout: TIMEOUT_S, shutdown_timeout: TIMEOUT_S },
  });
}

const AWAY = / ERROR stowage \[-\] The database (is away|takes no writes|is blocked): .+ 503$/;
const BACK = / INFO stowage \[-\] The database is back after [\d.]+ s$/;
const EXPECTED_OTHERWISE = new RegExp(`${AWAY.source}|${BACK.source}| stowage.requestlog `);

/** A service on a database of its own, and what a test does to both. */
class Place {
  readonly #server: PrivateServer;
  readonly #database: string;
  readonly #folder: { readonly path: string; remove(): Promise<void> };
  readonly proxy: DatabaseProxy;
  readonly stowage: StowageProcess;
  readonly client: WatchingClient;
  /** A session past the service and the proxy. */
  readonly owner: Session;
  readonly #journal = new Journal();
  readonly #random = new Random(SEED);
  #probes = 910_000;

  private constructor(parts: {
    readonly server: PrivateServer;
    readonly database: string;
    readonly folder: { readonly path: string; remove(): Promise<void> };
    readonly proxy: DatabaseProxy;
    readonly stowage: StowageProcess;
    readonly owner: Session;
  }) {
    this.#server = parts.server;
    this.#database = parts.database;
    this.#folder = parts.folder;
    this.proxy = parts.proxy;
    this.stowage = parts.stowage;
    this.owner = parts.owner;
    this.client = new WatchingClient(parts.stowage.url);
  }

  static async make(server: PrivateServer): Promise<Place> {
    const folder = await makeFolder();
    const database = `faults_${Math.random().toString(36).slice(2)}`;
    await server.createDatabase(database);
    const proxy = await DatabaseProxy.start("127.0.0.1", server.port);
    await configure(folder.path, {
      connection: server.connectionTo(database, proxy.port),
      sync_on_startup: true,
    });
    const stowage = await startProcess(folder.path);
    const owner = await server.openSession(database);
    const place = new Place({ server, database, folder, proxy, stowage, owner });
    for (const provider of PROVIDERS) await makeProvider(place.client, provider, TOTALS);
    await makeProvider(place.client, providerUuid(9), { VCPU: 100_000, MEMORY_MB: 1 });
    return place;
  }

  /** On the same database, by a configuration that differs in how it waits for the server. */
  async startAgain(waiting: Readonly<Record<string, number>>): Promise<Served> {
    const connection = this.#server.connectionTo(this.#database);
    await configure(this.#folder.path, { connection, ...waiting });
    return serve({ folder: this.#folder.path });
  }

  startLoad(): Load {
    return new Load(this.stowage.url, this.#journal, this.#random, PROVIDERS);
  }

  /**
   * Has clients write and read through a fault, and asserts what must hold of every fault.
   *
   * @param fault begins it and ends it
   */
  async survive(
    fault: (place: Place) => Promise<void>,
    { isNoticed = true } = {},
  ): Promise<{ readonly answers: ReadonlyMap<number, number>; readonly log: readonly string[] }> {
    const load = this.startLoad();
    let before: Tables;
    try {
      await wait(QUIET_MS);
      before = await this.#audit();
      await fault(this);
      await this.#untilServing();
      await wait(QUIET_MS);
    } finally {
      await load.stop();
    }
    const { client } = load;
    expect([...client.problems, ...this.client.problems]).toEqual([]);
    expect(client.slowestMs).toBeLessThan(TIMEOUT_S * 1000 + SLACK_MS);
    if (isNoticed) expect(client.statuses.get(503)).toBeGreaterThan(0);
    expect(client.statuses.get(204)).toBeGreaterThan(10);
    await this.#checkTables(before);
    await this.#checkLog(isNoticed);
    return { answers: client.statuses, log: this.stowage.errors };
  }

  /** Reads, searches and writes succeed again, within seconds. */
  async #untilServing(): Promise<void> {
    const startedAtMs = performance.now();
    for (;;) {
      const replies = [
        await this.client.get(`/resource_providers/${PROVIDERS[0]}/usages`),
        await this.client.get("/allocation_candidates?resources=VCPU:1"),
        ...(await this.#writeEverywhere()),
      ];
      if (replies.every(({ status }) => status < 300)) break;
      await wait(50);
    }
    expect(performance.now() - startedAtMs).toBeLessThan(TIMEOUT_S * 1000 + SLACK_MS);
  }

  /** A rename of each provider is a write that nothing but the database can refuse. */
  async #writeEverywhere(): Promise<Reply[]> {
    const replies = [await claimOne(this.client, (this.#probes += 1))];
    for (const provider of PROVIDERS) {
      const body = { name: `${provider} ${this.#probes}` };
      replies.push(await this.client.put(`/resource_providers/${provider}`, body));
    }
    return replies;
  }

  async #audit(): Promise<Tables> {
    const session = await this.#server.openSession(this.#database);
    try {
      const { holdings, ...tables } = await readTables((text) => session.query(text));
      // Those that only asked whether the service serves.
      const claimed = new Map(
        [...holdings].filter(([, held]) => held[providerUuid(9)] === undefined),
      );
      return { ...tables, holdings: claimed };
    } finally {
      await session.close();
    }
  }

  async #checkTables(before: Tables): Promise<void> {
    const { holdings, providerGenerations, problems } = await this.#audit();
    expect(problems).toEqual([]);
    expect(this.#journal.settle(holdings)).toEqual([]);
    expect(this.#journal.compare(holdings)).toEqual([]);
    expect(await compareAnswers(this.client, PROVIDERS, holdings)).toEqual([]);
    for (const [provider, generation] of before.providerGenerations) {
      expect(providerGenerations.get(provider)).toBeGreaterThanOrEqual(generation);
    }
  }

  /** The log says once that the database is away, and once that it is back, and why. */
  async #checkLog(isNoticed: boolean): Promise<void> {
    const deadlineMs = performance.now() + TIMEOUT_S * 1000 + SLACK_MS;
    while (this.#linesAbout(AWAY).length > this.#linesAbout(BACK).length) {
      if (performance.now() > deadlineMs) break;
      await wait(100);
    }
    const [away, back] = [this.#linesAbout(AWAY), this.#linesAbout(BACK)];
    expect(this.#linesAbout(EXPECTED_OTHERWISE, false)).toEqual([]);
    expect(back.length).toBe(away.length);
    if (isNoticed) expect(away).toHaveLength(1);
  }

  /** What the service has logged of what matches, or of what does not. */
  #linesAbout(pattern: RegExp, matches = true): string[] {
    return this.stowage.errors.filter((line) => pattern.test(line) === matches);
  }

  async remove(): Promise<void> {
    if (this.stowage.process.exitCode === null) expect(await this.stowage.stop()).toBe(0);
    this.client.close();
    await this.owner.close().catch(() => undefined);
    await this.proxy.stop();
    await this.#folder.remove();
  }
}
