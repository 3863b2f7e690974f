/**
 * What a snapshot of the fleet, and a list of it, cost in processor time of the service: beside a bare server that
 * sends the same bytes, when nothing has changed since the last one, after claims, and made for the first time. All
 * take turns, in one run.
 *
 *     node bench/snapshot.ts --help
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { Command } from "commander";

import type { FleetShape } from "./candidates/fleets.ts";
import type { Order } from "./long-answers/server.ts";
import { median } from "./median.ts";

const options = new Command("snapshot")
  .option("--hosts <numbers>", "of the fleets, with commas", "1000,10000,100000")
  .option("--rounds <number>", "how often all take turns", "15")
  .parse()
  .opts<{ readonly hosts: string; readonly rounds: string }>();

const HEADERS = { "x-auth-token": "admin", "openstack-api-version": "placement 1.39" };
const ANSWERS = [
  { path: "/stowage/v1/providers", accept: "application/json" },
  { path: "/stowage/v1/providers", accept: "application/x-ndjson" },
  { path: "/resource_providers", accept: "application/json" },
] as const;
const WARM_UP = 3;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const results = [];
for (const hosts of options.hosts.split(",").map(Number)) results.push(...(await measure(hosts)));
console.table(results);

async function measure(hosts: number) {
  const shape: FleetShape = { kind: "flat", trees: hosts, devices: 0 };
  const server = fork(new URL("long-answers/server.ts", import.meta.url), [
    JSON.stringify([shape, 1]),
  ]);
  const [[url, buffers]] = (await once(server, "message")) as [[string, string]];
  const tell = async <Reply>(order: Order) => {
    server.send(order);
    return ((await once(server, "message")) as [Reply])[0];
  };
  const costOf = async (ask: () => Promise<number>) => {
    const before = await tell<number>({ order: "processor time" });
    await ask();
    return (await tell<number>({ order: "processor time" })) - before;
  };
  const rows = [];
  for (const { path, accept } of ANSWERS) {
    const ask = (from: string) => () => read(from + path, accept);
    const kinds: Record<string, () => Promise<number>> = {
      floor: () => costOf(ask(buffers)),
      same: () => costOf(ask(url)),
      "10 claims": async () => {
        await tell({ order: "claim", claims: 10 });
        return costOf(ask(url));
      },
      "1 % claimed": async () => {
        await tell({ order: "claim", claims: hosts / 100 });
        return costOf(ask(url));
      },
      "all claimed": async () => {
        await tell({ order: "claim", claims: hosts });
        return costOf(ask(url));
      },
      first: async () => {
        await tell({ order: "forget" });
        return costOf(ask(url));
      },
    };
    const costs = new Map(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
    const bytes = await read(url + path, accept);
    for (let round = -WARM_UP; round < Number(options.rounds); round += 1) {
      for (const [kind, cost] of Object.entries(kinds)) {
        const ms = await cost();
        if (round >= 0) costs.get(kind)!.push(ms);
        // What follows is asked of what is kept.
        if (kind === "first") await read(url + path, accept);
      }
    }
    const floor = median(costs.get("floor")!);
    const row = {
      hosts,
      answer: `${path}${accept.endsWith("ndjson") ? ", lines" : ""}`,
      MB: Number((bytes / 1e6).toFixed(1)),
      "floor ms": rounded(floor),
      ...Object.fromEntries(
        [...costs].slice(1).map(([kind, all]) => [kind, rounded(median(all) / floor)]),
      ),
    };
    console.log(JSON.stringify(row));
    rows.push(row);
  }
  server.disconnect();
  await once(server, "exit");
  return rows;
}

function read(url: string, accept: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: { ...HEADERS, accept } }, (response) => {
      let bytes = 0;
      if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode}`));
      response.on("data", (part: Buffer) => (bytes += part.length));
      response.on("end", () => resolve(bytes)).on("error", reject);
    }).on("error", reject);
  });
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
