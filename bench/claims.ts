/**
 * How fast are claims? One after the other and fifty at once, inside the process and over HTTP;
 * beside them the floor of the same run, which is bare single-row commits to the same database.
 *
 *     node bench/claims.ts --help
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Command } from "commander";

import { defaultConfig } from "../src/config/config.ts";
import { openService } from "../src/operations/open-service.ts";
import type { Service } from "../src/operations/service.ts";
import { startProcess, writeConfig } from "../test/support/stowage.ts";
import { quantiles } from "./candidates/load.ts";
import {
  httpCaller,
  localCaller,
  measureRound,
  type Caller,
  type Round,
} from "./claims/callers.ts";
import { BENCH_ENGINES, RoundTripCounter, type BenchEngine, type Floor } from "./claims/engines.ts";
import { makeFleet } from "./claims/fleet.ts";
import { median } from "./median.ts";

const options = new Command("claims")
  .description(
    "Measures PUT /allocations on the embedded database, each commit waiting for the disk, and on the\n" +
      "servers that listen on this machine or that STOWAGE_TEST_POSTGRES_URL and STOWAGE_TEST_MYSQL_URL\n" +
      "name; TMPDIR says on which disk the embedded database is.\n\n" +
      "floor     single-row commits to the same database, one after the other\n" +
      "process   claims inside the process: what the queue and the database do\n" +
      "http      claims over HTTP, by a service started as an operator starts it\n" +
      "ratio     claims per second as a share of the floor of the same rounds, which take turns\n" +
      "p99/p50   how much longer than the median one in a hundred takes\n" +
      "round trips are those of the database, counted on the wire",
  )
  .option("--engines <names>", "which of SQLite, PostgreSQL and MySQL", "SQLite,PostgreSQL,MySQL")
  .option("--rounds <number>", "how often all take turns", "4")
  .option("--seconds <number>", "how long a round is", "1.5")
  .option("--json <file>", "writes the results there")
  .parse()
  .opts<{
    readonly engines: string;
    readonly rounds: string;
    readonly seconds: string;
    readonly json?: string;
  }>();

const ROUNDS = Number(options.rounds);
const ROUND_MS = Number(options.seconds) * 1000;
const CONCURRENCIES = [1, 50];

interface Measured {
  readonly name: string;
  readonly perSecond: number;
  readonly floorPerSecond: number;
  readonly ratio: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly claims: number;
}

interface Statements {
  readonly name: string;
  readonly perClaim: number;
  readonly perTransaction: number;
  readonly claimsPerTransaction: number;
  /** None with the embedded database. */
  readonly roundTripsPerTransaction: number;
}

const results: Measured[] = [];
const statements: Statements[] = [];
const wanted = options.engines.split(",");
for (const engine of BENCH_ENGINES.filter(({ name }) => wanted.includes(name))) {
  const database = await engine.createDatabase();
  try {
    await main(engine, database.connection);
  } finally {
    await database.remove();
  }
}
console.table(results.map(rowOf));
console.table(statements.map(statementsRowOf));
if (options.json !== undefined) {
  await writeFile(options.json, `${JSON.stringify({ results, statements }, null, 2)}\n`);
}

async function main(engine: BenchEngine, connection: string): Promise<void> {
  const service = await open(connection);
  await makeFleet(service);
  const floor = await engine.openFloor(connection);
  const measured = await measure(`${engine.name}, process`, floor, async () =>
    localCaller(service),
  );
  await service.close();
  statements.push(...(await countStatements(engine, connection)));
  results.push(...measured, ...(await measureOverHttp(engine, connection, floor)));
  await floor.close();
}

function open(connection: string, onStatement?: (text: string) => void): Promise<Service> {
  const config = defaultConfig({ placementDatabase: { connection } });
  return openService(config, { mayMigrate: true, ...(onStatement && { onStatement }) });
}

async function measureOverHttp(
  engine: BenchEngine,
  connection: string,
  floor: Floor,
): Promise<Measured[]> {
  const folder = await mkdtemp(join(tmpdir(), "stowage-bench-"));
  await writeConfig(folder, {
    // The log is written, as in production, but not where it is shown.
    DEFAULT: { log_file: join(folder, "stowage.log") },
    api: { auth_strategy: "noauth2" },
    placement_database: { connection },
  });
  const stowage = await startProcess(folder);
  try {
    return await measure(`${engine.name}, http`, floor, () => httpCaller(stowage.url));
  } finally {
    await stowage.stop();
    await rm(folder, { recursive: true });
  }
}

/** All take turns in short rounds, because the speed of a disk changes from minute to minute. */
async function measure(
  name: string,
  floor: Floor,
  makeCaller: () => Promise<Caller>,
): Promise<Measured[]> {
  const callers = await Promise.all(
    Array.from({ length: Math.max(...CONCURRENCIES) }, () => makeCaller()),
  );
  await measureRound(callers, ROUND_MS);
  const floors: number[] = [];
  const rounds = new Map<number, Round[]>(CONCURRENCIES.map((concurrency) => [concurrency, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [concurrency, measured] of rounds) {
      floors.push(await commitsPerSecond(floor));
      measured.push(await measureRound(callers.slice(0, concurrency), ROUND_MS));
    }
  }
  for (const caller of callers) caller.close();
  const floorPerSecond = median(floors);
  return [...rounds].map(([concurrency, measured]) => {
    const latenciesMs = measured.flatMap((round) => round.latenciesMs);
    const perSecond = median(measured.map((round) => round.perSecond));
    return {
      name: `${name}, ${concurrency} at once`,
      perSecond,
      floorPerSecond,
      ratio: perSecond / floorPerSecond,
      ...quantiles(latenciesMs),
      claims: latenciesMs.length,
    };
  });
}

async function commitsPerSecond(floor: Floor): Promise<number> {
  const startedAtMs = performance.now();
  let commits = 0;
  for (; performance.now() - startedAtMs < ROUND_MS / 2; commits += 1) {
    await floor.commit(`c0000000-0000-4000-8000-${commits}`);
  }
  return (commits * 1000) / (performance.now() - startedAtMs);
}

async function countStatements(engine: BenchEngine, connection: string): Promise<Statements[]> {
  const isServer = !connection.startsWith("sqlite");
  const proxy = isServer ? await RoundTripCounter.start(connection) : undefined;
  const texts: string[] = [];
  const service = await open(proxy?.url ?? connection, (text) => texts.push(text));
  const counted: Statements[] = [];
  for (const concurrency of CONCURRENCIES) {
    const callers = Array.from({ length: concurrency }, () => localCaller(service));
    await measureRound(callers, ROUND_MS / 4);
    texts.length = 0;
    if (proxy) proxy.counter.roundTrips = 0;
    const { latenciesMs } = await measureRound(callers, ROUND_MS / 2);
    const transactions = texts.filter(
      (text) =>
        text.includes('insert into "consumers"') || text.includes("insert into `consumers`"),
    ).length;
    counted.push({
      name: `${engine.name}, ${concurrency} at once`,
      perClaim: texts.length / latenciesMs.length,
      perTransaction: texts.length / transactions,
      claimsPerTransaction: latenciesMs.length / transactions,
      roundTripsPerTransaction: (proxy?.counter.roundTrips ?? 0) / transactions,
    });
  }
  await service.close();
  proxy?.counter.stop();
  return counted;
}

function rowOf({ name, perSecond, floorPerSecond, ratio, medianMs, p99Ms }: Measured) {
  return {
    "": name,
    "claims/s": Math.round(perSecond),
    "floor/s": Math.round(floorPerSecond),
    ratio: Number(ratio.toFixed(2)),
    "p50 ms": Number(medianMs.toFixed(2)),
    "p99 ms": Number(p99Ms.toFixed(2)),
    "p99/p50": Number((p99Ms / medianMs).toFixed(1)),
  };
}

function statementsRowOf(counted: Statements) {
  return {
    "": counted.name,
    "statements/claim": Number(counted.perClaim.toFixed(2)),
    "statements/transaction": Number(counted.perTransaction.toFixed(1)),
    "claims/transaction": Number(counted.claimsPerTransaction.toFixed(1)),
    "round trips/transaction": Number(counted.roundTripsPerTransaction.toFixed(1)),
  };
}
