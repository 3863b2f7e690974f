import cluster from "node:cluster";
import { spawn } from "node:child_process";
import type { ListeningPlace } from "../../http/listen.ts";
import type { Logger } from "../../observability/logger.ts";

type Environment = NodeJS.ProcessEnv;

/** The first descriptor that systemd hands over: `SD_LISTEN_FDS_START` of sd_listen_fds(3). */
const FIRST_DESCRIPTOR = 3;

/**
 * The sockets that systemd listens on for this service (socket activation, sd_listen_fds(3)); empty
 * without. They are meant for one process, and for the workers that it starts.
 */
export function handedOverSockets(environment: Environment): ListeningPlace[] {
  const owner = cluster.isWorker ? process.ppid : process.pid;
  if (Number(environment["LISTEN_PID"]) !== owner) return [];
  const count = Number(environment["LISTEN_FDS"]) || 0;
  return Array.from({ length: count }, (_, at) => ({ fd: FIRST_DESCRIPTOR + at }));
}

/** Each message is a process: a shorter `WatchdogSec` than two seconds cannot be met. */
const SHORTEST_WATCH_MS = 1000;
/** The most that a timer can wait. */
const LONGEST_WATCH_MS = 2 ** 31 - 1;

/** A manager that does not take the message must not keep the service from ending. */
const NOTIFY_TIMEOUT_MS = 5000;

/**
 * Tells systemd how the service is doing (`Type=notify`, sd_notify(3)). Node cannot send to its
 * socket, a datagram socket in the file system, so `systemd-notify` does, which comes with systemd:
 * the unit needs `NotifyAccess=all`. Without systemd, nothing is done.
 */
export class ServiceManager {
  readonly #environment: Environment;
  readonly #logger: Logger;
  #lastMessage: Promise<void> = Promise.resolve();

  constructor(environment: Environment, logger: Logger) {
    this.#environment = environment;
    this.#logger = logger;
  }

  ready(status: string): void {
    this.#send("READY=1", `STATUS=${status}`);
  }

  reloading(): void {
    // The clock that systemd compares with.
    const monotonicUs = process.hrtime.bigint() / 1000n;
    this.#send("RELOADING=1", `MONOTONIC_USEC=${monotonicUs}`);
  }

  stopping(): void {
    this.#send("STOPPING=1", "STATUS=Finishing the requests in flight");
  }

  /**
   * Tells systemd, twice in each `WatchdogSec` of the unit (sd_watchdog_enabled(3)), that the event loop
   * turns: when it does not, systemd starts the service anew.
   *
   * @returns the timer, if systemd waits for that
   */
  feedWatchdog(): NodeJS.Timeout | undefined {
    const { WATCHDOG_USEC: period, WATCHDOG_PID: pid = process.pid } = this.#environment;
    const periodMs = Number(period) / 1000;
    if (!(periodMs > 0) || Number(pid) !== process.pid) return undefined;
    const everyMs = Math.min(Math.max(periodMs / 2, SHORTEST_WATCH_MS), LONGEST_WATCH_MS);
    return setInterval(() => this.#send("WATCHDOG=1"), everyMs).unref();
  }

  /** One after the other: systemd must not hear that we are ready before it hears that we reload. */
  #send(...assignments: string[]): void {
    if (this.#environment["NOTIFY_SOCKET"] === undefined) return;
    this.#lastMessage = this.#lastMessage.then(() => this.#run(assignments));
  }

  #run(assignments: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const child = spawn("systemd-notify", assignments, {
        stdio: "ignore",
        env: this.#environment,
        timeout: NOTIFY_TIMEOUT_MS,
      });
      const finish = (failure?: string) => {
        if (failure) this.#logger.warn(`systemd was not told ${assignments[0]}: ${failure}`);
        resolve();
      };
      child.once("exit", (code, signal) => {
        finish(
          code === 0 ? undefined : `systemd-notify ended with ${signal ?? `exit code ${code}`}`,
        );
      });
      child.once("error", ({ message }) => finish(message));
    });
  }
}
