/**
 * How fast are allocation candidates found and answered? For fleets that are flat, nested and wide:
 * the search alone, the answer inside the process, and the answer over HTTP; beside it the floor of
 * the same run, which is a bare `node:http` server that sends the same bytes from a buffer.
 *
 *     node bench/candidates.ts --help
 */
import { writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { Command } from "commander";

import { answerer, buildIndex, searcher, writer } from "./candidates/answering.ts";
import {
  type FleetShape,
  providersOf,
  type Scenario,
  scenarios as listScenarios,
} from "./candidates/fleets.ts";
import { load, type Load, quantiles } from "./candidates/load.ts";
import type { ServedScenario } from "./candidates/server.ts";
import { upload } from "./candidates/upload.ts";

interface Options {
  readonly seed: string;
  readonly only: string;
  readonly huge: boolean;
  readonly seconds: string;
  readonly connections: string;
  readonly json?: string;
  readonly against?: string;
}

const options = new Command("candidates")
  .description(
    "Measures GET /allocation_candidates and the read model beneath it.\n\n" +
      "search    finding the candidates, in this process\n" +
      "first     finding and writing them, in this process, for a query that nobody has asked before\n" +
      "write     writing them alone, and how many times as long the first answer takes\n" +
      "again     the answer to a query that was asked before, with a claim since\n" +
      "…/s       the same behind node:http in a thread of its own\n" +
      "floor     that server, sending the same bytes from a buffer; all take turns in short rounds\n" +
      "ratio     requests per second as a share of the floor's",
  )
  .option("--seed <number>", "what the fleets follow from", "1")
  .option("--only <text>", "scenarios whose name has this text, such as `flat` or `64 devices`", "")
  .option("--huge", "flat fleets of a million providers, too", false)
  .option("--seconds <number>", "how long each scenario is loaded over HTTP", "2")
  .option("--connections <number>", "requests under way at once", "4")
  .option("--json <file>", "writes the results there")
  .option(
    "--against <url>",
    "an empty Placement with noauth2: gets the first of these fleets, and the load of its scenarios",
  )
  .parse()
  .opts<Options>();

const seed = Number(options.seed);
const ROUND_MS = 250;
const UPDATES = 100_000;

interface Measured {
  readonly name: string;
  readonly candidates: number;
  readonly bytes: number;
  readonly searchMs: number;
  readonly first: Timed;
  readonly again: Timed;
  readonly writeMs: number;
  readonly floor: Load;
  readonly against?: Load;
}

type Quantiles = Pick<Load, "medianMs" | "p99Ms">;

interface HttpShare {
  readonly http: Load;
  readonly ratio: number;
}

type Timed = Quantiles & HttpShare;

await main();

async function main(): Promise<void> {
  const scenarios = chosenScenarios();
  const index = options.only === "" || options.only === "index" ? await measureIndex() : undefined;
  const [first] = scenarios;
  if (options.against !== undefined && first !== undefined) {
    await upload(new URL(options.against), first.fleet, seed);
  }
  const results: Measured[] = [];
  let built: { shape: string; index: ReturnType<typeof buildIndex> } | undefined;
  for (const scenario of scenarios) {
    const shape = JSON.stringify(scenario.fleet);
    if (built?.shape !== shape) built = { shape, index: buildIndex(scenario.fleet, seed) };
    results.push(await measure(scenario, built.index));
    console.table([rowOf(results.at(-1)!)]);
  }
  console.table(results.map(rowOf));
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ seed, index, results }, null, 2)}\n`);
  }
}

function chosenScenarios(): Scenario[] {
  const chosen = listScenarios({ isHuge: options.huge }).filter(({ name }) =>
    name.includes(options.only),
  );
  if (options.against === undefined) return chosen;
  // The other service has one fleet.
  return chosen.filter((scenario) => fleetKey(scenario) === fleetKey(chosen[0]));
}

function fleetKey(scenario: Scenario | undefined): string {
  return JSON.stringify(scenario?.fleet);
}

async function measure(
  scenario: Scenario,
  index: ReturnType<typeof buildIndex>,
): Promise<Measured> {
  const search = searcher(index, scenario.query);
  const answer = answerer(index, scenario.query);
  const searchMs: number[] = [];
  const write = writer(index, scenario.query);
  const firstMs: number[] = [];
  const againMs: number[] = [];
  const writeMs: number[] = [];
  let bytes = 0;
  const endsAtMs = performance.now() + 1000;
  while (performance.now() < endsAtMs || firstMs.length < 20) {
    searchMs.push(await timeMs(search));
    firstMs.push(await timeMs(async () => (bytes = (await answer.first()).byteLength)));
    writeMs.push(await timeMs(write));
    againMs.push(await timeMs(() => answer.again()));
  }
  const { first, again, ...others } = await measureHttp(scenario);
  return {
    name: scenario.name,
    candidates: search(),
    bytes,
    searchMs: quantiles(searchMs).medianMs,
    first: { ...quantiles(firstMs), ...first },
    again: { ...quantiles(againMs), ...again },
    writeMs: quantiles(writeMs).medianMs,
    ...others,
  };
}

async function measureHttp(
  scenario: Scenario,
): Promise<Pick<Measured, "floor" | "against"> & Record<"first" | "again", HttpShare>> {
  const told = new Int32Array(new SharedArrayBuffer(4));
  const workerData: ServedScenario = { scenario, seed, port: told };
  const worker = new Worker(new URL("candidates/server.ts", import.meta.url), { workerData });
  await Atomics.waitAsync(told, 0, 0).value;
  const port = told[0]!;
  const connections = Number(options.connections);
  const firsts: Load[] = [];
  const repeated: Load[] = [];
  const floors: Load[] = [];
  const peers: Load[] = [];
  const rounds = Math.max(2, Math.round((Number(options.seconds) * 1000) / ROUND_MS / 2));
  for (let round = 0; round <= rounds; round++) {
    // Turn by turn, because a machine is not equally fast from one second to the next.
    const at = (path: string) => new URL(path, `http://127.0.0.1:${port}`);
    const floor = await load(at("/floor"), { connections, durationMs: ROUND_MS });
    const first = await load(at("/first"), { connections, durationMs: ROUND_MS });
    const again = await load(at("/again"), { connections, durationMs: ROUND_MS });
    // The first round is for the compiler.
    if (round === 0) continue;
    floors.push(floor);
    firsts.push(first);
    repeated.push(again);
    if (options.against === undefined) continue;
    const peer = new URL(`allocation_candidates?${scenario.query}`, options.against);
    peers.push(await load(peer, { connections, durationMs: ROUND_MS }));
  }
  await worker.terminate();
  const floor = medianLoad(floors);
  const shareOf = (loads: readonly Load[]) => {
    const http = medianLoad(loads);
    return { http, ratio: http.perSecond / floor.perSecond };
  };
  return {
    first: shareOf(firsts),
    again: shareOf(repeated),
    floor,
    ...(peers.length > 0 && { against: medianLoad(peers) }),
  };
}

function medianLoad(loads: readonly Load[]): Load {
  const median = (value: (load: Load) => number) => quantiles(loads.map(value)).medianMs;
  return {
    count: median(({ count }) => count),
    perSecond: median(({ perSecond }) => perSecond),
    medianMs: median(({ medianMs }) => medianMs),
    p99Ms: median(({ p99Ms }) => p99Ms),
  };
}

/** Building the read model, its size, and what one change costs. */
async function measureIndex() {
  const shape: FleetShape = { kind: "flat", trees: 100_000, devices: 0 };
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  const before = process.memoryUsage();
  const index = buildIndex(shape, seed);
  collectGarbage();
  const after = process.memoryUsage();
  const records = [...providersOf({ ...shape, trees: 1000 }, seed)];
  const rebuilt = await timeMs(() => buildIndex(shape, seed));
  const generated = await timeMs(() => [...providersOf(shape, seed)].length);
  const put = await timeMs(() => {
    for (let number = 0; number < UPDATES; number++) index.put(records[number % 1000]!);
  });
  const used = new Map([[0, 1]]);
  const use = await timeMs(() => {
    for (let number = 0; number < UPDATES; number++) {
      index.applyUsage(1 + (number % 1000), number, used);
    }
  });
  const measured = {
    providers: shape.trees,
    buildMs: Math.max(0, rebuilt - generated),
    bytesPerProvider: (bytesOf(after) - bytesOf(before)) / shape.trees,
    putMicroseconds: (put / UPDATES) * 1000,
    applyUsageMicroseconds: (use / UPDATES) * 1000,
  };
  console.table([measured]);
  return measured;
}

function bytesOf(usage: NodeJS.MemoryUsage): number {
  return usage.heapUsed + usage.arrayBuffers;
}

async function timeMs(work: () => unknown): Promise<number> {
  const startedAtMs = performance.now();
  await work();
  return performance.now() - startedAtMs;
}

function rowOf(measured: Measured) {
  return {
    scenario: measured.name,
    candidates: measured.candidates,
    kB: Math.round(measured.bytes / 1000),
    "search ms": rounded(measured.searchMs, 3),
    "first ms": rounded(measured.first.medianMs, 3),
    "p99 ms": rounded(measured.first.p99Ms, 3),
    "write ms": rounded(measured.writeMs, 3),
    "first/write": rounded(measured.first.medianMs / measured.writeMs, 1),
    "again ms": rounded(measured.again.medianMs, 3),
    "floor/s": Math.round(measured.floor.perSecond),
    "first/s": Math.round(measured.first.http.perSecond),
    ratio: rounded(measured.first.ratio, 2),
    "again/s": Math.round(measured.again.http.perSecond),
    "ratio ": rounded(measured.again.ratio, 2),
    ...(measured.against && { "against/s": rounded(measured.against.perSecond, 2) }),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
