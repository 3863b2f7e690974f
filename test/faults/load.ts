import { Client, type Reply, type SendOptions } from "../support/client.ts";
import { consumerUuid } from "../support/fleet.ts";
import type { Journal } from "./journal.ts";
import type { Random } from "./random.ts";
import { Choices, prepareWrite, sendWrite } from "./writes.ts";

const WRITERS = 12;
const READERS = 4;
const CONSUMERS_PER_WRITER = 3;
/** How long a client waits that was told to come back later. */
const PAUSE_MS = 100;

/** Clients that write and read for as long as they are let, and note what they are told. */
export class Load {
  readonly client: WatchingClient;
  readonly #journal: Journal;
  readonly #choices: Choices;
  readonly #providers: readonly string[];
  #isRunning = true;
  #consumers = 0;
  readonly #finished: Promise<unknown>;

  constructor(url: string, journal: Journal, random: Random, providers: readonly string[]) {
    this.client = new WatchingClient(url);
    this.#journal = journal;
    this.#choices = new Choices(journal, random, providers);
    this.#providers = providers;
    this.#finished = Promise.all([
      ...Array.from({ length: WRITERS }, (_, number) => this.#write(number)),
      ...Array.from({ length: READERS }, () => this.#read()),
    ]);
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#finished;
  }

  async #write(number: number): Promise<void> {
    let consumers = this.#newConsumers();
    while (this.#isRunning) {
      const choice = this.#choices.next(consumers);
      const prepared = await prepareWrite(this.client, choice).catch(() => undefined);
      if (!prepared) {
        await pause();
        continue;
      }
      const entry = this.#journal.begin({ client: number, ...choice });
      const { status } = await sendWrite(this.client, prepared);
      if (status !== 503) {
        this.#journal.finish(entry, status);
        continue;
      }
      // It may have happened, so nothing can be said of these consumers from now on.
      this.#journal.lose(entry);
      consumers = this.#newConsumers();
      await pause();
    }
  }

  async #read(): Promise<void> {
    const generations = new Map<string, number>();
    while (this.#isRunning) {
      await this.client.get("/allocation_candidates?resources=VCPU:1");
      for (const provider of this.#providers) {
        const reply = await this.client.get(`/resource_providers/${provider}/usages`);
        if (reply.status !== 200) {
          await pause();
          continue;
        }
        const generation = reply.json<{ resource_provider_generation: number }>()
          .resource_provider_generation;
        if (generation < (generations.get(provider) ?? 0)) {
          this.client.problems.push(`the generation of ${provider} went back to ${generation}`);
        }
        generations.set(provider, generation);
      }
    }
  }

  #newConsumers(): string[] {
    return Array.from({ length: CONSUMERS_PER_WRITER }, () => consumerUuid((this.#consumers += 1)));
  }
}

const FORESEEN = new Set([200, 201, 204, 404, 409, 503]);

/** Measures each answer, and notes what no client should ever be told. */
export class WatchingClient extends Client {
  readonly problems: string[] = [];
  readonly statuses = new Map<number, number>();
  slowestMs = 0;

  override async send(method: string, path: string, options?: SendOptions): Promise<Reply> {
    const startedAtMs = performance.now();
    const reply = await super.send(method, path, options);
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAtMs);
    const { status, headers, text } = reply;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (!FORESEEN.has(status)) this.problems.push(`${method} ${path}: ${status} ${text}`);
    if (status === 503 && headers["retry-after"] === undefined) {
      this.problems.push(`${method} ${path}: 503 without Retry-After`);
    }
    return reply;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
