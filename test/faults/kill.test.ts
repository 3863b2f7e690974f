import { join } from "node:path";

import { expect, test } from "vitest";

import { Client } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startProcess, writeConfig, type StowageProcess } from "../support/stowage.ts";
import { readTables, type Tables } from "./audit.ts";
import { Journal, type Holdings, type JournalEntry } from "./journal.ts";
import { Random } from "./random.ts";

/** How often the service is killed: a few times in every run of the tests, more when there is time. */
const ROUNDS = Number(process.env["STOWAGE_FAULT_ROUNDS"] ?? 4);
const SEED = Number(process.env["STOWAGE_FAULT_SEED"] ?? Date.now() % 2 ** 31);

const CLIENTS = 24;
const CONSUMERS_PER_CLIENT = 4;
/** Room for about half of what the clients want, so that some are refused at any time. */
const PROVIDERS = [1, 2, 3, 4].map(providerUuid);
const TOTALS = { VCPU: 60, MEMORY_MB: 60 * 256 };

test(
  `what was acknowledged survives ${ROUNDS} kills, and what was not is whole or absent`,
  { timeout: 60_000 + ROUNDS * 10_000 },
  async () => {
    const folder = await makeFolder();
    const journal = new Journal();
    try {
      await expect(new KillRun(folder.path, journal).run()).resolves.toBeUndefined();
    } catch (error) {
      console.error(`STOWAGE_FAULT_SEED=${SEED}; the end of the journal:\n${journal.print()}`);
      throw error;
    } finally {
      await folder.remove();
    }
  },
);

class KillRun {
  readonly #folder: string;
  readonly #file: string;
  readonly #journal: Journal;
  readonly #random = new Random(SEED);
  #isRunning = true;
  #highestGenerations: ReadonlyMap<string, number> = new Map();

  constructor(folder: string, journal: Journal) {
    this.#folder = folder;
    this.#file = join(folder, "placement.sqlite");
    this.#journal = journal;
  }

  async run(): Promise<void> {
    await writeConfig(this.#folder, {
      DEFAULT: { log_file: join(this.#folder, "stowage.log") },
      api: { auth_strategy: "noauth2" },
      placement_database: { connection: `sqlite:///${this.#file}`, sync_on_startup: true },
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      await this.#playRound(round);
      this.#check(readTables(this.#file));
    }
    // Once more in peace: what the service says is what the tables say.
    const stowage = await startProcess(this.#folder);
    const client = new Client(stowage.url);
    await this.#checkAnswers(client);
    client.close();
    expect(await stowage.stop()).toBe(0);
    expect(
      this.#journal.entries.filter(({ outcome }) => outcome === "done").length,
    ).toBeGreaterThan(ROUNDS);
  }

  /** Lets the clients write until the service is killed, and they have noticed. */
  async #playRound(round: number): Promise<void> {
    const stowage = await startProcess(this.#folder);
    const client = new Client(stowage.url);
    try {
      if (round === 0) {
        for (const provider of PROVIDERS) await makeProvider(client, provider, TOTALS);
      }
      this.#isRunning = true;
      const clients = Array.from({ length: CLIENTS }, (_, number) => this.#act(client, number));
      await Promise.all([this.#killSoon(stowage), ...clients]);
    } finally {
      await stowage.kill();
      client.close();
    }
  }

  /** At a moment that nobody expects: often with a commit under way. */
  async #killSoon(stowage: StowageProcess): Promise<void> {
    const { entries } = this.#journal;
    const enough = entries.length + CLIENTS + this.#random.below(400);
    while (entries.length < enough) {
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(5)));
    }
    this.#isRunning = false;
    await stowage.kill();
  }

  /** One client: it waits for each answer, and owns its consumers. */
  async #act(client: Client, number: number): Promise<void> {
    const consumers = Array.from({ length: CONSUMERS_PER_CLIENT }, (_, at) =>
      consumerUuid(number * CONSUMERS_PER_CLIENT + at),
    );
    while (this.#isRunning) {
      const entry = this.#journal.begin({ client: number, ...this.#choose(consumers) });
      try {
        const { status } = await this.#send(client, entry);
        this.#journal.finish(entry, status);
        expect([204, 404, 409], "an answer that is neither yes nor no").toContain(status);
      } catch (error) {
        if (!isBrokenConnection(error)) throw error;
        this.#journal.lose(entry);
        // Nothing can be said of its consumers before the service is back.
        return;
      }
    }
  }

  #choose(consumers: readonly string[]): Pick<JournalEntry, "action" | "wanted"> {
    const first = this.#random.pick(consumers);
    const holdings = this.#journal.certainHoldings(first);
    const holdsNothing = Object.keys(holdings).length === 0;
    if (holdsNothing) return { action: "claim", wanted: new Map([[first, this.#someHoldings()]]) };
    switch (this.#random.below(4)) {
      case 0:
        return { action: "delete", wanted: new Map([[first, {}]]) };
      case 1: {
        const second = this.#random.pick(consumers.filter((consumer) => consumer !== first));
        const other = this.#journal.certainHoldings(second);
        return {
          action: "swap",
          wanted: new Map([
            [first, other],
            [second, holdings],
          ]),
        };
      }
      default:
        return { action: "move", wanted: new Map([[first, this.#someHoldings()]]) };
    }
  }

  #someHoldings(): Holdings {
    const providers = this.#random.below(4) === 0 ? 2 : 1;
    const start = this.#random.below(PROVIDERS.length);
    return Object.fromEntries(
      Array.from({ length: providers }, (_, at) => {
        const amount = 1 + this.#random.below(5);
        const provider = PROVIDERS[(start + at) % PROVIDERS.length] ?? "";
        return [provider, { VCPU: amount, MEMORY_MB: amount * 256 }];
      }),
    );
  }

  async #send(client: Client, { action, wanted }: JournalEntry): Promise<{ status: number }> {
    const [[consumer, holdings] = ["", {}]] = wanted;
    if (action === "delete") return client.delete(`/allocations/${consumer}`);
    if (action !== "swap") {
      const body = await this.#bodyOf(client, consumer, holdings);
      return client.put(`/allocations/${consumer}`, body);
    }
    const bodies: Record<string, unknown> = {};
    for (const [uuid, held] of wanted) bodies[uuid] = await this.#bodyOf(client, uuid, held);
    return client.post("/allocations", bodies);
  }

  async #bodyOf(client: Client, consumer: string, holdings: Holdings): Promise<unknown> {
    const reply = await client.expectSuccess("GET", `/allocations/${consumer}`);
    const { consumer_generation: generation = null } = reply.json<{
      consumer_generation?: number;
    }>();
    return claimBody(holdings, { generation });
  }

  #check({ holdings, providerGenerations, problems }: Tables): void {
    expect(problems).toEqual([]);
    expect(this.#journal.settle(holdings)).toEqual([]);
    expect(this.#journal.compare(holdings)).toEqual([]);
    for (const [provider, before] of this.#highestGenerations) {
      const now = providerGenerations.get(provider);
      expect(now, `the generation of ${provider} went back`).toBeGreaterThanOrEqual(before);
    }
    this.#highestGenerations = providerGenerations;
  }

  /** Usages are the sums of the allocations, provider by provider, as the service itself has them. */
  async #checkAnswers(client: Client): Promise<void> {
    const { holdings } = readTables(this.#file);
    for (const provider of PROVIDERS) {
      const sums = { VCPU: 0, MEMORY_MB: 0 };
      for (const held of holdings.values()) {
        sums.VCPU += held[provider]?.["VCPU"] ?? 0;
        sums.MEMORY_MB += held[provider]?.["MEMORY_MB"] ?? 0;
      }
      const usages = await client.expectSuccess("GET", `/resource_providers/${provider}/usages`);
      expect(usages.json()).toMatchObject({ usages: sums });
      const allocations = await client.expectSuccess(
        "GET",
        `/resource_providers/${provider}/allocations`,
      );
      expect(
        Object.keys(allocations.json<{ allocations: object }>().allocations).toSorted(),
      ).toEqual(
        [...holdings]
          .filter(([, held]) => held[provider])
          .map(([consumer]) => consumer)
          .toSorted(),
      );
    }
  }
}

function isBrokenConnection(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "ECONNREFUSED" || code === "EPIPE";
}
