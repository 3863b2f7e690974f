/**
 * How fast are claims? One after the other and fifty at once, inside the process and over HTTP;
 * beside them the floor of the same run, which is bare single-row commits to the same file.
 *
 *     node bench/claims.ts --help
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
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
import { makeFleet } from "./claims/fleet.ts";

const options = new Command("claims")
  .description(
    "Measures PUT /allocations on the embedded database, each commit waiting for the disk.\n\n" +
      "floor     single-row commits to the same file, one after the other\n" +
      "process   claims inside the process: what the queue and the database do\n" +
      "http      claims over HTTP, by a service started as an operator starts it\n" +
      "ratio     claims per second as a share of the floor of the same rounds, which take turns\n" +
      "p99/p50   how much longer than the median one in a hundred takes",
  )
  .option("--folder <path>", "where the database file is made: the disk to measure", tmpdir())
  .option("--rounds <number>", "how often all take turns", "4")
  .option("--seconds <number>", "how long a round is", "1.5")
  .option("--json <file>", "writes the results there")
  .parse()
  .opts<{
    readonly folder: string;
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
  readonly concurrency: number;
  readonly perClaim: number;
  readonly perTransaction: number;
  readonly claimsPerTransaction: number;
}

const folder = await mkdtemp(join(options.folder, "stowage-bench-"));
try {
  await main(join(folder, "placement.sqlite"));
} finally {
  await rm(folder, { recursive: true });
}

async function main(file: string): Promise<void> {
  const texts: string[] = [];
  const config = defaultConfig({ placementDatabase: { connection: `sqlite:///${file}` } });
  const service = await openService(config, {
    mayMigrate: true,
    onStatement: (text) => texts.push(text),
  });
  await makeFleet(service);
  const floor = openFloor(file);
  const statements = await countStatements(service, texts);
  const results = await measure("process", floor, async () => localCaller(service));
  await service.close();
  results.push(...(await measureOverHttp(file, floor)));
  floor.close();
  console.table(results.map(rowOf));
  console.table(statements.map(statementsRowOf));
  if (options.json !== undefined) {
    await writeFile(options.json, `${JSON.stringify({ results, statements }, null, 2)}\n`);
  }
}

async function measureOverHttp(file: string, floor: Floor): Promise<Measured[]> {
  await writeConfig(folder, {
    // The log is written, as in production, but not where it is shown.
    DEFAULT: { log_file: join(folder, "stowage.log") },
    api: { auth_strategy: "noauth2" },
    placement_database: { connection: `sqlite:///${file}` },
  });
  const stowage = await startProcess(folder);
  try {
    return await measure("http", floor, () => httpCaller(stowage.url));
  } finally {
    await stowage.stop();
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
      floors.push(floor.commitsPerSecond());
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

interface Floor {
  commitsPerSecond(): number;
  close(): void;
}

/** Nothing but commits, on a connection with the same settings as the one that writes claims. */
function openFloor(file: string): Floor {
  const database = new DatabaseSync(file, { timeout: 10_000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  database.exec("CREATE TABLE bench_floor (id INTEGER PRIMARY KEY, text VARCHAR(255))");
  const insert = database.prepare("INSERT INTO bench_floor (text) VALUES (?)");
  return {
    commitsPerSecond() {
      const startedAtMs = performance.now();
      let commits = 0;
      for (; performance.now() - startedAtMs < ROUND_MS / 2; commits += 1) {
        insert.run(`c0000000-0000-4000-8000-${commits}`);
      }
      return (commits * 1000) / (performance.now() - startedAtMs);
    },
    close() {
      database.exec("DROP TABLE bench_floor");
      database.close();
    },
  };
}

async function countStatements(service: Service, texts: string[]): Promise<Statements[]> {
  const counted: Statements[] = [];
  for (const concurrency of CONCURRENCIES) {
    const callers = Array.from({ length: concurrency }, () => localCaller(service));
    texts.length = 0;
    const { latenciesMs } = await measureRound(callers, ROUND_MS / 2);
    const transactions = texts.filter((text) => text === "begin immediate").length;
    counted.push({
      concurrency,
      perClaim: texts.length / latenciesMs.length,
      perTransaction: texts.length / transactions,
      claimsPerTransaction: latenciesMs.length / transactions,
    });
  }
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
    "at once": counted.concurrency,
    "statements/claim": Number(counted.perClaim.toFixed(2)),
    "statements/transaction": Number(counted.perTransaction.toFixed(1)),
    "claims/transaction": Number(counted.claimsPerTransaction.toFixed(1)),
  };
}

function median(values: readonly number[]): number {
  return (
    values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
  );
}
