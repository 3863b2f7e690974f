/**
 * The load of upstream's own performance job, on OpenStack Placement and on Stowage in one run: the
 * same fleets, queries and claims, one service after the other.
 *
 *     node bench/perfload.ts --help
 */
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";

import { Command } from "commander";

import { SERVER_ENGINES } from "../test/support/servers.ts";
import { isPlacementInstalled, startPlacement } from "../test/placement/real-placement.ts";
import { Client } from "../test/support/client.ts";
import { SQLITE } from "../test/support/engines.ts";
import { makeFolder, startProcess, writeConfig } from "../test/support/stowage.ts";
import { load, quantiles } from "./candidates/load.ts";
import { type Job, JOBS, type MadeProvider } from "./perfload/fleets.ts";
import { processorSeconds } from "./perfload/processor-time.ts";

const options = new Command("perfload")
  .description(
    "Needs Debian's python3-placement and uwsgi (scripts/install-for-tests.sh) and MySQL.\n" +
      "Stowage makes the fleet; then one after the other serves it from the same database.\n\n" +
      "making/s      requests a second while providers are made, ten at once where the engine can\n" +
      "GET ms        candidates, one request after the other, with claims in between; the median\n" +
      "claim ms      the median of those claims\n" +
      "GET/s         candidates, ten at once\n" +
      "cpu ms        processor time of the service per request: what does not depend on the client",
  )
  .option("--only <text>", "jobs whose name has this text", "")
  .option("--requests <number>", "candidates asked for ten at once", "500")
  .option("--claims <number>", "at most so many claims; the job's own number unless given")
  .option("--making <number>", "so many trees are made on both, and timed", "50")
  .option("--seconds <number>", "no longer than this for each measurement", "120")
  .option("--processes <number>", "of OpenStack Placement", "2")
  .option("--engine <name>", "MySQL, PostgreSQL or SQLite", "MySQL")
  .option("--json <file>", "writes the results there")
  .parse()
  .opts<
    Record<"only" | "requests" | "making" | "seconds" | "processes" | "engine", string> & {
      readonly claims?: string;
      readonly json?: string;
    }
  >();

const AT_ONCE = 10;
/** Of Placement's processes on SQLite, all but one would be told that the database is locked. */
const WRITERS = options.engine === "SQLite" ? 1 : AT_ONCE;
const LEAST_MS = 3000;
const MOST_MS = Number(options.seconds) * 1000;

interface Service {
  readonly client: Client;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Measured {
  readonly candidates: number;
  readonly makingPerSecond: number;
  readonly getMs: number;
  readonly claimMs: number;
  readonly getsPerSecond: number;
  readonly processorMs: number;
}

if (!isPlacementInstalled) throw new Error("OpenStack Placement is not installed");
const results: { job: string; stowage: Measured; placement: Measured }[] = [];
for (const job of JOBS.filter(({ name }) => name.includes(options.only))) {
  const [stowage, placement] = await runJob(job);
  results.push({ job: job.name, stowage, placement });
  console.log(job.name);
  console.table({
    Placement: rowOf(placement),
    Stowage: rowOf(stowage),
    "times as fast": rowOf(ratio(stowage, placement)),
  });
}
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
}

async function runJob(job: Job): Promise<[stowage: Measured, placement: Measured]> {
  const engine = [SQLITE, ...SERVER_ENGINES].find(({ name }) => name === options.engine);
  if (engine === undefined) throw new Error(`${options.engine} cannot be reached`);
  const database = await engine.createDatabase();
  const { connection } = database;
  try {
    const settings = { randomize_allocation_candidates: job.isRandom };
    const stowage = await startStowage(connection, settings);
    await makeTrees(stowage, job, job.trees);
    const measured = await measure(stowage, job);
    await stowage.stop();
    const placement = await startPlacement(
      connection,
      {},
      { processes: Number(options.processes), options: settings, hasSchema: true },
    );
    const peer = await measure(placement, job);
    await placement.stop();
    return [measured, peer];
  } finally {
    await database.remove();
  }
}

async function startStowage(
  connection: string,
  settings: Readonly<Record<string, boolean>>,
): Promise<Service> {
  const folder = await makeFolder();
  await writeConfig(folder.path, {
    api: { auth_strategy: "noauth2" },
    placement: settings,
    placement_database: { connection, sync_on_startup: true },
  });
  const running = await startProcess(folder.path);
  const client = new Client(running.url, AT_ONCE);
  return {
    client,
    pid: running.process.pid ?? 0,
    async stop() {
      client.close();
      await running.stop();
      await folder.remove();
    },
  };
}

/** Several trees at once; within a tree, one request after the other. */
async function makeTrees({ client }: Service, job: Job, count: number): Promise<number> {
  await client.expectSuccess("PUT", "/traits/CUSTOM_FOO");
  let next = 0;
  let requests = 0;
  const work = async () => {
    while (next < count) {
      for (const provider of job.makeTree(next++)) requests += await makeProvider(client, provider);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, work));
  return requests;
}

async function makeProvider(client: Client, provider: MadeProvider): Promise<number> {
  const { uuid, parent, inventories, traits, aggregates } = provider;
  const path = `/resource_providers/${uuid}`;
  const send = async (method: string, to: string, body: object) => {
    await client.expectSuccess(method, to, { body });
  };
  await send("POST", "/resource_providers", {
    uuid,
    name: uuid,
    ...(parent && { parent_provider_uuid: parent }),
  });
  let generation = 0;
  const set = (what: string, value: object) =>
    send("PUT", `${path}/${what}`, { resource_provider_generation: generation++, ...value });
  await set("inventories", { inventories });
  if (traits.length > 0) await set("traits", { traits });
  if (aggregates.length > 0) await set("aggregates", { aggregates });
  return 1 + generation;
}

async function measure(service: Service, job: Job): Promise<Measured> {
  const { client, pid } = service;
  const path = `/allocation_candidates?${job.query}`;
  const { claimsMs, getsMs } = await claimInBetween(client, path, claimsOf(job));
  const answer = await client.expectSuccess("GET", path);
  const { allocation_requests: found } = answer.json<{ allocation_requests: unknown[] }>();
  const url = new URL(path, client.url);
  // For the compiler, which one of the two has.
  await load(url, { connections: AT_ONCE, durationMs: LEAST_MS });
  const before = processorSeconds(pid);
  const gets = await load(url, {
    connections: AT_ONCE,
    durationMs: LEAST_MS,
    requests: { atLeast: Number(options.requests), durationMs: MOST_MS },
  });
  const seconds = processorSeconds(pid) - before;
  const startedAtMs = performance.now();
  const made = await makeTrees(service, job, Number(options.making));
  return {
    candidates: found.length,
    makingPerSecond: (made * 1000) / (performance.now() - startedAtMs),
    getMs: quantiles(getsMs).medianMs,
    claimMs: quantiles(claimsMs).medianMs,
    getsPerSecond: gets.perSecond,
    processorMs: (seconds * 1000) / gets.count,
  };
}

function claimsOf(job: Job): number {
  return Math.min(job.claims, Number(options.claims ?? job.claims));
}

/** Asks twice for candidates, then claims the first of five, over and over. */
async function claimInBetween(client: Client, path: string, claims: number) {
  const getsMs: number[] = [];
  const claimsMs: number[] = [];
  const endsAtMs = performance.now() + MOST_MS;
  for (let claim = 0; claim <= claims && performance.now() < endsAtMs; claim += 1) {
    for (let time = 0; time < 2; time += 1) {
      await timed(getsMs, () => client.expectSuccess("GET", path));
    }
    if (claim === claims || path.includes("limit=")) continue;
    const few = await client.expectSuccess("GET", `${path}&limit=5`);
    const [first] = few.json<{ allocation_requests: object[] }>().allocation_requests;
    const body = {
      ...first,
      consumer_generation: null,
      project_id: randomUUID(),
      user_id: randomUUID(),
      consumer_type: "TEST",
    };
    await timed(claimsMs, () =>
      client.expectSuccess("PUT", `/allocations/${randomUUID()}`, { body }),
    );
  }
  return { getsMs, claimsMs };
}

async function timed(into: number[], work: () => Promise<unknown>): Promise<void> {
  const startedAtMs = performance.now();
  await work();
  into.push(performance.now() - startedAtMs);
}

function ratio(stowage: Measured, placement: Measured): Measured {
  return {
    candidates: stowage.candidates / placement.candidates,
    makingPerSecond: stowage.makingPerSecond / placement.makingPerSecond,
    getMs: placement.getMs / stowage.getMs,
    claimMs: placement.claimMs / stowage.claimMs,
    getsPerSecond: stowage.getsPerSecond / placement.getsPerSecond,
    processorMs: placement.processorMs / stowage.processorMs,
  };
}

function rowOf(measured: Measured) {
  return {
    candidates: rounded(measured.candidates),
    "making/s": rounded(measured.makingPerSecond),
    "GET ms": rounded(measured.getMs),
    "claim ms": rounded(measured.claimMs),
    "GET/s": rounded(measured.getsPerSecond),
    "cpu ms": rounded(measured.processorMs),
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
