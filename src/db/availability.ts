import type { Logger } from "../observability/logger.ts";
import { DatabaseUnavailable } from "../domain/errors.ts";
import { DatabaseBusy, DatabaseReadOnly } from "./errors.ts";

export type Access = "read" | "write";

interface Failing {
  readonly lastAtMs: number;
  /** So long without a failure, it is over. */
  readonly quietMs: number;
}

/** A success counts when nothing has failed for as long as the slowest failure took, and this. */
const QUIET_MS = 1000;

/** How often it is tried whether the database is back, when no request does so. */
const PROBE_INTERVAL_MS = 1000;

/**
 * Whether the database takes part, judged by what became of transactions, as a circuit breaker does that lets
 * probes through: says so in the log when
 * that changes, and not for each of them.
 */
export class Availability {
  readonly #logger: Pick<Logger, "error" | "info">;
  readonly #probe: (access: Access) => Promise<unknown>;
  readonly #failing = new Map<Access, Failing>();
  #awaySinceMs = 0;
  #isKnownReadOnly = false;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** @param probe a transaction of which the outcome is told here, too */
  constructor(logger: Pick<Logger, "error" | "info">, probe: (access: Access) => Promise<unknown>) {
    this.#logger = logger;
    this.#probe = probe;
  }

  succeeded(access: Access): void {
    const failing = this.#failing.get(access);
    if (!failing || performance.now() - failing.lastAtMs < failing.quietMs) return;
    this.#failing.delete(access);
    if (this.#failing.size > 0) return;
    clearTimeout(this.#timer);
    const seconds = ((performance.now() - this.#awaySinceMs) / 1000).toFixed(1);
    this.#logger.info(`The database is back after ${seconds} s`);
  }

  /** Whether what reads, or what writes, has failed and not succeeded since. */
  isAway(access: Access): boolean {
    return this.#failing.has(access);
  }

  /** @param tookMs how long it took to fail */
  failed(access: Access, error: unknown, tookMs: number): void {
    if (!(error instanceof DatabaseUnavailable) || this.#isStopped) return;
    if (this.#failing.size === 0) this.#beginAbsence(error, tookMs);
    // A server that has gone may be replaced by one that only reads.
    else if (error instanceof DatabaseReadOnly && !this.#isKnownReadOnly) this.#report(error);
    // As long as some still get through, the next failure may take as long as any before.
    const quietMs = Math.max(QUIET_MS + tookMs, this.#failing.get(access)?.quietMs ?? 0);
    this.#failing.set(access, { lastAtMs: performance.now(), quietMs });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #beginAbsence(error: DatabaseUnavailable, tookMs: number): void {
    this.#awaySinceMs = performance.now() - tookMs;
    this.#report(error);
    this.#probeLater();
  }

  #report(error: DatabaseUnavailable): void {
    this.#isKnownReadOnly = error instanceof DatabaseReadOnly;
    this.#logger.error(
      `The database ${describe(error)}: ${error.message}; requests are answered with 503`,
    );
  }

  #probeLater(): void {
    this.#timer = setTimeout(() => void this.#probeAll(), PROBE_INTERVAL_MS).unref();
  }

  async #probeAll(): Promise<void> {
    await Promise.allSettled([...this.#failing.keys()].map((access) => this.#probe(access)));
    if (this.#failing.size > 0 && !this.#isStopped) this.#probeLater();
  }
}

function describe(error: DatabaseUnavailable): string {
  if (error instanceof DatabaseReadOnly) return "takes no writes";
  return error instanceof DatabaseBusy ? "is blocked" : "is away";
}
