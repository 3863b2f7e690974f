/**
 * What do answers without a limit, and searches that find nothing for a long time, do to the server?
 * How long they hold the event loop, and how much memory they take, for fleets of a million providers.
 *
 *     node bench/long-answers.ts --help
 */
import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { Command } from "commander";
import { type FleetShape, HOST, SUBTREES } from "./candidates/fleets.ts";
import type { Observed, Order } from "./long-answers/server.ts";

interface Row {
  readonly name: string;
  readonly fleet: FleetShape;
  /** Of allocation candidates, unless a path is given. */
  readonly query: string;
  readonly path?: string;
  /** Asks for the same bytes out of a buffer, which is the least that an answer takes. */
  readonly isFromBuffer?: true;
  /** Reads no more than this a second, and leaves after `leavesAfterBytes`. */
  readonly bytesPerSecond?: number;
  readonly claimsPerSecond?: number;
  /** Reads this much, then leaves. */
  readonly leavesAfterBytes?: number;
  /** Reads a little, does nothing for a while, and reads on. */
  readonly restsMs?: number;
  readonly readers?: number;
}

const options = new Command("long-answers")
  .option("--seed <number>", "what the fleets follow from", "1")
  .option("--only <text>", "rows whose name has this text", "")
  .option("--json <file>", "writes the results there")
  .option("--node <option...>", "options of node for the server, such as --cpu-prof", [])
  .parse()
  .opts<{
    readonly seed: string;
    readonly only: string;
    readonly json?: string;
    readonly node: string[];
  }>();

const FLAT: FleetShape = { kind: "flat", trees: 1_000_000, devices: 0 };
const NESTED: FleetShape = { kind: "nested", trees: 140_000, devices: 0 };
const WIDE: FleetShape = { kind: "wide", trees: 15_000, devices: 64 };
const HOSTS: FleetShape = { kind: "flat", trees: 10_000, devices: 0 };
const MANY_HOSTS: FleetShape = { kind: "flat", trees: 100_000, devices: 0 };
const EVERYWHERE = HOST.replace("&limit=1000", "");
const MANY_BYTES = 600_000_000;

function devices(groups: number, policy: string, more = ""): string {
  return [
    "resources=VCPU:1",
    ...Array.from({ length: groups }, (_, group) => `resources${group + 1}=CUSTOM_DEVICE:1`),
    `group_policy=${policy}`,
  ]
    .join("&")
    .concat(more);
}

const rows: Row[] = [
  { name: "flat", fleet: FLAT, query: EVERYWHERE },
  { name: "flat, again", fleet: FLAT, query: EVERYWHERE },
  { name: "flat, 5000 claims/s", fleet: FLAT, query: EVERYWHERE, claimsPerSecond: 5000 },
  { name: "flat, reader rests 5 s", fleet: FLAT, query: EVERYWHERE, restsMs: 5000 },
  {
    name: "flat, 20 readers rest 5 s, 5000 claims/s",
    fleet: FLAT,
    query: EVERYWHERE,
    restsMs: 5000,
    readers: 20,
    claimsPerSecond: 5000,
    leavesAfterBytes: 20_000_000,
  },
  { name: "flat, nothing found", fleet: FLAT, query: "resources=VCPU:65,MEMORY_MB:1" },
  { name: "nested", fleet: NESTED, query: SUBTREES },
  { name: "nested, 5000 claims/s", fleet: NESTED, query: SUBTREES, claimsPerSecond: 5000 },
  {
    name: "nested, nothing found",
    fleet: NESTED,
    query: SUBTREES.replace("CUSTOM_DEVICE:1", "CUSTOM_DEVICE:9"),
  },
  {
    name: "nested, nothing found, late",
    fleet: NESTED,
    query:
      "resources_A=CUSTOM_DEVICE:8&resources_B=CUSTOM_DEVICE:8&resources_C=CUSTOM_DEVICE:8&resources_D=CUSTOM_DEVICE:8&resources_CPU=VCPU:1&group_policy=none&same_subtree=_CPU,_A,_B,_C,_D",
  },
  {
    name: "wide, 8 groups, isolate",
    fleet: WIDE,
    query: devices(8, "isolate"),
    leavesAfterBytes: MANY_BYTES,
  },
  {
    name: "wide, 8 groups, none, 5000 claims/s",
    fleet: WIDE,
    query: devices(8, "none"),
    leavesAfterBytes: MANY_BYTES,
    claimsPerSecond: 5000,
  },
  ...["/stowage/v1/providers", "/metrics/providers"].flatMap((path): Row[] => {
    const asked = { query: "", path };
    return [
      { ...asked, name: `10,000, ${path}, first`, fleet: HOSTS },
      { ...asked, name: `10,000, ${path}`, fleet: HOSTS },
      { ...asked, name: `10,000, ${path}, buffer, first`, fleet: HOSTS, isFromBuffer: true },
      { ...asked, name: `10,000, ${path}, buffer`, fleet: HOSTS, isFromBuffer: true },
      { ...asked, name: `100,000, ${path}`, fleet: MANY_HOSTS },
      {
        ...asked,
        name: `100,000, ${path}, 5000 claims/s`,
        fleet: MANY_HOSTS,
        claimsPerSecond: 5000,
      },
      {
        ...asked,
        name: `100,000, ${path}, 1 KB/s`,
        fleet: MANY_HOSTS,
        bytesPerSecond: 1024,
        leavesAfterBytes: 20_000,
      },
    ];
  }),
  { name: "wide, nothing found", fleet: WIDE, query: devices(65, "isolate") },
];

interface Measured extends Observed {
  readonly name: string;
  readonly bytes: number;
  readonly ms: number;
}

await main();

async function main(): Promise<void> {
  const results: Measured[] = [];
  const chosen = rows.filter(({ name }) => name.includes(options.only));
  for (const [fleet, ofFleet] of Map.groupBy(chosen, (row) => row.fleet)) {
    const server = fork(
      new URL("long-answers/server.ts", import.meta.url),
      [JSON.stringify([fleet, Number(options.seed)])],
      { execArgv: options.node },
    );
    const [[url, buffers]] = (await once(server, "message")) as [[string, string]];
    const tell = async <Reply>(order: Order) => {
      server.send(order);
      return ((await once(server, "message")) as [Reply])[0];
    };
    for (const row of ofFleet) {
      await tell({ order: "observe", claimsPerSecond: row.claimsPerSecond ?? 0 });
      const startedAtMs = performance.now();
      const readers = Array.from({ length: row.readers ?? 1 }, () =>
        read(new URL(row.isFromBuffer ? buffers : url), row),
      );
      const bytes = (await Promise.all(readers)).reduce((sum, it) => sum + it, 0);
      const ms = performance.now() - startedAtMs;
      results.push({ name: row.name, bytes, ms, ...(await tell<Observed>({ order: "report" })) });
      console.log(JSON.stringify(rowOf(results.at(-1)!)));
    }
    server.disconnect();
    await once(server, "exit");
  }
  console.table(results.map(rowOf));
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ results }, null, 2)}\n`);
  }
}

/** Reads an answer as the row says; how many bytes it read. */
function read(
  url: URL,
  { query, path, leavesAfterBytes = Infinity, restsMs = 0, bytesPerSecond = 0 }: Row,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname);
    let bytes = 0;
    let hasRested = false;
    socket.write(
      `GET ${path ?? `/allocation_candidates?${query}`} HTTP/1.1\r\nHost: ${url.host}\r\n` +
        "X-Auth-Token: admin\r\nOpenStack-API-Version: placement 1.39\r\nConnection: close\r\n\r\n",
    );
    socket.on("data", (chunk: Buffer) => {
      if (bytes === 0 && !chunk.toString("latin1", 0, 12).endsWith("200")) {
        reject(new Error(chunk.toString("latin1")));
      }
      bytes += chunk.length;
      if (bytes >= leavesAfterBytes) socket.destroy();
      if (bytesPerSecond > 0) {
        // The system takes in more than is asked for: what it has taken counts.
        socket.pause();
        setTimeout(() => socket.resume(), Math.min((chunk.length / bytesPerSecond) * 1000, 10_000));
        return;
      }
      if (restsMs === 0 || hasRested) return;
      hasRested = true;
      socket.pause();
      setTimeout(() => socket.resume(), restsMs);
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(bytes));
  });
}

function rowOf({ name, bytes, ms, heldMs, busyMs, addedMiB, ...observed }: Measured) {
  return {
    row: name,
    MB: Math.round(bytes / 1e6),
    s: rounded(ms / 1000, 2),
    "held p50": rounded(heldMs.p50, 1),
    p99: rounded(heldMs.p99, 1),
    max: rounded(heldMs.max, 1),
    "busy p50": rounded(busyMs.p50, 1),
    "busy p99": rounded(busyMs.p99, 1),
    "busy max": rounded(busyMs.max, 1),
    "longest gc": rounded(observed.longestCollectionMs, 1),
    "gc ms": Math.round(observed.collectionMs),
    "cpu ms": Math.round(observed.processorMs),
    "added MiB": Math.round(addedMiB),
    claims: observed.claims,
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
