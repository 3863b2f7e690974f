/**
 * What do replicas on a database server cost? The answer to every query is preceded by a question to
 * the change feed; and each process builds its read model from the server when it starts.
 *
 *     node bench/replicas.ts --help
 */
import { writeFile } from "node:fs/promises";

import { Command } from "commander";

import { defaultConfig } from "../src/config/config.ts";
import { openService } from "../src/operations/open-service.ts";
import { SERVER_ENGINES } from "../test/support/servers.ts";
import { SQLITE, type Engine } from "../test/support/engines.ts";
import {
  makeFolder,
  startProcess,
  writeConfig,
  type StowageProcess,
} from "../test/support/stowage.ts";
import { load } from "./candidates/load.ts";
import { median } from "./median.ts";
import { makeProviders } from "./replicas/fleet.ts";

const options = new Command("replicas")
  .description(
    "On the servers that listen on this machine, or that STOWAGE_TEST_POSTGRES_URL and\n" +
      "STOWAGE_TEST_MYSQL_URL name.\n\n" +
      "freshness  candidates a second, ten at once, of one of three replicas on a server's database,\n" +
      "           as a share of what one process on the embedded database answers, which asks nobody;\n" +
      "           they take turns\n" +
      "build      how long it takes to build the read model, and the largest growth of memory",
  )
  .option("--providers <number>", "in the fleet whose candidates are asked for", "1000")
  .option("--limit <number>", "of candidates in an answer", "1000")
  .option("--rounds <number>", "how often all take turns", "40")
  .option("--seconds <number>", "how long each has its turn", "0.4")
  .option("--build <number>", "providers of the read model that is built; 0 for none", "100000")
  .option("--json <file>", "writes the results there")
  .parse()
  .opts<
    Record<"providers" | "limit" | "rounds" | "seconds" | "build", string> & {
      readonly json?: string;
    }
  >();

const PROVIDERS = Number(options.providers);
const REPLICAS = 3;
const AT_ONCE = 10;
const WARM_UP_ROUNDS = 8;

const freshness = await measureFreshness();
console.table(freshness);
const builds = Number(options.build) > 0 ? await measureBuilds(Number(options.build)) : [];
console.table(builds);
if (options.json !== undefined) {
  await writeFile(options.json, `${JSON.stringify({ freshness, builds }, null, 2)}\n`);
}

async function measureFreshness() {
  const floor = await serve(SQLITE, 1);
  const rows = [];
  for (const engine of SERVER_ENGINES) {
    const served = await serve(engine, REPLICAS);
    const rates: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round < WARM_UP_ROUNDS + Number(options.rounds); round += 1) {
      const [own, other] = [await ask(served.url), await ask(floor.url)];
      if (round < WARM_UP_ROUNDS) continue;
      rates.push(own);
      floors.push(other);
    }
    await served.stop();
    rows.push({
      engine: engine.name,
      "answers/s": Math.round(median(rates)),
      "floor/s": Math.round(median(floors)),
      // In pairs: the machine is faster at one time than at another.
      share: Number(median(rates.map((rate, round) => rate / floors[round]!)).toFixed(2)),
    });
  }
  await floor.stop();
  return rows;
}

async function ask(base: string): Promise<number> {
  const path = `/allocation_candidates?resources=VCPU:1,MEMORY_MB:512&limit=${options.limit}`;
  const durationMs = Number(options.seconds) * 1000;
  const { perSecond } = await load(new URL(path, base), { connections: AT_ONCE, durationMs });
  return perSecond;
}

/** Starts processes on a new database with a fleet; the URL is that of the first. */
async function serve(engine: Engine, replicas: number) {
  const { connection, ...place } = await engine.createDatabase();
  await fill(connection, PROVIDERS);
  const folder = await makeFolder();
  await writeConfig(folder.path, {
    DEFAULT: { log_file: "/dev/null" },
    api: { auth_strategy: "noauth2" },
    placement_database: { connection },
  });
  const processes: StowageProcess[] = [];
  for (let count = 0; count < replicas; count += 1) processes.push(await startProcess(folder.path));
  return {
    url: processes[0]?.url ?? "",
    async stop() {
      await Promise.all(processes.map((process) => process.stop()));
      await folder.remove();
      await place.remove();
    },
  };
}

async function measureBuilds(providers: number) {
  const rows = [];
  for (const engine of [SQLITE, ...SERVER_ENGINES]) {
    const { connection, ...place } = await engine.createDatabase();
    await fill(connection, providers);
    globalThis.gc?.();
    const beforeBytes = process.memoryUsage().rss;
    let mostBytes = beforeBytes;
    const watch = setInterval(() => {
      mostBytes = Math.max(mostBytes, process.memoryUsage().rss);
    }, 5);
    const startedAtMs = performance.now();
    const service = await open(connection);
    const seconds = (performance.now() - startedAtMs) / 1000;
    clearInterval(watch);
    await service.close();
    await place.remove();
    rows.push({
      engine: engine.name,
      providers,
      seconds: Number(seconds.toFixed(2)),
      "most MiB": Math.round((mostBytes - beforeBytes) / 2 ** 20),
    });
  }
  return rows;
}

async function fill(connection: string, providers: number): Promise<void> {
  const service = await open(connection);
  await makeProviders(service.database, providers);
  await service.close();
}

function open(connection: string) {
  const config = defaultConfig({ placementDatabase: { connection } });
  return openService(config, { mayMigrate: true });
}
