import cluster, { type Worker } from "node:cluster";
import { setTimeout as sleep } from "node:timers/promises";

import {
  countsOf,
  mergeMetrics,
  type CollectedMetrics,
  type Metrics,
} from "../../observability/metrics.ts";
import { hearPrimary, hearWorker, tellPrimary, tellWorker } from "./worker-messages.ts";

// A scrape comes to one worker, and is to tell of all: the worker asks the first process, which asks them.

/** So long one worker is waited for; of one that is busy, what it said last counts. */
const COUNTING_MS = 1000;

/** What a worker has counted since it was asked last is lost when it is killed. */
const ASK_EVERY_MS = 10_000;

/** The metrics of all workers, those that have ended included, as the first process knows them. */
class WorkerMetrics {
  readonly #latest = new Map<Worker, CollectedMetrics>();
  /** What only ever grows, of workers that have ended: sums must not go back. */
  #ended: readonly CollectedMetrics[] = [];
  readonly #onCounted = new Map<Worker, PromiseWithResolvers<void>>();

  constructor() {
    cluster.on("fork", (worker) => this.#join(worker));
    setInterval(() => void this.#askAll(), ASK_EVERY_MS).unref();
  }

  #join(worker: Worker): void {
    hearWorker(worker, "metrics wanted", ({ question }) => void this.#answer(worker, question));
    hearWorker(worker, "counted", ({ metrics }) => {
      this.#latest.set(worker, metrics);
      this.#onCounted.get(worker)?.resolve();
    });
    worker.once("exit", () => {
      const last = this.#latest.get(worker);
      if (last) void this.#keep(countsOf(last));
      this.#latest.delete(worker);
      this.#onCounted.get(worker)?.resolve();
    });
  }

  async #answer(worker: Worker, question: number): Promise<void> {
    await this.#askAll();
    const metrics = await mergeMetrics([...this.#latest.values(), ...this.#ended]);
    tellWorker(worker, { kind: "metrics", question, metrics });
  }

  /** As one sum: workers may end and be started again without end, and nobody ask. */
  async #keep(counts: CollectedMetrics): Promise<void> {
    const ended = [...this.#ended, counts];
    this.#ended = ended;
    const sum = await mergeMetrics(ended);
    if (this.#ended === ended) this.#ended = [sum];
  }

  /** Only those who have told something by themselves: before that, they wait for something else. */
  async #askAll(): Promise<void> {
    await Promise.all(this.#latest.keys().map((worker) => this.#ask(worker)));
  }

  /** Those who ask at the same time wait for one answer. */
  async #ask(worker: Worker): Promise<void> {
    let counted = this.#onCounted.get(worker);
    if (!counted) {
      counted = Promise.withResolvers<void>();
      this.#onCounted.set(worker, counted);
      tellWorker(worker, { kind: "count" });
    }
    await Promise.race([counted.promise, sleep(COUNTING_MS, undefined, { ref: false })]);
    if (this.#onCounted.get(worker) === counted) this.#onCounted.delete(worker);
  }
}

/** To be called in the first process, before it starts workers. */
export function sumMetricsOfWorkers(): WorkerMetrics {
  return new WorkerMetrics();
}

/** What a worker tells the first process of itself, and learns from it of all. */
export class OwnMetrics {
  readonly #metrics: Metrics;
  readonly #waiting = new Map<number, (metrics: CollectedMetrics) => void>();
  #questions = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    metrics.joinOthers(() => this.#ofAll());
    hearPrimary("count", () => void this.tell());
    hearPrimary("metrics", (message) => this.#waiting.get(message.question)?.(message.metrics));
    void this.tell();
  }

  /** What was counted so far, for the first process to keep. */
  async tell(): Promise<void> {
    await tellPrimary({ kind: "counted", metrics: await this.#metrics.collect() });
  }

  /** Of this one alone where the first process does not answer. */
  async #ofAll(): Promise<CollectedMetrics> {
    const question = ++this.#questions;
    const { promise, resolve } = Promise.withResolvers<CollectedMetrics>();
    this.#waiting.set(question, resolve);
    void tellPrimary({ kind: "metrics wanted", question });
    const answer = await Promise.race([promise, sleep(2 * COUNTING_MS, undefined, { ref: false })]);
    this.#waiting.delete(question);
    return answer ?? this.#metrics.collect();
  }
}
