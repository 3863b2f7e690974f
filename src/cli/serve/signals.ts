/**
 * What signals do to the process. They are handled from the beginning: as process 1 of a container,
 * no signal ends a process that does not handle it.
 */
export class Signals {
  /** Nothing is lost when a start is broken off. */
  #onStop: () => void = () => process.exit(0);
  #onHangUp: () => void = () => {};
  #onOther: (signal: string) => void = () => {};

  constructor() {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      // Again and again: a terminal and a service manager send it to every process of a group, and
      // the first process passes it on to its workers.
      process.on(signal, () => this.#onStop());
    }
    process.on("SIGHUP", () => this.#onHangUp());
    // Scripts that were written for Apache or uWSGI send these; by default each would end the process.
    for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
      process.on(signal, () => this.#onOther(signal));
    }
  }

  /** What is done with signals that mean something to other servers. */
  set onOther(tell: (signal: string) => void) {
    this.#onOther = tell;
  }

  /** Resolves with the first SIGTERM or SIGINT. From now on they no longer end the process. */
  async untilStopped(onHangUp: () => void = () => {}): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onStop = resolve;
    this.#onHangUp = onHangUp;
    await promise;
    this.#onHangUp = () => {};
  }
}
