import { readdirSync, readFileSync } from "node:fs";

/** The kernel's clock ticks: `getconf CLK_TCK` is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** The processor time, in seconds, that a process and all its children have taken so far. */
export function processorSeconds(pid: number): number {
  const own = statOf(pid);
  if (own === undefined) return 0;
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
  );
  return children.reduce((sum, child) => sum + processorSeconds(Number(child)), own);
}

function statOf(pid: number): number | undefined {
  try {
    // After the name, which may have spaces: the 12th and 13th are user and system time.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}
