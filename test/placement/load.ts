import { setTimeout as sleep } from "node:timers/promises";

import type { Client, Reply } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { openOtherProgram, type OtherProgram } from "../support/other-program.ts";

export interface LoadSettings {
  /** Of the database that all of them work on. */
  readonly connection: string;
  readonly placement: Client;
  readonly stowages: readonly Client[];
}

export interface LoadReport {
  /** What must not be, as sentences. */
  readonly problems: readonly string[];
  /** Of Placement, then of each Stowage. */
  readonly outcomes: readonly Outcome[];
  /** How often a usage that Placement had just changed was asked of Stowage. */
  readonly usagesCompared: number;
  /** Whether all of this happened often enough to tell. */
  readonly isEnough: boolean;
}

interface Outcome {
  granted: number;
  refused: number;
  /** Answers from 500 on. */
  failed: number;
}

/** Providers that all clients claim from, and how many units each has. */
const SHARED = [101, 102, 103, 104].map(providerUuid);
const UNITS = 12;
const CLIENTS = 10;
/** So many of them leave Placement alone, so that its transactions meet many of Stowage's. */
const STOWAGE_CLIENTS = 4;
/** How long it takes at least, and at most where a machine has much else to do. */
const LEAST_MS = 5000;
const MOST_MS = 30_000;
/** What has to happen before it ends: requests granted by each service, and usages compared. */
const LEAST_GRANTED = 10;
const LEAST_COMPARED = 20;
/** Between requests to Stowage, so that Placement gets its share. */
const PAUSE_MS = 10;

/**
 * Clients claim more than there is, move, shrink and give back what they hold, each request through
 * a service that is chosen by lot. A provider's generation is raised under them all the time.
 * Each client also has a provider of its own, on which it claims through Placement, and asks Stowage.
 */
export async function runLoad(settings: LoadSettings): Promise<LoadReport> {
  const { placement, stowages, connection } = settings;
  const load = new Load([placement, ...stowages]);
  const auditor = await openOtherProgram(connection);
  try {
    for (const uuid of SHARED) await makeProvider(placement, uuid, { VCPU: UNITS, DISK_GB: 1000 });
    const clients = Array.from({ length: CLIENTS }, (_, number) => new LoadClient(load, number));
    for (const client of clients) await client.prepare();
    load.begin();
    await Promise.all([
      ...clients.map((client) => client.run()),
      raiseGenerations(load),
      auditWhileItGoesOn(auditor, load),
    ]);
    await compareWithTables(auditor, load, clients);
  } finally {
    await auditor.close();
  }
  return load;
}

class Load implements LoadReport {
  readonly problems: string[] = [];
  readonly services: readonly Client[];
  readonly outcomes: readonly Outcome[];
  usagesCompared = 0;
  #beganAtMs = 0;

  constructor(services: readonly Client[]) {
    this.services = services;
    this.outcomes = services.map(() => ({ granted: 0, refused: 0, failed: 0 }));
  }

  begin(): void {
    this.#beganAtMs = performance.now();
  }

  get goesOn(): boolean {
    const ageMs = performance.now() - this.#beganAtMs;
    return ageMs < LEAST_MS || (ageMs < MOST_MS && !this.isEnough);
  }

  get isEnough(): boolean {
    const isBusy = ({ granted, refused }: Outcome) => granted >= LEAST_GRANTED && refused > 0;
    return this.outcomes.every(isBusy) && this.usagesCompared >= LEAST_COMPARED;
  }

  get placement(): Client {
    return this.services[0] ?? impossible();
  }

  /** Which clients ask what is. */
  get reader(): Client {
    return this.services.at(-1) ?? impossible();
  }

  get stowages(): readonly Client[] {
    return this.services.slice(1);
  }

  /** Sends through a service chosen by lot; the first of them is Placement. */
  async send(first: number, method: string, path: string, body?: unknown): Promise<Reply> {
    const number = first + Math.floor(Math.random() * (this.services.length - first));
    const reply = await (this.services[number] ?? impossible()).send(method, path, { body });
    const outcome = this.outcomes[number] ?? impossible();
    if (reply.status < 300) outcome.granted += 1;
    else if (reply.status < 500) outcome.refused += 1;
    else outcome.failed += 1;
    if (number > 0 && ![200, 204, 409].includes(reply.status)) {
      this.problems.push(`Stowage answered ${method} ${path} with ${reply.status}: ${reply.text}`);
    }
    return reply;
  }
}

type Holdings = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Works on one consumer after the other, and knows what each holds. */
class LoadClient {
  /** By consumer; what is not here holds nothing. */
  readonly holdings = new Map<string, Holdings>();
  readonly #load: Load;
  readonly #firstService: number;
  readonly #own: string;
  readonly #ownConsumer: string;
  readonly #consumers: readonly string[];

  constructor(load: Load, number: number) {
    this.#load = load;
    this.#firstService = number < STOWAGE_CLIENTS ? 1 : 0;
    this.#own = providerUuid(200 + number);
    this.#ownConsumer = consumerUuid(2000 + number);
    this.#consumers = [0, 1, 2, 3].map((which) => consumerUuid(1000 + 10 * number + which));
  }

  async prepare(): Promise<void> {
    await makeProvider(this.#load.placement, this.#own, { VCPU: 100, DISK_GB: 1 });
  }

  async run(): Promise<void> {
    while (this.#load.goesOn) {
      await this.#step(oneOf(this.#consumers));
      if (this.#firstService === 1) await sleep(PAUSE_MS);
      else if (Math.random() < 0.3) await this.#compareOwnUsage();
    }
  }

  async #step(consumer: string): Promise<void> {
    const path = `/allocations/${consumer}`;
    const gives = this.holdings.has(consumer) && Math.random() < 0.35;
    const { status } = await (gives
      ? this.#load.send(this.#firstService, "DELETE", path)
      : this.#claim(path, consumer));
    if (gives && status < 300) this.holdings.delete(consumer);
    // What a request that failed has left is not known.
    if (status >= 500) await this.#look(consumer);
  }

  async #claim(path: string, consumer: string): Promise<Reply> {
    const known = await this.#load.reader.get(path);
    const { consumer_generation: generation = null } = known.json<{
      consumer_generation?: number;
    }>();
    const wanted = Object.fromEntries(
      [oneOf(SHARED), oneOf(SHARED)].map((uuid) => [
        uuid,
        { VCPU: 1 + Math.floor(Math.random() * 3) },
      ]),
    );
    const reply = await this.#load.send(
      this.#firstService,
      "PUT",
      path,
      claimBody(wanted, { generation }),
    );
    if (reply.status < 300) this.holdings.set(consumer, wanted);
    return reply;
  }

  async #look(consumer: string): Promise<void> {
    const reply = await this.#load.reader.get(`/allocations/${consumer}`);
    const { allocations } = reply.json<{ allocations: Record<string, { resources: never }> }>();
    const held = Object.entries(allocations).map(([uuid, { resources }]) => [uuid, resources]);
    if (held.length > 0) this.holdings.set(consumer, Object.fromEntries(held));
    else this.holdings.delete(consumer);
  }

  /** Nobody else touches the provider, so there is one right answer. */
  async #compareOwnUsage(): Promise<void> {
    const { placement, stowages, problems } = this.#load;
    const path = `/allocations/${this.#ownConsumer}`;
    const amount = 1 + Math.floor(Math.random() * 100);
    for (const [used, change] of [
      [amount, () => placement.put(path, claimBody({ [this.#own]: { VCPU: amount } }))],
      [0, () => placement.delete(path)],
    ] as const) {
      let reply = await change();
      // Placement does not begin anew after every deadlock.
      for (let more = 5; reply.status >= 500 && more > 0; more -= 1) reply = await change();
      const { status, text } = reply;
      if (status !== 204) problems.push(`Placement refused a client alone: ${status} ${text}`);
      for (const [number, stowage] of stowages.entries()) {
        const shown = await usageShown(stowage, this.#own);
        this.#load.usagesCompared += 1;
        if (shown === used) continue;
        problems.push(`Stowage ${number} shows ${shown} of ${this.#own} in use instead of ${used}`);
      }
    }
  }
}

/** As the read model has it. Asks for a class that nobody uses, so that there is always an answer. */
async function usageShown(client: Client, provider: string): Promise<number | undefined> {
  const reply = await client.get(`/allocation_candidates?resources=DISK_GB:1&in_tree=${provider}`);
  const { provider_summaries: summaries } = reply.json<{
    provider_summaries: Record<string, { resources: { VCPU: { used: number } } }>;
  }>();
  return summaries[provider]?.resources.VCPU.used;
}

/** Changes inventories, in ways that leave the room as it is. */
async function raiseGenerations(load: Load): Promise<void> {
  for (let round = 1; load.goesOn; round += 1) {
    const path = `/resource_providers/${oneOf(SHARED)}/inventories`;
    const { resource_provider_generation: generation } = (await load.reader.get(path)).json<{
      resource_provider_generation: number;
    }>();
    await load.send(0, "PUT", path, {
      resource_provider_generation: generation,
      inventories: { VCPU: { total: UNITS }, DISK_GB: { total: 1000 + round } },
    });
    await sleep(100);
  }
}

const OVER_COMMITTED = `
  SELECT rp.uuid, i.total, sum(a.used) AS used
  FROM inventories AS i
  JOIN resource_providers AS rp ON rp.id = i.resource_provider_id
  JOIN allocations AS a ON a.resource_provider_id = i.resource_provider_id
    AND a.resource_class_id = i.resource_class_id
  GROUP BY rp.uuid, i.total, i.resource_class_id HAVING sum(a.used) > i.total`;

async function auditWhileItGoesOn(program: OtherProgram, load: Load): Promise<void> {
  while (load.goesOn) {
    await audit(program, load);
    await sleep(50);
  }
}

async function audit(program: OtherProgram, load: Load): Promise<void> {
  for (const row of await program.run(OVER_COMMITTED)) {
    load.problems.push(`over-committed: ${JSON.stringify(row)}`);
  }
}

/** When all is quiet: what clients were told, what the tables hold and what Stowage shows is one. */
async function compareWithTables(
  program: OtherProgram,
  load: Load,
  clients: readonly LoadClient[],
): Promise<void> {
  await audit(program, load);
  const rows = await program.run(
    `SELECT a.consumer_id AS consumer, rp.uuid AS provider, a.used AS used, c.id AS record
     FROM allocations AS a JOIN resource_providers AS rp ON rp.id = a.resource_provider_id
     LEFT JOIN consumers AS c ON c.uuid = a.consumer_id`,
  );
  const held = rows.map(({ consumer, provider, used }) => [consumer, provider, used].join(" "));
  const told = clients.flatMap(({ holdings }) =>
    [...holdings].flatMap(([consumer, wanted]) =>
      Object.entries(wanted).map(([provider, { VCPU }]) => [consumer, provider, VCPU].join(" ")),
    ),
  );
  for (const lost of new Set(told).difference(new Set(held))) {
    load.problems.push(`granted, and not in the tables: ${lost}`);
  }
  for (const extra of new Set(held).difference(new Set(told))) {
    load.problems.push(`in the tables, and not granted: ${extra}`);
  }
  for (const { consumer, record } of rows) {
    if (record === null) load.problems.push(`allocations without a consumer: ${String(consumer)}`);
  }
  for (const uuid of SHARED) {
    const used = rows
      .filter(({ provider }) => provider === uuid)
      .reduce((sum, row) => sum + Number(row["used"]), 0);
    for (const [number, stowage] of load.stowages.entries()) {
      const shown = await usageShown(stowage, uuid);
      if (shown === used) continue;
      load.problems.push(`Stowage ${number} shows ${shown} of ${uuid} in use instead of ${used}`);
    }
  }
}

function oneOf<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)] ?? impossible();
}

function impossible(): never {
  throw new Error("there is always one");
}
