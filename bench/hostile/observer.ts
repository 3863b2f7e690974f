/**
 * Loaded into the service's process ahead of it (`node --import`): tells its parent, when asked, how
 * long the event loop was held since the last question, or how many milliseconds of processor time it took.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";

/** One reading of the event loop's own histogram. */
export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The most processor time that the thread took between two looks at its clock: the hold, whatever else runs. */
  readonly maxCpuMs: number;
}

const histogram = monitorEventLoopDelay({ resolution: 1 });
histogram.enable();

let lastCpuMs = threadCpuMs();
let maxCpuMs = 0;
setInterval(() => {
  const cpuMs = threadCpuMs();
  maxCpuMs = Math.max(maxCpuMs, cpuMs - lastCpuMs);
  lastCpuMs = cpuMs;
}, 1).unref();

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

process.on("message", (message) => {
  if (message === "processor time?") {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / 1000);
  }
  if (message !== "loop delay?") return;
  const { max } = histogram;
  const p99 = histogram.percentile(99);
  histogram.reset();
  process.send?.({ p99Ms: p99 / 1e6, maxMs: max / 1e6, maxCpuMs } satisfies LoopDelay);
  maxCpuMs = 0;
});
// The service must be able to end.
process.channel?.unref();
