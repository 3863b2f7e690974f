import { setTimeout as sleep } from "node:timers/promises";

import type { Holdings } from "../faults/journal.ts";
import { isSame } from "../faults/journal.ts";
import type { Client, Reply } from "../support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";

const CLIENTS_PER_REPLICA = 4;
const NUMBERS_PER_CLIENT = 100_000;

/** All clients want this; there is not enough for all of them. */
const SHARED = providerUuid(0);
const SHARED_UNITS = 40;

/** What a consumer may hold: one thing, or one of several where an answer never came. */
type Possible = readonly Holdings[];

interface OwnProvider {
  readonly uuid: string;
  used: number;
}

interface Answered {
  readonly replica: number;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** Yes or no; not that it is not known, or cannot be done now. */
  readonly isAnswer: boolean;
}

/**
 * Clients that claim and give back through three replicas, each client through one of them, and look
 * through the others whether it shows.
 */
export class Load {
  readonly possible = new Map<string, Possible>();
  /** What must not be, as sentences. */
  readonly problems: string[] = [];
  readonly writes: Answered[] = [];
  readonly counts = { granted: 0, refused: 0, unknown: 0, looks: 0 };
  readonly #replicas: readonly Client[];
  #isRunning = true;
  #running: Promise<unknown> = Promise.resolve();

  constructor(replicas: readonly Client[]) {
    this.#replicas = replicas;
  }

  async prepare(): Promise<void> {
    await makeProvider(this.#replica(0), SHARED, { VCPU: SHARED_UNITS });
  }

  start(): void {
    const clients = this.#replicas.length * CLIENTS_PER_REPLICA;
    this.#running = Promise.all(Array.from({ length: clients }, (_, at) => this.#act(at + 1)));
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#running;
  }

  /** Waits until a replica has answered a write that was sent after a moment. */
  async untilAnswered(replica: number, afterMs: number): Promise<void> {
    const isThere = (write: Answered) =>
      write.replica === replica && write.isAnswer && write.sentAtMs > afterMs;
    while (!this.writes.some(isThere)) await sleep(50);
  }

  /** The longest time from a moment on in which a replica answered no write. */
  longestSilenceMs(replica: number, fromMs: number): number {
    const times = this.writes
      .filter((write) => write.replica === replica && write.isAnswer && write.answeredAtMs > fromMs)
      .map(({ answeredAtMs }) => answeredAtMs);
    const moments = [fromMs, ...times];
    return Math.max(...times.map((time, at) => time - (moments[at] ?? time)));
  }

  #replica(number: number): Client {
    const replica = this.#replicas[number % this.#replicas.length];
    if (!replica) throw new Error("there are replicas");
    return replica;
  }

  /**
   * One client: it waits for each answer, and has consumers of its own, and a provider of which it
   * knows how much is used: another one after each write of which it does not know what became of it.
   */
  async #act(client: number): Promise<void> {
    let number = client * NUMBERS_PER_CLIENT;
    let own: OwnProvider | undefined;
    while (this.#isRunning) {
      number += 1;
      own ??= await this.#tryToMakeProvider(client, providerUuid(number));
      if (!own) continue;
      const isKnown = await this.#claimAndPerhapsGiveBack(client, number, own);
      if (!isKnown) own = undefined;
    }
  }

  async #tryToMakeProvider(client: number, uuid: string): Promise<OwnProvider | undefined> {
    try {
      await makeProvider(this.#replica(client), uuid, { VCPU: 1_000_000 });
      return { uuid, used: 0 };
    } catch {
      await sleep(100);
      return undefined;
    }
  }

  /** Returns whether it is known what became of it. */
  async #claimAndPerhapsGiveBack(
    client: number,
    number: number,
    own: OwnProvider,
  ): Promise<boolean> {
    const consumer = consumerUuid(number);
    const wantsShared = number % 3 === 0;
    const wanted = { [own.uuid]: { VCPU: 1 }, ...(wantsShared && { [SHARED]: { VCPU: 1 } }) };
    const claimed = await this.#write(client, consumer, {}, wanted);
    if (claimed !== "granted") return claimed === "refused";
    own.used += 1;
    await this.#look(client, consumer, own);
    if (number % 2 === 0) return true;
    const deleted = await this.#giveBack(client, consumer, wanted);
    if (deleted === "refused") this.problems.push(`${consumer} could not be deleted`);
    if (deleted !== "granted") return false;
    own.used -= 1;
    await this.#look(client, consumer, own);
    return true;
  }

  /** Whoever is told that others were first, again and again, tries once more: there is room for all. */
  async #giveBack(client: number, consumer: string, held: Holdings) {
    for (let left = 5; ; left -= 1) {
      const outcome = await this.#write(client, consumer, held, {});
      if (outcome !== "refused" || left === 0) return outcome;
    }
  }

  async #write(
    client: number,
    consumer: string,
    before: Holdings,
    wanted: Holdings,
  ): Promise<"granted" | "refused" | "unknown"> {
    const path = `/allocations/${consumer}`;
    const replica = this.#replica(client);
    const sentAtMs = performance.now();
    const isDeletion = Object.keys(wanted).length === 0;
    const reply = await (
      isDeletion ? replica.delete(path) : replica.put(path, claimBody(wanted))
    ).catch((): undefined => undefined);
    const outcome = outcomeOf(reply);
    if (outcome === undefined) this.problems.push(`${path}: ${reply?.status} ${reply?.text}`);
    this.possible.set(consumer, possibleAfter(outcome, before, wanted));
    this.counts[outcome ?? "unknown"] += 1;
    this.writes.push({
      replica: client % this.#replicas.length,
      sentAtMs,
      answeredAtMs: performance.now(),
      isAnswer: outcome === "granted" || outcome === "refused",
    });
    if (reply?.status === 503 && !reply.headers["retry-after"]) {
      this.problems.push(`${path}: 503 without Retry-After`);
    }
    // Who is told to come back later does so.
    if (outcome === "unknown") await sleep(100);
    return outcome ?? "unknown";
  }

  /** What was acknowledged shows through another replica: in the tables, and in the read model. */
  async #look(client: number, consumer: string, own: OwnProvider): Promise<void> {
    const replica = this.#replica(client + 1 + (this.writes.length % 2));
    const allocations = await soon(replica.get(`/allocations/${consumer}`));
    if (allocations?.status === 200) {
      this.counts.looks += 1;
      const found = holdingsOf(allocations);
      if (!this.possible.get(consumer)?.some((holdings) => isSame(holdings, found))) {
        this.problems.push(`${consumer} is shown with ${JSON.stringify(found)}`);
      }
    }
    const candidates = await soon(
      replica.get(`/allocation_candidates?resources=VCPU:1&in_tree=${own.uuid}`),
    );
    if (candidates?.status !== 200) return;
    this.counts.looks += 1;
    const used = candidates.json<{
      provider_summaries: Record<string, { resources: { VCPU: { used: number } } }>;
    }>().provider_summaries[own.uuid]?.resources.VCPU.used;
    if (used !== own.used) {
      this.problems.push(`${own.uuid} is shown with ${used} used, not ${own.used}`);
    }
  }
}

/** Nothing where the answer breaks off, or takes so long that the client has better things to do. */
async function soon(reply: Promise<Reply>): Promise<Reply | undefined> {
  return Promise.race([reply.catch((): undefined => undefined), sleep(500, undefined)]);
}

function holdingsOf(reply: Reply): Holdings {
  const { allocations } = reply.json<{
    allocations: Record<string, { resources: Record<string, number> }>;
  }>();
  return Object.fromEntries(
    Object.entries(allocations).map(([provider, { resources }]) => [provider, resources]),
  );
}

/** Nothing for an answer that nobody should get. */
function outcomeOf(reply: Reply | undefined): "granted" | "refused" | "unknown" | undefined {
  if (!reply || reply.status === 503) return "unknown";
  if (reply.status === 204) return "granted";
  return reply.status === 409 ? "refused" : undefined;
}

function possibleAfter(
  outcome: "granted" | "refused" | "unknown" | undefined,
  before: Holdings,
  wanted: Holdings,
): Possible {
  if (outcome === "granted") return [wanted];
  return outcome === "refused" ? [before] : [before, wanted];
}
