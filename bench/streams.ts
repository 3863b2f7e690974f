/**
 * What those who watch cost those who claim: claims with a hundred open streams and without, taking turns in one
 * process, by the processor time of the service.
 *
 *     node bench/streams.ts --help
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { Command } from "commander";

import { startHere } from "../test/support/stowage.ts";
import { localCaller } from "./claims/callers.ts";
import { BENCH_ENGINES } from "./claims/engines.ts";
import { makeFleet, providerUuid } from "./claims/fleet.ts";
import { median } from "./median.ts";

const options = new Command("streams")
  .option("--engines <names>", "which of SQLite, PostgreSQL and MySQL", "SQLite,PostgreSQL,MySQL")
  .option("--rounds <number>", "so many of each", "10")
  .option("--claims <number>", "in each round, fifty at once", "3000")
  .option("--streams <number>", "so many", "100")
  .option("--kinds <names>", "of streams", "host,consumer,project,all")
  .parse()
  .opts<Readonly<Record<"engines" | "rounds" | "claims" | "streams" | "kinds", string>>>();

/** The query of each of them. */
const KINDS: Readonly<Record<string, (number: number) => string>> = {
  // One of a thousand hosts that are claimed.
  host: (number) => `provider=${providerUuid(number)}`,
  consumer: (number) => `consumer=d0000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  tree: (number) => `tree=${providerUuid(number)}`,
  project: (number) => `project_id=nobody-${number}`,
  all: () => "",
};

const watchers = fork(join(import.meta.dirname, "streams", "watchers.ts"));
const wanted = options.engines.split(",");
for (const engine of BENCH_ENGINES.filter(({ name }) => wanted.includes(name))) {
  const database = await engine.createDatabase();
  const stowage = await startHere({ placementDatabase: { connection: database.connection } });
  await makeFleet(stowage.service);
  for (const kind of options.kinds.split(",")) {
    const times: Record<"with" | "without", number[]> = { with: [], without: [] };
    for (let round = -1; round < Number(options.rounds); round += 1) {
      for (const which of round % 2 === 0
        ? (["with", "without"] as const)
        : (["without", "with"] as const)) {
        await openStreams(which === "with" ? kind : undefined, stowage.client.url);
        const took = await measure(stowage);
        if (round >= 0) times[which].push(took);
      }
    }
    const ratios = times.with.map((took, round) => took / times.without[round]!);
    console.log(
      `${engine.name}, ${options.streams} streams of ${kind}: ${median(times.without).toFixed(1)} µs a claim ` +
        `without, ${median(times.with).toFixed(1)} with; ratio ${median(ratios).toFixed(3)}`,
    );
  }
  await openStreams(undefined, stowage.client.url);
  await stowage.stop();
  await database.remove();
}
watchers.disconnect();
process.exit();

async function openStreams(kind: string | undefined, url: string): Promise<void> {
  const count = kind === undefined ? 0 : Number(options.streams);
  const urls = Array.from(
    { length: count },
    (_, number) => `${url}/stowage/v1/events?${KINDS[kind!]!(number)}`,
  );
  watchers.send(urls);
  await once(watchers, "message");
  // Each has joined the tail of the feed by then.
  await new Promise((resolve) => setTimeout(resolve, 1500));
}

/** In microseconds of processor time for each claim, with all that watchers are told of it. */
async function measure({ service }: Awaited<ReturnType<typeof startHere>>): Promise<number> {
  const callers = Array.from({ length: 50 }, () => localCaller(service));
  const count = Number(options.claims);
  const before = process.cpuUsage();
  await Promise.all(
    callers.map(async (caller) => {
      for (let done = 0; done < count / callers.length; done += 1) await caller.claim();
    }),
  );
  // What is still to be told of the last claims.
  await new Promise((resolve) => setTimeout(resolve, 400));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}
