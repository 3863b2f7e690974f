/**
 * What the history costs the process that makes it: claims while it is made and without, taking turns in one process,
 * by processor time; and how fast it is made of what others have written.
 *
 *     node bench/history.ts --help
 */
import { Command } from "commander";

import { startHere, type LocalStowage } from "../test/support/stowage.ts";
import { localCaller } from "./claims/callers.ts";
import { BENCH_ENGINES } from "./claims/engines.ts";
import { makeFleet } from "./claims/fleet.ts";
import { median } from "./median.ts";

const options = new Command("history")
  .option("--engines <names>", "which of SQLite, PostgreSQL and MySQL", "SQLite,PostgreSQL,MySQL")
  .option("--rounds <number>", "so many of each", "8")
  .option("--claims <number>", "in each round, fifty at once", "4000")
  .parse()
  .opts<Readonly<Record<"engines" | "rounds" | "claims", string>>>();

const COUNT = Number(options.claims);
const wanted = options.engines.split(",");
for (const engine of BENCH_ENGINES.filter(({ name }) => wanted.includes(name))) {
  const database = await engine.createDatabase();
  const stowage = await startHere({ placementDatabase: { connection: database.connection } });
  await makeFleet(stowage.service);
  await stowage.service.history.catchUp();
  const [making, without, rates]: [number[], number[], number[]] = [[], [], []];
  for (let round = -1; round < Number(options.rounds); round += 1) {
    const first = round % 2 === 0 ? await claimAndMake(stowage) : await claimOnly(stowage);
    const startedAtMs = performance.now();
    const added = await stowage.service.history.catchUp();
    const rate = (added * 1000) / (performance.now() - startedAtMs);
    const second = round % 2 === 0 ? await claimOnly(stowage) : await claimAndMake(stowage);
    await stowage.service.history.catchUp();
    if (round < 0) continue;
    making.push(round % 2 === 0 ? first : second);
    without.push(round % 2 === 0 ? second : first);
    if (added > COUNT / 2) rates.push(rate);
  }
  const ratio = median(making.map((took, at) => took / without[at]!));
  console.log(
    `${engine.name}: ${median(without).toFixed(1)} µs a claim without, ${median(making).toFixed(1)} with all of it ` +
      `in the history; ratio ${ratio.toFixed(3)}; made at ${Math.round(median(rates))} changes a second`,
  );
  await stowage.stop();
  await database.remove();
}
process.exit();

/** In microseconds of processor time for each claim. */
function claimOnly({ service }: LocalStowage): Promise<number> {
  return measure(async () => {
    const callers = Array.from({ length: 50 }, () => localCaller(service));
    await Promise.all(
      callers.map(async (caller) => {
        for (let done = 0; done < COUNT / callers.length; done += 1) await caller.claim();
      }),
    );
  });
}

function claimAndMake(stowage: LocalStowage): Promise<number> {
  return measure(async () => {
    const over = new AbortController();
    const running = stowage.service.history.run(over.signal, (error) => {
      throw error;
    });
    await claimOnly(stowage);
    over.abort();
    await running;
    await stowage.service.history.catchUp();
  });
}

async function measure(work: () => Promise<void | number>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / COUNT;
}
