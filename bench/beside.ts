/**
 * Is this checkout as fast as another one? Runs the benchmarks of both in turns, in short rounds, as the speed
 * of a machine changes from minute to minute, and compares each figure round by round.
 *
 *     node bench/beside.ts <other checkout, with its packages installed> --help
 *
 * Exits with 1 when a figure is slower by more than allowed, by the median of all rounds.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";

import { median } from "./median.ts";

const BENCHMARKS: Readonly<Record<string, readonly string[]>> = {
  candidates: ["--seconds", "1"],
  claims: ["--rounds", "2", "--seconds", "1"],
  replicas: ["--rounds", "10", "--build", "20000"],
};

/** Of these more is better, of those less. A ratio is a share of the floor of the same run, which no load disturbs. */
const RATE = /(perSecond|answers\/s|ratio|share)$/;
const COST = /(medianMs|searchMs|writeMs|seconds|most MiB)$/;

const command = new Command("beside")
  .argument("<checkout>", "the one to be compared with")
  .option("--rounds <number>", "how often both take turns", "5")
  .option("--only <names>", "which benchmarks", Object.keys(BENCHMARKS).join())
  .option("--allowed <percent>", "how much slower a figure may be", "5")
  .parse();
const options = command.opts<Readonly<Record<"rounds" | "only" | "allowed", string>>>();
const here = join(import.meta.dirname, "..");
const [there = here] = command.args;

const folder = mkdtempSync(join(tmpdir(), "stowage-bench-"));
/** By figure, per round: how many times as fast it is here. */
const speeds = new Map<string, number[]>();
try {
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const name of options.only.split(",")) compare(name, round);
    console.error(`round ${round + 1} of ${options.rounds} is done`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
let isSlower = false;
for (const [figure, ratios] of speeds) {
  const speed = median(ratios);
  const isTooSlow = speed < 1 - Number(options.allowed) / 100;
  isSlower ||= isTooSlow;
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  console.log(`${isTooSlow ? "SLOWER" : "      "} ${speed.toFixed(3)} (${range})  ${figure}`);
}
process.exitCode = isSlower ? 1 : 0;

function compare(name: string, round: number): void {
  // Each is first in half of the rounds.
  const order = round % 2 === 0 ? [here, there] : [there, here];
  const figures = new Map(order.map((checkout) => [checkout, measure(checkout, name)]));
  for (const [figure, ours] of figures.get(here) ?? []) {
    const theirs = figures.get(there)?.get(figure);
    if (theirs === undefined || ours === 0 || theirs === 0) continue;
    const speed = RATE.test(figure) ? ours / theirs : theirs / ours;
    speeds.set(figure, [...(speeds.get(figure) ?? []), speed]);
  }
}

function measure(checkout: string, name: string): Map<string, number> {
  const file = join(folder, "results.json");
  const args = [`bench/${name}.ts`, ...(BENCHMARKS[name] ?? []), "--json", file];
  execFileSync(process.execPath, args, { cwd: checkout, stdio: ["ignore", "ignore", "inherit"] });
  return new Map(figuresOf(JSON.parse(readFileSync(file, "utf8")), name));
}

/** The rates and times in a result, with the names that lead to them; not those of the floor. */
function* figuresOf(value: unknown, path: string): Generator<[figure: string, value: number]> {
  if (typeof value === "number") {
    if (RATE.test(path) || COST.test(path)) yield [path, value];
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, part] of Object.entries(value)) {
    if (key.startsWith("floor")) continue;
    const { name, engine } = (part ?? {}) as Readonly<Record<string, string | undefined>>;
    yield* figuresOf(part, `${path}, ${name ?? engine ?? key}`);
  }
}
