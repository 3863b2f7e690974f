/** What the thread of the event loop worked while something was done. */
export interface LoopWork {
  readonly totalMs: number;
  /** In the longest of the rounds: so long, nobody else was served. */
  readonly longestMs: number;
}

/** In time of the processor, which does not depend on how busy the machine is. */
export async function loopWork(work: () => Promise<unknown>): Promise<LoopWork> {
  const startedAtMs = processorTimeMs();
  let roundAtMs = startedAtMs;
  let longestMs = 0;
  let isOver = false;
  const round = () => {
    const now = processorTimeMs();
    longestMs = Math.max(longestMs, now - roundAtMs);
    roundAtMs = now;
    if (!isOver) setImmediate(round);
  };
  setImmediate(round);
  await work();
  isOver = true;
  return { totalMs: processorTimeMs() - startedAtMs, longestMs };
}

function processorTimeMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
