/**
 * What does a claim in one call cost, in time of the processor, beside the two calls that it replaces:
 * candidates with a limit of 1, and a PUT? The service runs in a process of its own; the kinds take turns. Then,
 * how many a second do many clients get, beside bare commits to the same database, one after the other?
 *
 *     node bench/claim-in-one-call.ts --hosts 1000 --connection postgresql://…
 */
import { join } from "node:path";
import { Command } from "commander";

import { Client } from "../test/support/client.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../test/support/fleet.ts";
import { makeFolder, startProcess, writeConfig } from "../test/support/stowage.ts";
import { openFloorBeside } from "./claims/engines.ts";
import { median } from "./median.ts";
import { processorSeconds } from "./perfload/processor-time.ts";

const options = new Command("claim-in-one-call")
  .option("--hosts <number>", "the size of the fleet", "1000")
  .option("--claims <number>", "of each kind in each round", "1000")
  .option("--rounds <number>", "how often each kind has its turn", "5")
  .option("--clients <number>", "at once, when the rate is measured", "50")
  .option("--connection <url>", "an empty database; a file of SQLite of its own unless given")
  .parse()
  .opts<{
    readonly hosts: string;
    readonly claims: string;
    readonly rounds: string;
    readonly clients: string;
    readonly connection?: string;
  }>();

const AT_ONCE = 8;
const FLOOR_MS = 1000;
const QUERY = "resources=VCPU:1,MEMORY_MB:10";
const OWNER = { project_id: "lab", user_id: "ann", type: "INSTANCE" };

let consumers = 0;

async function inTwoCalls(client: Client): Promise<void> {
  const path = `/allocation_candidates?${QUERY}&limit=1`;
  const found = await client.expectSuccess("GET", path);
  const { allocation_requests: requests } = found.json<{
    allocation_requests: { allocations: Record<string, { resources: Record<string, number> }> }[];
  }>();
  const amounts = Object.entries(requests[0]!.allocations).map(
    ([provider, { resources }]) => [provider, resources] as const,
  );
  const body = claimBody(Object.fromEntries(amounts));
  await client.expectSuccess("PUT", `/allocations/${consumerUuid((consumers += 1))}`, { body });
}

function inOneCall(more: object = {}, hasKey = false) {
  return async (client: Client): Promise<void> => {
    const uuid = consumerUuid((consumers += 1));
    await client.expectSuccess("POST", "/stowage/v1/claims", {
      body: { query: QUERY, consumer: { ...OWNER, uuid }, ...more },
      headers: hasKey ? { "idempotency-key": uuid } : {},
    });
  };
}

const KINDS = {
  "GET candidates, PUT": inTwoCalls,
  first: inOneCall({ prefer: "first" }),
  random: inOneCall(),
  "random, with a key": inOneCall({}, true),
  "random, with a lease": inOneCall({ lease: { seconds: 3600 } }),
  "spread among 100": inOneCall({ prefer: "spread" }),
};

await main();

async function main(): Promise<void> {
  const folder = await makeFolder();
  const file = `sqlite:///${join(folder.path, "placement.sqlite")}`;
  await writeConfig(folder.path, {
    DEFAULT: { log_file: join(folder.path, "stowage.log") },
    api: { auth_strategy: "noauth2" },
    placement_database: { connection: options.connection ?? file, sync_on_startup: true },
    placement: { randomize_allocation_candidates: true },
    stowage: { host: "127.0.0.1" },
  });
  const service = await startProcess(folder.path);
  const client = new Client(service.url);
  for (let host = 1; host <= Number(options.hosts); host += 1) {
    await makeProvider(client, providerUuid(host), { VCPU: 100_000, MEMORY_MB: 1_000_000 });
  }
  const spent = new Map<string, number[]>();
  // The first round is to warm up.
  for (let round = 0; round <= Number(options.rounds); round += 1) {
    for (const [kind, claim] of Object.entries(KINDS)) {
      const before = processorSeconds(service.process.pid!);
      await claimAll(() => claim(client));
      const seconds = processorSeconds(service.process.pid!) - before;
      if (round > 0) spent.set(kind, [...(spent.get(kind) ?? []), seconds]);
    }
  }
  const usual = median(spent.get("GET candidates, PUT")!);
  console.table(
    Array.from(spent, ([kind, seconds]) => ({
      kind,
      "µs of the processor": Math.round((median(seconds) / Number(options.claims)) * 1e6),
      ratio: Number((median(seconds) / usual).toFixed(2)),
    })),
  );
  console.table([await compareRates(client, options.connection ?? file)]);
  client.close();
  await service.stop();
  await folder.remove();
}

/** In turns, as a machine is faster at one time than at another. */
async function compareRates(client: Client, connection: string) {
  const floor = await openFloorBeside(connection);
  const claim = inOneCall();
  const [claims, commits]: [number[], number[]] = [[], []];
  for (let round = 1; round <= Number(options.rounds); round += 1) {
    let count = 0;
    const beganMs = performance.now();
    for (; performance.now() - beganMs < FLOOR_MS; count += 1) await floor.commit("a row");
    commits.push((count * 1000) / (performance.now() - beganMs));
    const startedMs = performance.now();
    await claimAll(() => claim(client), Number(options.clients));
    claims.push((Number(options.claims) * 1000) / (performance.now() - startedMs));
  }
  await floor.close();
  const [perSecond, floorPerSecond] = [median(claims), median(commits)];
  return {
    clients: Number(options.clients),
    "claims a second": Math.round(perSecond),
    "commits a second": Math.round(floorPerSecond),
    ratio: Number((perSecond / floorPerSecond).toFixed(2)),
  };
}

async function claimAll(claim: () => Promise<void>, atOnce = AT_ONCE): Promise<void> {
  let left = Number(options.claims);
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await claim();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
