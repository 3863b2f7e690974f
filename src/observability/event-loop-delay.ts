import { monitorEventLoopDelay } from "node:perf_hooks";

/** A timer of this period tells how late the event loop is. */
const RESOLUTION_MS = 10;

/** After so long it is begun anew to measure, so that what was is not told of for ever. */
const WINDOW_MS = 30_000;

type Statistic = "p50" | "p99" | "max";
type Delays = Readonly<Record<Statistic, number>>;

/**
 * How late the event loop gets to its work: the worse of the present and the last window, so that it does
 * not depend on who scrapes how often.
 */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #last: Delays = { p50: 0, p99: 0, max: 0 };

  constructor() {
    this.#histogram.enable();
    setInterval(() => this.#beginAnew(), WINDOW_MS).unref();
  }

  seconds(statistic: Statistic): number {
    return Math.max(this.#last[statistic], this.#present()[statistic]);
  }

  #beginAnew(): void {
    this.#last = this.#present();
    this.#histogram.reset();
  }

  #present(): Delays {
    const { max } = this.#histogram;
    return {
      p50: delayOf(this.#histogram.percentile(50)),
      p99: delayOf(this.#histogram.percentile(99)),
      max: delayOf(max),
    };
  }
}

/** @param nanoseconds from one call of the timer to the next */
function delayOf(nanoseconds: number): number {
  return Math.max(nanoseconds / 1e9 - RESOLUTION_MS / 1000, 0);
}
