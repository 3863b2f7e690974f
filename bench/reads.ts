/**
 * What reads of providers cost, in processor time of the service: beside a bare `node:http` server that
 * sends the same bytes, beside OpenStack Placement where it is installed, and beside another checkout. All
 * take turns on one fleet, in one run.
 *
 *     node bench/reads.ts --help
 */
import { once } from "node:events";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Command } from "commander";

import { defaultConfig } from "../src/config/config.ts";
import { openService } from "../src/operations/open-service.ts";
import { isPlacementInstalled, startPlacement } from "../test/placement/real-placement.ts";
import { providerUuid } from "../test/support/fleet.ts";
import { makeFolder } from "../test/support/stowage.ts";
import { startService } from "./hostile/observed.ts";
import { median } from "./median.ts";
import { processorSeconds } from "./perfload/processor-time.ts";
import { costOf, Floor, type Measured, ObservedProcess } from "./reads/measured.ts";
import { makeProviders } from "./replicas/fleet.ts";

const options = new Command("reads")
  .description(
    "cpu ms     processor time of the service for an answer, the median of all rounds\n" +
      "of floor   that of a bare server that sends the same bytes, divided by it\n" +
      "upstream   how many times as much OpenStack Placement takes, if it is installed\n" +
      "before     how many times as much the other checkout takes\n" +
      "hold ms    the longest hold of the event loop",
  )
  .option("--before <folder>", "another checkout, with its node_modules, to compare with")
  .option("--providers <numbers>", "of the fleets, with commas", "1000,100000")
  .option("--rounds <number>", "how often all take turns", "5")
  .option("--only <text>", "reads whose path has this text", "")
  .option("--upstream <number>", "no fleet larger than that is read from Placement", "1000")
  .option("--json <file>", "writes the results there")
  .parse()
  .opts<
    Record<"providers" | "rounds" | "only" | "upstream", string> & {
      readonly before?: string;
      readonly json?: string;
    }
  >();

const HOST = providerUuid(500);
const PATHS = [
  "/resource_providers",
  "/resource_providers?resources=VCPU:1",
  "/resource_providers?required=HW_CPU_X86_AVX",
  `/resource_providers?in_tree=${HOST}`,
  `/resource_providers?name=host-500`,
  `/resource_providers/${HOST}`,
  `/resource_providers/${HOST}/inventories`,
  `/resource_providers/${HOST}/usages`,
  `/resource_providers/${HOST}/traits`,
  `/resource_providers/${HOST}/aggregates`,
  "/traits",
  "/resource_classes",
  "/usages?project_id=lab",
].filter((path) => path.includes(options.only));

/** What takes long is asked for less often, and upstream takes a hundred times as long. */
const LARGE_BYTES = 1024 * 1024;
const ASKED = { small: 400, large: 10, upstream: 20 };
const WARM_UP = 3;

let copies = 0;

const results = [];
for (const providers of options.providers.split(",").map(Number)) {
  results.push(...(await measureFleet(providers)));
}
console.table(results);
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
}

async function measureFleet(providers: number) {
  const folder = await makeFolder();
  const database = join(folder.path, "placement.sqlite");
  await makeFleet(database, providers);
  const after = await start(join(import.meta.dirname, ".."), folder.path, database);
  const before = options.before && (await start(options.before, folder.path, database));
  const placement =
    isPlacementInstalled && providers <= Number(options.upstream)
      ? await startPlacement(`sqlite:///${copyOf(database)}`, {}, { processes: 1, hasSchema: true })
      : undefined;
  const upstream = placement && {
    url: placement.client.url,
    processorMs: async () => processorSeconds(placement.pid) * 1000,
  };
  const floor = await Floor.start();
  const rows = [];
  for (const path of PATHS) {
    const bytes = await floor.take(after.url + path);
    rows.push({
      providers,
      path: path.replace(HOST, "…"),
      bytes,
      ...(await compare(path, bytes, { after, floor, before, upstream })),
    });
    console.log(JSON.stringify(rows.at(-1)));
  }
  await placement?.stop();
  for (const { process: child } of [after, floor, ...(before ? [before] : [])]) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await folder.remove();
  return rows;
}

async function compare(
  path: string,
  bytes: number,
  {
    after,
    floor,
    before,
    upstream,
  }: {
    readonly after: ObservedProcess;
    readonly floor: Measured;
    readonly before: Measured | undefined | "";
    readonly upstream: Measured | undefined;
  },
) {
  const count = bytes > LARGE_BYTES ? ASKED.large : ASKED.small;
  const costs = {
    after: [] as number[],
    floor: [] as number[],
    before: [] as number[],
    upstream: [] as number[],
  };
  for (let round = -WARM_UP; round < Number(options.rounds); round += 1) {
    if (round === 0) await after.longestHoldMs();
    costs.after.push(await costOf(after, path, count));
    costs.floor.push(await costOf(floor, path, count));
    if (before) costs.before.push(await costOf(before, path, count));
    if (upstream) costs.upstream.push(await costOf(upstream, path, ASKED.upstream));
  }
  const of = (name: keyof typeof costs) => median(costs[name].slice(WARM_UP));
  const cost = of("after");
  return {
    "cpu ms": rounded(cost),
    "of floor": rounded(of("floor") / cost),
    upstream: upstream && rounded(of("upstream") / cost),
    before: before && rounded(of("before") / cost),
    "hold ms": rounded(await after.longestHoldMs()),
  };
}

async function makeFleet(database: string, providers: number): Promise<void> {
  const config = defaultConfig({
    placementDatabase: { connection: `sqlite:///${database}`, syncOnStartup: true },
  });
  const service = await openService(config, { mayMigrate: true });
  await makeProviders(service.database, providers);
  await service.close();
}

async function start(checkout: string, folder: string, database: string) {
  const { child, url } = await startService(checkout, folder, copyOf(database), {});
  return new ObservedProcess(child, url);
}

/** A file belongs to one process. */
function copyOf(database: string): string {
  copies += 1;
  const copy = `${database}.${copies}`;
  cpSync(database, copy);
  return copy;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
