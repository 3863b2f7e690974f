import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { Client, type Reply } from "../support/client.ts";
import { consumerUuid, claimBody, providerUuid } from "../support/fleet.ts";
import { openOtherProgram } from "../support/other-program.ts";
import { makeFolder, startProcess, writeConfig, type StowageProcess } from "../support/stowage.ts";
import { findTreeProblems, move, PLACES_OF_PROVIDERS, type PlacedRow } from "../support/trees.ts";
import { Random } from "./random.ts";
import { isBrokenConnection } from "./writes.ts";

/** How often all stand still to be looked at; each time, one has been killed and started again. */
const ROUNDS = Number(process.env["STOWAGE_FAULT_ROUNDS"] ?? 2);
/** If given, rounds follow each other for so long instead. */
const MINUTES = Number(process.env["STOWAGE_FAULT_MINUTES"] ?? 0);
const SEED = Number(process.env["STOWAGE_FAULT_SEED"] ?? Date.now() % 2 ** 31);

const REPLICAS = 3;
const CLIENTS_PER_REPLICA = 3;
const REQUESTS_PER_ROUND = 250;
/** Few enough that everybody meets everybody. */
const PROVIDERS = 24;
const ROUND_LIMIT_MS = 60_000;

describe.each(SERVER_ENGINES)("three replicas on one $name", (engine) => {
  test(
    "move, make, delete and reshape at random, are killed, and leave whole trees, which all show alike",
    { timeout: (ROUNDS + 2) * ROUND_LIMIT_MS + MINUTES * 2 * 60_000 },
    async () => {
      const database = await engine.borrowDatabase();
      const folder = await makeFolder();
      const run = new TreeRun(database.connection, folder.path);
      try {
        await expect(run.play()).resolves.toBeUndefined();
      } catch (error) {
        console.error(`STOWAGE_FAULT_SEED=${SEED}; the end of what was done:\n${run.print()}`);
        throw error;
      } finally {
        await run.stop();
        await folder.remove();
        await database.remove();
      }
    },
  );
});

class TreeRun {
  readonly #connection: string;
  readonly #folder: string;
  readonly #random = new Random(SEED);
  readonly #log: string[] = [];
  readonly #outcomes = new Map<string, number>();
  readonly #replicas: StowageProcess[] = [];
  readonly #clients: Client[] = [];
  #requests = 0;

  constructor(connection: string, folder: string) {
    this.#connection = connection;
    this.#folder = folder;
  }

  async play(): Promise<void> {
    const endsAtMs = performance.now() + MINUTES * 60_000;
    await writeConfig(this.#folder, {
      api: { auth_strategy: "noauth2" },
      placement_database: { connection: this.#connection, sync_on_startup: true },
    });
    for (let number = 0; number < REPLICAS; number += 1) await this.#start(number);
    for (let number = 0; number < PROVIDERS; number += 1) await this.#make(0, number);
    let rounds = 0;
    while (rounds < ROUNDS || performance.now() < endsAtMs) {
      await this.#playRound();
      await this.#check();
      rounds += 1;
    }
    // That nothing was ever refused would mean that nobody was in anybody's way.
    expect(this.#outcomes.get("move 200")).toBeGreaterThan(rounds);
    expect(this.#outcomes.get("move 400")).toBeGreaterThan(0);
    console.info(`${rounds} rounds: ${JSON.stringify(Object.fromEntries(this.#outcomes))}`);
  }

  print(): string {
    return this.#log.slice(-100).join("\n");
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#replicas.map((replica) => replica.stop()));
  }

  async #start(number: number): Promise<void> {
    this.#clients[number]?.close();
    const replica = await startProcess(this.#folder);
    this.#replicas[number] = replica;
    this.#clients[number] = new Client(replica.url);
  }

  async #playRound(): Promise<void> {
    const last = this.#requests + REQUESTS_PER_ROUND;
    const killed = this.#random.below(REPLICAS);
    const killAt = last - 1 - this.#random.below(REQUESTS_PER_ROUND);
    const acting = Array.from({ length: REPLICAS * CLIENTS_PER_REPLICA }, async (_, client) => {
      while (this.#requests < last) await this.#act(client % REPLICAS);
    });
    const killing = (async () => {
      while (this.#requests < killAt) await sleep(5);
      await this.#replicas[killed]?.kill();
      await this.#start(killed);
    })();
    await Promise.all([...acting, killing]);
  }

  /** One request to a replica; what it was told, unless it died meanwhile. */
  async #act(replica: number): Promise<void> {
    this.#requests += 1;
    const [one, other] = [this.#random.below(PROVIDERS), this.#random.below(PROVIDERS)];
    const choice = this.#random.below(10);
    try {
      if (choice < 6) {
        const parent = choice === 0 ? null : providerUuid(other);
        await this.#note(replica, "move", `${one} below ${parent}`, (client) =>
          move(client, providerUuid(one), parent),
        );
      } else if (choice === 6) await this.#make(replica, one, other);
      else if (choice === 7) {
        await this.#note(replica, "delete", String(one), (client) =>
          client.delete(`/resource_providers/${providerUuid(one)}`),
        );
      } else await this.#reshape(replica, one, other);
    } catch (error) {
      if (!isBrokenConnection(error)) throw error;
      await sleep(20);
    }
  }

  #make(replica: number, one: number, other?: number): Promise<Reply> {
    const parent = other === undefined ? undefined : providerUuid(other);
    return this.#note(replica, "make", `${one} below ${parent}`, (client) =>
      client.post("/resource_providers", {
        uuid: providerUuid(one),
        name: providerUuid(one),
        ...(parent !== undefined && { parent_provider_uuid: parent }),
      }),
    );
  }

  /** Gives all that one has to another, or begins with something. */
  async #reshape(replica: number, one: number, other: number): Promise<void> {
    const client = this.#clients[replica];
    if (!client || one === other) return;
    const [from, to] = [providerUuid(one), providerUuid(other)];
    const [left, right] = await Promise.all(
      [from, to].map((uuid) => client.get(`/resource_providers/${uuid}/inventories`)),
    );
    if (left?.status !== 200 || right?.status !== 200) return;
    const generationOf = (reply: Reply) =>
      reply.json<{ resource_provider_generation: number }>().resource_provider_generation;
    const consumer = consumerUuid(one);
    const held = await client.get(`/allocations/${consumer}`);
    const { consumer_generation: generation = null } = held.json<{
      consumer_generation?: number;
    }>();
    await this.#note(replica, "reshape", `${one} to ${other}`, () =>
      client.post("/reshaper", {
        inventories: {
          [from]: { resource_provider_generation: generationOf(left), inventories: {} },
          [to]: {
            resource_provider_generation: generationOf(right),
            inventories: { VCPU: { total: 100 } },
          },
        },
        allocations: { [consumer]: claimBody({ [to]: { VCPU: 1 } }, { generation }) },
      }),
    );
  }

  async #note(
    replica: number,
    action: string,
    what: string,
    send: (client: Client) => Promise<Reply>,
  ): Promise<Reply> {
    const client = this.#clients[replica];
    if (!client) throw new Error("there is no such replica");
    const reply = await send(client);
    this.#log.push(`replica ${replica}: ${action} ${what}: ${reply.status}`);
    if (this.#log.length > 1000) this.#log.splice(0, 500);
    const outcome = `${action} ${reply.status}`;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    expect([200, 204, 400, 404, 409], reply.text).toContain(reply.status);
    return reply;
  }

  /** While nobody writes: whole trees, and each replica like one that has just been started. */
  async #check(): Promise<void> {
    const other = await openOtherProgram(this.#connection);
    const rows = (await other.run(PLACES_OF_PROVIDERS)) as unknown as PlacedRow[];
    await other.close();
    expect(findTreeProblems(rows)).toEqual([]);
    const fresh = await startProcess(this.#folder);
    const client = new Client(fresh.url);
    try {
      const expected = await shownBy(client);
      for (const replica of this.#clients) expect(await shownBy(replica)).toEqual(expected);
    } finally {
      client.close();
      await fresh.stop();
    }
  }
}

/** What the tables and the read model of a replica say of all providers. */
async function shownBy(client: Client): Promise<unknown> {
  const shown: unknown[] = [];
  for (const path of [
    "/resource_providers",
    "/resource_providers?resources=VCPU:1",
    "/allocation_candidates?resources=VCPU:1",
    "/allocation_candidates?resources_A=VCPU:1&resources_B=VCPU:1&group_policy=none&same_subtree=_A,_B",
  ]) {
    const answer = (await client.expectSuccess("GET", path)).json<{
      allocation_requests?: object[];
    }>();
    // Their order is that of the rows of a read model.
    const requests = answer.allocation_requests?.map((request) => JSON.stringify(request)).sort();
    shown.push({ ...answer, ...(requests && { allocation_requests: requests }) });
  }
  return shown;
}
