/**
 * Serves a fleet as the service does, with nothing but the database left out, in a process of its
 * own; its parent asks what an answer did to the event loop and to memory.
 */
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { pino } from "pino";

import { ALL_ROUTES } from "../../src/api/all-routes.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { startServer } from "../../src/http/server.ts";
import type { ProviderIndex } from "../../src/index/provider-index.ts";
import type { Service } from "../../src/operations/service.ts";
import { buildIndex } from "../candidates/answering.ts";
import type { FleetShape } from "../candidates/fleets.ts";

export interface Observed {
  /** How much more memory than before was in use at the worst moment. */
  readonly addedMiB: number;
  /** How long the event loop did one thing, by the clock and in processor time of its thread. */
  readonly heldMs: Quantiles;
  readonly busyMs: Quantiles;
  readonly longestCollectionMs: number;
  readonly collectionMs: number;
  readonly processorMs: number;
  readonly claims: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export type Order =
  | { readonly order: "observe"; readonly claimsPerSecond: number }
  | { readonly order: "report" }
  | { readonly order: "processor time" }
  /** On so many providers, one after the other, all over the fleet. */
  | { readonly order: "claim"; readonly claims: number }
  /** What is kept of answers. */
  | { readonly order: "forget" };

const CLAIM_ROUND_MS = 5;
/** As long as a slice of an answer of ours. */
const PART_BYTES = 256 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const [shape, seed] = JSON.parse(process.argv[2] ?? "") as [FleetShape, number];
let index = buildIndex(shape, seed);
const config = defaultConfig({
  api: { authStrategy: "noauth2" },
  stowage: { host: "127.0.0.1", port: 0 },
});
const server = await startServer({
  config,
  service: {
    config,
    freshIndex: () => Promise.resolve(index),
    position: () => Promise.resolve("1.0."),
  } as unknown as Service,
  routes: ALL_ROUTES,
  policy: { authorize: () => ({ isAllowed: true }) },
  logger: pino({ level: "silent" }),
});

let report: (() => Observed) | undefined;
process.on("message", (message: Order) => {
  if (message.order === "observe") {
    report = observe(message.claimsPerSecond);
    process.send?.("observing");
  } else if (message.order === "report") {
    process.send?.(report?.());
  } else if (message.order === "processor time") {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / 1000);
  } else if (message.order === "claim") {
    for (let number = 0; number < message.claims; number += 1) {
      claimed += 1;
      index.applyUsage(1 + ((claimed * 7919) % index.size), claimed, new Map([[0, claimed % 8]]));
    }
    process.send?.("claimed");
  } else {
    // Everything that is kept belongs to a read model.
    index = buildIndex(shape, seed);
    process.send?.("forgotten");
  }
});
let claimed = 0;
/** What there is to be sent at least: the same bytes, made before. */
const parts = new Map<string, Buffer[]>();
const buffers = createServer((request, response) => {
  const send = async () => {
    const path = request.url ?? "";
    const { accept = "" } = request.headers;
    const answer = parts.get(path + accept) ?? (await partsOf(path, accept));
    parts.set(path + accept, answer);
    response.writeHead(200);
    for (const part of answer) {
      if (!response.write(part)) await once(response, "drain");
    }
    response.end();
  };
  void send();
}).listen(0, "127.0.0.1");
await once(buffers, "listening");

async function partsOf(path: string, accept: string): Promise<Buffer[]> {
  const headers = { "x-auth-token": "admin", accept, "openstack-api-version": "placement 1.39" };
  const answer = await fetch(server.url + path, { headers });
  const bytes = Buffer.from(await answer.arrayBuffer());
  return Array.from({ length: Math.ceil(bytes.length / PART_BYTES) }, (_, number) =>
    bytes.subarray(number * PART_BYTES, (number + 1) * PART_BYTES),
  );
}

process.on("disconnect", () => process.exit());
process.send?.([server.url, `http://127.0.0.1:${(buffers.address() as AddressInfo).port}`]);

function observe(claimsPerSecond: number): () => Observed {
  collectGarbage();
  const before = memoryMiB("VmRSS");
  // Makes the highest memory in use so far start anew.
  writeFileSync("/proc/self/clear_refs", "5");
  const collectionsMs: number[] = [];
  const observer = new PerformanceObserver((list) => {
    collectionsMs.push(...list.getEntries().map(({ duration }) => duration));
  });
  observer.observe({ entryTypes: ["gc"] });
  const claims = new Claims(index, claimsPerSecond);
  const loop = new LoopObserver();
  const processor = process.cpuUsage();
  return () => {
    loop.stop();
    claims.stop();
    const { user, system } = process.cpuUsage(processor);
    observer.disconnect();
    return {
      addedMiB: memoryMiB("VmHWM") - before,
      heldMs: quantiles(loop.heldMs),
      busyMs: quantiles(loop.busyMs),
      longestCollectionMs: Math.max(0, ...collectionsMs),
      collectionMs: collectionsMs.reduce((sum, it) => sum + it, 0),
      processorMs: (user + system) / 1000,
      claims: claims.made,
    };
  };
}

function memoryMiB(name: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(
    readFileSync("/proc/self/status", "utf8"),
  );
  return Number(line?.[1]) / 1024;
}

/**
 * A timer that is due each millisecond tells how long the loop takes for each of its rounds. On a
 * machine with other work, only the processor time says what is our doing.
 */
class LoopObserver {
  readonly heldMs: number[] = [];
  readonly busyMs: number[] = [];
  #lastMs = performance.now();
  #lastBusyMs = threadMs();
  readonly #timer = setInterval(() => this.#note(), 1);

  stop(): void {
    clearInterval(this.#timer);
    this.#note();
  }

  #note(): void {
    const ms = performance.now();
    const busyMs = threadMs();
    this.heldMs.push(ms - this.#lastMs);
    this.busyMs.push(busyMs - this.#lastBusyMs);
    this.#lastMs = ms;
    this.#lastBusyMs = busyMs;
  }
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? Number.NaN };
}

/** What claims do to the read model, all over the fleet. */
class Claims {
  made = 0;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(to: ProviderIndex, perSecond: number) {
    if (perSecond === 0) return;
    const ids = to.size;
    this.#timer = setInterval(() => {
      // Claims that come while the loop is held wait for one transaction, and do not pile up.
      for (let number = 0; number < (perSecond * CLAIM_ROUND_MS) / 1000; number += 1) {
        this.made += 1;
        to.applyUsage(1 + ((this.made * 7919) % ids), this.made, new Map([[0, this.made % 8]]));
      }
    }, CLAIM_ROUND_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
