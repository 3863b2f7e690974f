import type { Log } from "../../observability/logger.ts";

/** What a service manager and a terminal ask to stop with; by default, SIGQUIT would dump the memory. */
const STOP = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;

/** By default, the first opens a debugger's port to every user of the machine, the other kills. */
const WITHOUT_EFFECT = ["SIGUSR1", "SIGUSR2"] as const;

/**
 * What signals do to the process. They are handled from the beginning: as process 1 of a container,
 * no signal ends a process that does not handle it.
 */
export class Signals {
  readonly #stop = Promise.withResolvers<void>();
  #log: Log | undefined;
  #mayBeServing = false;
  #isStopping = false;
  #onHangUp: (() => void) | undefined;
  #isHangUpWaiting = false;

  constructor() {
    for (const signal of STOP) {
      // Again and again: a terminal and a service manager send it to every process of a group, and
      // the first process passes it on to its workers.
      process.on(signal, () => this.#beginToStop());
    }
    process.on("SIGHUP", () => this.#hangUp());
    for (const signal of WITHOUT_EFFECT) {
      process.on(signal, () => {
        this.#log?.logger.warn(
          `${signal} does nothing; SIGHUP opens the log anew and reads the configuration`,
        );
      });
    }
  }

  /** Where is said what a signal does, or does not do yet. */
  useLog(log: Log): void {
    this.#log = log;
  }

  /**
   * From now on requests may be in flight, and SIGTERM does not end the process any more: whoever serves
   * has to wait for `stopped`. Before that, nothing is lost when a start is broken off.
   */
  beginToServe(): void {
    this.#mayBeServing = true;
  }

  /** Resolves with the first signal that asks to stop. */
  get stopped(): Promise<void> {
    return this.#stop.promise;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** What SIGHUP does from now on; at once if it came before. */
  onHangUp(work: () => void): void {
    this.#onHangUp = work;
    if (this.#isHangUpWaiting) work();
    this.#isHangUpWaiting = false;
  }

  #beginToStop(): void {
    this.#isStopping = true;
    if (this.#mayBeServing) this.#stop.resolve();
    else void this.#endAtOnce();
  }

  async #endAtOnce(): Promise<void> {
    await this.#log?.end();
    process.exit(0);
  }

  #hangUp(): void {
    if (this.#isStopping)
      this.#log?.logger.info("SIGHUP has no effect any more: the service stops");
    else if (this.#onHangUp) this.#onHangUp();
    else {
      this.#isHangUpWaiting = true;
      this.#log?.logger.info("SIGHUP: the configuration is read again when the start is over");
    }
  }
}
