/**
 * How long one request of each route that tells of the whole fleet holds the event loop: by the loop's own histogram
 * of delays, which other work of the machine lengthens as well, and in processor time of the thread between two looks at its
 * clock, which it does not.
 *
 *     node bench/holds.ts --help
 */
import { once } from "node:events";
import { Agent, request as open } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Command } from "commander";

import { defaultConfig } from "../src/config/config.ts";
import { openService } from "../src/operations/open-service.ts";
import { consumerUuid, providerUuid } from "../test/support/fleet.ts";
import { makeFolder } from "../test/support/stowage.ts";
import { startService } from "./hostile/observed.ts";
import { median } from "./median.ts";
import { ObservedProcess } from "./reads/measured.ts";
import { makeProviders } from "./replicas/fleet.ts";

const options = new Command("holds")
  .option("--providers <number>", "in the fleet", "100000")
  .option("--rounds <number>", "so often each is asked for", "7")
  .option("--claims <number>", "made while it answers", "20")
  .option("--only <text>", "paths that have this text", "")
  .parse()
  .opts<Record<"providers" | "rounds" | "claims" | "only", string>>();

const LINES = { accept: "application/x-ndjson" };
const ASKED: readonly (readonly [path: string, headers?: Record<string, string>])[] = [
  ["/healthz"],
  ["/readyz"],
  ["/stowage/v1"],
  ["/metrics"],
  ["/metrics/providers"],
  ["/stowage/v1/providers"],
  ["/stowage/v1/providers", LINES],
  ["/stowage/v1/providers?fields=usages"],
  ["/stowage/v1/providers?resources=VCPU:1"],
  ["/resource_providers"],
  ["/resource_providers", { "openstack-api-version": "placement 1.0" }],
  ["/resource_providers?resources=VCPU:1"],
  ["/resource_providers?required=HW_CPU_X86_AVX"],
];

const HEADERS = {
  "x-auth-token": "admin",
  "openstack-api-version": "placement 1.39",
  "content-type": "application/json",
};
const agent = new Agent({ keepAlive: true });

const folder = await makeFolder();
const database = join(folder.path, "placement.sqlite");
const service = await openService(
  defaultConfig({
    placementDatabase: { connection: `sqlite:///${database}`, syncOnStartup: true },
  }),
  { mayMigrate: true },
);
await makeProviders(service.database, Number(options.providers));
await service.close();
const { child, url } = await startService(
  join(import.meta.dirname, ".."),
  folder.path,
  database,
  {},
);
process.on("exit", () => child.kill("SIGKILL"));
const observed = new ObservedProcess(child, url);
let claims = 0;
const rows = [];
for (const [path, headers = {}] of ASKED.filter(([it]) => it.includes(options.only))) {
  rows.push({ path, ...headers, claims: 0, ...(await measure(path, headers, 0)) });
  const some = Number(options.claims);
  rows.push({ path, ...headers, claims: some, ...(await measure(path, headers, some)) });
}
rows.push({ path: "nothing", claims: 0, ...(await measure(undefined, {}, 0)) });
console.table(rows);
child.kill("SIGKILL");
await once(child, "exit");
await folder.remove();

async function measure(
  path: string | undefined,
  headers: Readonly<Record<string, string>>,
  claimed: number,
) {
  const holds = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    await observed.hold();
    const answer = path === undefined ? sleep(500) : ask("GET", path, headers);
    await Promise.all([answer, claim(claimed)]);
    holds.push(await observed.hold());
  }
  const [first] = holds;
  const rest = holds.slice(1);
  const row = {
    "cpu, first": rounded(first!.maxCpuMs),
    "cpu, median": rounded(median(rest.map(({ maxCpuMs }) => maxCpuMs))),
    "cpu, most": rounded(Math.max(...rest.map(({ maxCpuMs }) => maxCpuMs))),
    "delay, first": rounded(first!.maxMs),
    "delay, median": rounded(median(rest.map(({ maxMs }) => maxMs))),
    "delay, most": rounded(Math.max(...rest.map(({ maxMs }) => maxMs))),
  };
  console.log(JSON.stringify({ path, ...headers, claimed, ...row }));
  return row;
}

async function claim(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) {
    claims += 1;
    const host = providerUuid(1 + ((claims * 37) % Number(options.providers)));
    await ask(
      "PUT",
      `/allocations/${consumerUuid(claims)}`,
      {},
      {
        allocations: { [host]: { resources: { VCPU: 1 } } },
        project_id: "lab",
        user_id: "ann",
        consumer_generation: null,
        consumer_type: "INSTANCE",
      },
    );
  }
}

function ask(
  method: "GET" | "PUT",
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: unknown,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = open(url + path, { method, agent, headers: { ...HEADERS, ...headers } });
  request.on("error", reject).on("response", (response) => {
    if (response.statusCode! >= 300) reject(new Error(`${method} ${path}: ${response.statusCode}`));
    response.on("end", resolve).on("error", reject).resume();
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

function rounded(ms: number): number {
  return Number(ms.toPrecision(3));
}
