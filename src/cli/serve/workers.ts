import { messageOf } from "../../config/operator-error.ts";
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import type { Config, LoadedConfig } from "../../config/config.ts";
import { ConfigError } from "../../config/config-error.ts";
import { databaseOf } from "../../config/database-of.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Reloadable } from "./reload.ts";
import { sumMetricsOfWorkers } from "./worker-metrics.ts";
import { describeEnd, WorkerEnded } from "./worker-ended.ts";
import { hearPrimary, hearWorker, tellPrimary, tellWorker } from "./worker-messages.ts";

/**
 * @throws ConfigError when the database's URL cannot be used, or when several processes are wanted
 * on a database that allows one only
 */
export function checkDatabaseTakesWorkers(config: Config): void {
  const { stowage } = config;
  if (databaseOf(config).engine !== "sqlite" || stowage.workers === 1) return;
  throw new ConfigError(
    `[stowage] workers = ${stowage.workers} needs PostgreSQL or MySQL: one process has an SQLite ` +
      "database to itself",
  );
}

/**
 * The configuration that the first process has for this one; its files may say something else by
 * now. It holds passwords: others could see them in arguments or in the environment.
 */
export function configFromPrimary(): Promise<LoadedConfig> {
  return new Promise((resolve) => {
    hearPrimary("configuration", ({ loaded }) => resolve(loaded));
    void tellPrimary({ kind: "configuration wanted" });
  });
}

/**
 * The processes that serve, as the first one sees them. They share its sockets, and each is a
 * replica with its own connections to the database and its own read model. One that dies is started
 * again.
 */
export class Workers implements Reloadable {
  #seats: readonly Seat[] = [];
  readonly #hasInheritedSockets: boolean;
  readonly #logger: Logger;
  readonly #loaded: LoadedConfig;
  #shutdownTimeout: number;
  #url = "";
  #isStopping = false;

  constructor(loaded: LoadedConfig, hasInheritedSockets: boolean, logger: Logger) {
    this.#loaded = loaded;
    this.#shutdownTimeout = loaded.config.stowage.shutdownTimeout;
    this.#hasInheritedSockets = hasInheritedSockets;
    this.#logger = logger;
    sumMetricsOfWorkers();
  }

  /**
   * Starts the first one by itself: it finds out whether the others have a chance, and brings the
   * schema up to date where it may.
   *
   * @throws WorkerEnded when it does not get to serving
   */
  async start(): Promise<void> {
    const [first, ...others] = this.#makeSeats(this.#loaded.config.stowage.workers, this.#loaded);
    if (!first) return;
    this.#seats = [first];
    this.#url = await first.fill();
    if (this.#isStopping) return;
    this.#seats = [first, ...others];
    await Promise.all(others.map((seat) => seat.fillSoonerOrLater()));
  }

  get url(): string {
    return this.#url;
  }

  /**
   * Starts a successor for each worker. When all of them serve, the workers from before finish what they
   * have in flight and end; so there are never fewer, and none with another configuration than the rest.
   *
   * @throws WorkerEnded when a successor does not get to serving: all stay as they are
   */
  async reload(loaded: LoadedConfig): Promise<void> {
    const { workers, shutdownTimeout } = loaded.config.stowage;
    const limitMs = this.#limitMs;
    const kept = this.#seats.slice(0, workers);
    const added = this.#makeSeats(workers - kept.length, loaded);
    const surplus = this.#seats.slice(workers);
    this.#seats = [...kept, ...added, ...surplus];
    try {
      // One after the other: to build a read model takes a core for itself.
      for (const seat of [...kept, ...added]) await seat.prepare(loaded, limitMs);
      for (const seat of [...kept, ...added]) seat.checkSuccessor();
    } catch (error) {
      this.#seats = [...kept, ...surplus];
      await this.#giveUpSuccessors(kept, added, limitMs);
      throw error;
    }
    this.#seats = [...kept, ...added];
    this.#shutdownTimeout = shutdownTimeout;
    const former = this.#seats.map((seat) => seat.takeSuccessor(loaded));
    this.#logger.info(`${workers} workers serve with the configuration that was read`);
    await Promise.all([
      ...former.map((worker) => worker && retire(worker, limitMs)),
      ...surplus.map((seat) => seat.close(limitMs)),
    ]);
  }

  reopenLogs(): void {
    for (const seat of this.#seats) seat.reopenLog();
  }

  /** New workers read everything. */
  isReadAtStart(): boolean {
    return false;
  }

  /** Lets every worker finish its requests in flight; those that take too long are killed. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#seats.map((seat) => seat.close(this.#limitMs)));
  }

  async #giveUpSuccessors(
    kept: readonly Seat[],
    added: readonly Seat[],
    limitMs: number,
  ): Promise<void> {
    if (this.#isStopping) return;
    const count = [...kept, ...added].filter((seat) => seat.hasSuccessor).length;
    if (count > 0) {
      this.#logger.warn(
        `${count} workers that serve with the configuration that was read are stopped again: ` +
          "all workers have the same one",
      );
    }
    await Promise.all([
      ...kept.map((seat) => seat.giveUpSuccessor(limitMs)),
      ...added.map((seat) => seat.close(limitMs)),
    ]);
  }

  get #limitMs(): number {
    return this.#shutdownTimeout * 1000 + CLOSING_MS;
  }

  #makeSeats(count: number, loaded: LoadedConfig): Seat[] {
    return Array.from({ length: Math.max(count, 0) }, (_, number) => {
      const isFirst = this.#seats.length === 0 && number === 0;
      return new Seat(loaded, this.#logger, isFirst, () => this.#checkSockets());
    });
  }

  /** With the last worker, Node closes the sockets that it shared, and these cannot be reopened. */
  #checkSockets(): void {
    if (!this.#hasInheritedSockets || this.#seats.some((seat) => !seat.isEmpty)) return;
    this.#logger.error("No worker is left, and the sockets that systemd handed over are closed");
    process.exit(1);
  }
}

/** What a worker may take beyond `[stowage] shutdown_timeout` before it is killed. */
const CLOSING_MS = 10_000;

/** A worker that served so long did not die of its start. */
const STEADY_MS = 60_000;

/** How long to wait before a worker is started again that died so often in a row: up to 30 s. */
export function restartDelayMs(deathsInARow: number): number {
  return Math.min(250 * 2 ** deathsInARow, 30_000);
}

/** The place of one worker, with one worker after the other in it. */
class Seat {
  readonly #logger: Logger;
  readonly #onEmpty: () => void;
  readonly #isFirst: boolean;
  /** What its workers are started with. */
  #loaded: LoadedConfig;
  #worker: Worker | undefined;
  /** Started, but not serving yet. */
  #candidate: Worker | undefined;
  /** Serves already, with another configuration, and may get the seat. */
  #successor: Worker | undefined;
  #servingSinceMs = 0;
  #deathsInARow = 0;
  #retry: NodeJS.Timeout | undefined;
  #isPreparing = false;
  #isClosed = false;

  constructor(loaded: LoadedConfig, logger: Logger, isFirst: boolean, onEmpty: () => void) {
    this.#loaded = loaded;
    this.#isFirst = isFirst;
    this.#logger = logger;
    this.#onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.#worker === undefined && this.#successor === undefined;
  }

  get hasSuccessor(): boolean {
    return this.#successor !== undefined;
  }

  /**
   * Starts a worker; when it serves, the seat is its.
   *
   * @returns where it serves
   * @throws WorkerEnded
   */
  async fill(): Promise<string> {
    return this.#startWorker(this.#loaded, (worker) => this.#seat(worker));
  }

  /** Like `fill`, but tries again, later each time, until a worker serves. */
  async fillSoonerOrLater(): Promise<void> {
    if (this.#isClosed || this.#candidate) return;
    try {
      await this.fill();
    } catch (error) {
      this.#tryLater(error);
    }
  }

  /**
   * Starts a successor, beside the worker that has the seat. It gets the seat by `takeSuccessor`, or is let go
   * by `giveUpSuccessor`: one of them has to follow.
   *
   * @throws WorkerEnded
   */
  async prepare(loaded: LoadedConfig, limitMs: number): Promise<void> {
    this.#isPreparing = true;
    clearTimeout(this.#retry);
    // One that is being started would serve with the former configuration.
    if (this.#candidate) await retire(this.#candidate, limitMs);
    await this.#startWorker(loaded, (worker) => (this.#successor = worker));
  }

  /** @throws WorkerEnded the successor has died since */
  checkSuccessor(): void {
    if (!this.#successor) throw new WorkerEnded();
  }

  /** @returns the worker that had the seat */
  takeSuccessor(loaded: LoadedConfig): Worker | undefined {
    const [former, successor] = [this.#worker, this.#successor];
    this.#isPreparing = false;
    this.#successor = undefined;
    this.#loaded = loaded;
    if (successor) this.#seat(successor);
    return former;
  }

  async giveUpSuccessor(limitMs: number): Promise<void> {
    const successor = this.#successor;
    this.#isPreparing = false;
    this.#successor = undefined;
    if (!this.#worker) void this.fillSoonerOrLater();
    if (successor) await retire(successor, limitMs);
  }

  /** A worker that serves listens to the signal; one that does not yet would be killed by it. */
  reopenLog(): void {
    this.#worker?.process.kill("SIGHUP");
  }

  /** Fills the seat no more, and lets the workers go. */
  async close(limitMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const workers = [this.#worker, this.#candidate, this.#successor].filter(
      (worker) => worker !== undefined,
    );
    this.#worker = undefined;
    this.#successor = undefined;
    await Promise.all(workers.map((worker) => retire(worker, limitMs)));
  }

  /**
   * @param accept is called when it serves
   * @returns where it does
   * @throws WorkerEnded
   */
  async #startWorker(loaded: LoadedConfig, accept: (worker: Worker) => void): Promise<string> {
    if (this.#isClosed) throw new WorkerEnded();
    const worker = cluster.fork();
    this.#candidate = worker;
    worker.once("exit", (code, signal) => this.#onExit(worker, code, signal));
    try {
      const url = await servingOn(worker, this.#isFirst ? loaded : withoutCounting(loaded));
      if (!this.#isClosed) accept(worker);
      return url;
    } finally {
      if (this.#candidate === worker) this.#candidate = undefined;
    }
  }

  #seat(worker: Worker): void {
    this.#worker = worker;
    this.#servingSinceMs = performance.now();
    clearTimeout(this.#retry);
  }

  #onExit(worker: Worker, code: number | null, signal: string | null): void {
    if (worker === this.#successor) this.#successor = undefined;
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    if (performance.now() - this.#servingSinceMs > STEADY_MS) this.#deathsInARow = 0;
    this.#tryLater(`worker ${worker.process.pid} died (${describeEnd(code, signal)})`);
    this.#onEmpty();
  }

  #tryLater(reason: unknown): void {
    if (this.#isClosed || this.#isPreparing) return;
    const delayMs = restartDelayMs(this.#deathsInARow++);
    const text = messageOf(reason);
    this.#logger.error(`Another worker is started in ${delayMs} ms: ${text}`);
    this.#retry = setTimeout(() => void this.fillSoonerOrLater(), delayMs);
  }
}

/** What fits is counted by one worker for all. */
function withoutCounting(loaded: LoadedConfig): LoadedConfig {
  const { config } = loaded;
  const stowage = { ...config.stowage, fitFlavorsFile: undefined };
  return { ...loaded, config: { ...config, stowage } };
}

/** Hands a new worker its configuration. Where it serves, once it does. */
function servingOn(worker: Worker, loaded: LoadedConfig): Promise<string> {
  return new Promise((resolve, reject) => {
    hearWorker(worker, "configuration wanted", () =>
      tellWorker(worker, { kind: "configuration", loaded }),
    );
    hearWorker(worker, "serving", ({ url }) => resolve(url));
    worker.once("exit", (code, signal) => reject(new WorkerEnded(code, signal)));
  });
}

/** Lets a worker finish its requests in flight; kills it when that takes too long. */
async function retire(worker: Worker, limitMs: number): Promise<void> {
  if (worker.isDead()) return;
  const ended = once(worker, "exit");
  worker.process.kill("SIGTERM");
  const timer = setTimeout(() => worker.process.kill("SIGKILL"), limitMs);
  await ended;
  clearTimeout(timer);
}
