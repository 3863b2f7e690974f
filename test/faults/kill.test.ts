import { join } from "node:path";

import { expect, test } from "vitest";

import { Client } from "../support/client.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { makeFolder, startProcess, writeConfig, type StowageProcess } from "../support/stowage.ts";
import { compareAnswers } from "./answers.ts";
import { readTablesOfFile, type Tables } from "./audit.ts";
import { Journal } from "./journal.ts";
import { Random } from "./random.ts";
import { Choices, isBrokenConnection, prepareWrite, sendWrite } from "./writes.ts";

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
  readonly #choices: Choices;
  #isRunning = true;
  #highestGenerations: ReadonlyMap<string, number> = new Map();

  constructor(folder: string, journal: Journal) {
    this.#folder = folder;
    this.#file = join(folder, "placement.sqlite");
    this.#journal = journal;
    this.#choices = new Choices(journal, this.#random, PROVIDERS);
  }

  async run(): Promise<void> {
    await writeConfig(this.#folder, {
      DEFAULT: { log_file: join(this.#folder, "stowage.log") },
      api: { auth_strategy: "noauth2" },
      placement_database: { connection: `sqlite:///${this.#file}`, sync_on_startup: true },
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      await this.#playRound(round);
      this.#check(await readTablesOfFile(this.#file));
    }
    // Once more in peace: what the service says is what the tables say.
    const stowage = await startProcess(this.#folder);
    const client = new Client(stowage.url);
    const { holdings } = await readTablesOfFile(this.#file);
    expect(await compareAnswers(client, PROVIDERS, holdings)).toEqual([]);
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
      const entry = this.#journal.begin({ client: number, ...this.#choices.next(consumers) });
      try {
        const { status } = await sendWrite(client, await prepareWrite(client, entry));
        this.#journal.finish(entry, status);
        expect([201, 204, 404, 409], "an answer that is neither yes nor no").toContain(status);
      } catch (error) {
        if (!isBrokenConnection(error)) throw error;
        this.#journal.lose(entry);
        // Nothing can be said of its consumers before the service is back.
        return;
      }
    }
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
}
