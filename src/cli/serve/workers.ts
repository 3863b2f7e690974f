import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import type { Config, LoadedConfig } from "../../config/config.ts";
import { ConfigError } from "../../config/config-error.ts";
import { parseConnectionUrl } from "../../config/connection-url.ts";
import type { ListeningPlace } from "../../http/listen.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Reloadable } from "./reload.ts";
import { describeEnd, WorkerEnded } from "./worker-ended.ts";

/**
 * @throws ConfigError when the database's URL cannot be used, or when several processes are wanted
 * on a database that allows one only
 */
export function checkDatabase({ stowage, placementDatabase }: Config): void {
  const { connection, connectionParameters } = placementDatabase;
  const { engine } = parseConnectionUrl(connection, connectionParameters);
  if (engine !== "sqlite" || stowage.workers === 1) return;
  throw new ConfigError(
    `[stowage] workers = ${stowage.workers} needs PostgreSQL or MySQL: one process has an SQLite ` +
      "database to itself",
  );
}

/**
 * The configuration that the first process has for this one; its files may say something else by
 * now. It holds passwords: others could see them in arguments or in the environment.
 */
export async function configFromPrimary(): Promise<LoadedConfig> {
  const answered = once(process, "message");
  process.send?.(QUESTION);
  const [loaded] = (await answered) as [LoadedConfig];
  return loaded;
}

/** It is asked for: what is sent before a worker listens is lost. */
const QUESTION = "which configuration?";

/** Tells the first process that this one serves. */
export function announceToPrimary(url: string): void {
  process.send?.({ servingOn: url } satisfies Announcement);
}

interface Announcement {
  readonly servingOn: string;
}

/**
 * The processes that serve, as the first one sees them. They share its sockets, and each is a
 * replica with its own connections to the database and its own read model. One that dies is started
 * again.
 */
export class Workers implements Reloadable {
  readonly #seats: Seat[] = [];
  readonly #hasInheritedSockets: boolean;
  readonly #logger: Logger;
  #shutdownTimeout: number;
  #url = "";
  #isStopping = false;

  private constructor({ config }: LoadedConfig, hasInheritedSockets: boolean, logger: Logger) {
    this.#shutdownTimeout = config.stowage.shutdownTimeout;
    this.#hasInheritedSockets = hasInheritedSockets;
    this.#logger = logger;
  }

  /**
   * Starts the first one by itself: it finds out whether the others have a chance, and brings the
   * schema up to date where it may.
   *
   * @throws WorkerEnded when it does not get to serving
   */
  static async start(
    loaded: LoadedConfig,
    places: readonly ListeningPlace[],
    logger: Logger,
  ): Promise<Workers> {
    const workers = new Workers(loaded, places.length > 0, logger);
    workers.#url = await workers.#addSeat(loaded).fill();
    const { workers: count } = loaded.config.stowage;
    const others = Array.from({ length: count - 1 }, () => workers.#addSeat(loaded));
    await Promise.all(others.map((seat) => seat.fillSoonerOrLater()));
    return workers;
  }

  get url(): string {
    return this.#url;
  }

  /**
   * Replaces the workers one after the other, each when its successor serves, so that there are
   * never fewer.
   *
   * @throws WorkerEnded when a successor does not get to serving: the others stay as they are
   */
  async reload(loaded: LoadedConfig): Promise<void> {
    const { workers, shutdownTimeout } = loaded.config.stowage;
    this.#shutdownTimeout = shutdownTimeout;
    for (const seat of this.#seats.slice(0, workers)) await seat.replace(loaded, this.#limitMs);
    while (this.#seats.length < workers && !this.#isStopping) {
      await this.#addSeat(loaded).fill();
    }
    const surplus = this.#seats.splice(workers);
    await Promise.all(surplus.map((seat) => seat.close(this.#limitMs)));
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

  get #limitMs(): number {
    return this.#shutdownTimeout * 1000 + CLOSING_MS;
  }

  #addSeat(loaded: LoadedConfig): Seat {
    const seat = new Seat(loaded, this.#logger, () => this.#checkSockets());
    this.#seats.push(seat);
    return seat;
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
  /** What its workers are started with. */
  #loaded: LoadedConfig;
  #worker: Worker | undefined;
  /** Started, but not serving yet. */
  #candidate: Worker | undefined;
  #servingSinceMs = 0;
  #deathsInARow = 0;
  #retry: NodeJS.Timeout | undefined;
  #isBeingRefilled = false;
  #isClosed = false;

  constructor(loaded: LoadedConfig, logger: Logger, onEmpty: () => void) {
    this.#loaded = loaded;
    this.#logger = logger;
    this.#onEmpty = onEmpty;
  }

  get isEmpty(): boolean {
    return this.#worker === undefined;
  }

  /**
   * Starts a worker; when it serves, the seat is its, and its successors get the same configuration.
   *
   * @returns where it serves
   * @throws WorkerEnded
   */
  async fill(loaded = this.#loaded): Promise<string> {
    const worker = cluster.fork();
    this.#candidate = worker;
    worker.once("exit", (code, signal) => this.#onExit(worker, code, signal));
    try {
      const url = await servingOn(worker, loaded);
      this.#worker = worker;
      this.#loaded = loaded;
      this.#servingSinceMs = performance.now();
      clearTimeout(this.#retry);
      return url;
    } finally {
      if (this.#candidate === worker) this.#candidate = undefined;
    }
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

  /** Fills the seat anew, then lets the worker go that had it. */
  async replace(loaded: LoadedConfig, limitMs: number): Promise<void> {
    try {
      const predecessor = await this.#refill(loaded, limitMs);
      if (predecessor) await retire(predecessor, limitMs);
    } catch (error) {
      if (this.isEmpty) this.#tryLater(error);
      throw error;
    }
  }

  /** Fills the seat no more, and lets the worker go. */
  async close(limitMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const workers = [this.#worker, this.#candidate].filter((worker) => worker !== undefined);
    this.#worker = undefined;
    await Promise.all(workers.map((worker) => retire(worker, limitMs)));
  }

  /** @returns the worker that had the seat */
  async #refill(loaded: LoadedConfig, limitMs: number): Promise<Worker | undefined> {
    clearTimeout(this.#retry);
    this.#isBeingRefilled = true;
    try {
      // One that is being started would serve with the former configuration.
      if (this.#candidate) await retire(this.#candidate, limitMs);
      if (this.#isClosed) return undefined;
      const predecessor = this.#worker;
      await this.fill(loaded);
      return predecessor;
    } finally {
      this.#isBeingRefilled = false;
    }
  }

  #onExit(worker: Worker, code: number | null, signal: string | null): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    if (performance.now() - this.#servingSinceMs > STEADY_MS) this.#deathsInARow = 0;
    this.#tryLater(`worker ${worker.process.pid} died (${describeEnd(code, signal)})`);
    this.#onEmpty();
  }

  #tryLater(reason: unknown): void {
    if (this.#isClosed || this.#isBeingRefilled) return;
    const delayMs = restartDelayMs(this.#deathsInARow++);
    const text = reason instanceof Error ? reason.message : String(reason);
    this.#logger.error(`Another worker is started in ${delayMs} ms: ${text}`);
    this.#retry = setTimeout(() => void this.fillSoonerOrLater(), delayMs);
  }
}

/** Hands a new worker its configuration. Where it serves, once it does. */
function servingOn(worker: Worker, loaded: LoadedConfig): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.on("message", (message: unknown) => {
      // One that cannot be reached any more has died, which is noticed anyway.
      if (message === QUESTION) worker.send(loaded, () => {});
      if (isAnnouncement(message)) resolve(message.servingOn);
    });
    worker.once("exit", (code, signal) => reject(new WorkerEnded(code, signal)));
  });
}

function isAnnouncement(message: unknown): message is Announcement {
  return typeof message === "object" && message !== null && "servingOn" in message;
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
