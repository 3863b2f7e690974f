/**
 * What metrics cost: candidates and claims with them and without, taking turns in one process, by processor time.
 *
 *     node bench/metrics.ts --help
 */
import { randomUUID } from "node:crypto";
import { Command } from "commander";
import { pino } from "pino";

import { ALL_ROUTES } from "../src/api/all-routes.ts";
import { NO_CREDENTIALS } from "../src/auth/credentials.ts";
import { defaultConfig } from "../src/config/config.ts";
import { Exchange } from "../src/http/exchange.ts";
import { Pipeline } from "../src/http/pipeline.ts";
import { Router } from "../src/http/router.ts";
import { OpenStreams } from "../src/http/streams.ts";
import { Metrics } from "../src/observability/metrics.ts";
import { openService } from "../src/operations/open-service.ts";
import { median } from "./median.ts";

const options = new Command("metrics")
  .option("--rounds <number>", "so many of each", "15")
  .option("--requests <number>", "in each round", "1500")
  .option("--hosts <number>", "in the fleet", "200")
  .parse()
  .opts<{ readonly rounds: string; readonly requests: string; readonly hosts: string }>();

/** Counts, or does not. */
class SwitchedMetrics extends Metrics {
  isOn = true;

  override increment(...given: Parameters<Metrics["increment"]>): void {
    if (this.isOn) super.increment(...given);
  }

  override observe(...given: Parameters<Metrics["observe"]>): void {
    if (this.isOn) super.observe(...given);
  }
}

type Ask = (method: string, target: string, body?: unknown) => Promise<number>;

const CANDIDATES = "/allocation_candidates?resources=VCPU:1,MEMORY_MB:64&limit=10";
const KINDS = {
  candidates: (ask: Ask) => ask("GET", CANDIDATES),
  claims: (ask: Ask, host: string) =>
    ask("PUT", `/allocations/${randomUUID()}`, {
      allocations: { [host]: { resources: { VCPU: 1 } } },
      project_id: "lab",
      user_id: "ann",
      consumer_generation: null,
      consumer_type: "INSTANCE",
    }),
};

const hosts = Array.from({ length: Number(options.hosts) }, () => randomUUID());
const metrics = new SwitchedMetrics();
const ask = await start();
for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
  const times: Record<"on" | "off", number[]> = { on: [], off: [] };
  for (let round = -2; round < Number(options.rounds); round += 1) {
    for (const which of round % 2 === 0 ? (["on", "off"] as const) : (["off", "on"] as const)) {
      metrics.isOn = which === "on";
      const took = await measure(kind);
      if (round >= 0) times[which].push(took);
    }
  }
  const ratios = times.on.map((on, round) => on / times.off[round]!);
  console.log(
    `${kind}: ${median(times.on).toFixed(1)} µs with metrics, ${median(times.off).toFixed(1)} without; ` +
      `ratio ${median(ratios).toFixed(3)}`,
  );
}
process.exit();

/** In microseconds of processor time for each request. */
async function measure(kind: keyof typeof KINDS): Promise<number> {
  const before = process.cpuUsage();
  const count = Number(options.requests);
  for (let done = 0; done < count; done += 50) {
    const statuses = await Promise.all(
      Array.from({ length: 50 }, (_, at) => KINDS[kind](ask, hosts[(done + at) % hosts.length]!)),
    );
    if (statuses.some((status) => status >= 300)) throw new Error(`${kind}: ${statuses.join()}`);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

async function start(): Promise<Ask> {
  const config = defaultConfig();
  const service = await openService(config, { metrics, mayMigrate: true });
  const pipeline = new Pipeline({
    config,
    service,
    router: new Router(ALL_ROUTES),
    authenticate: () => ({ ...NO_CREDENTIALS, userId: "admin", roles: ["admin"] }),
    policy: { authorize: () => ({ isAllowed: true }) },
    logger: pino({ level: "silent" }),
    metrics,
    streams: new OpenStreams(),
  });
  const { signal } = new AbortController();
  const client = {
    scheme: "http",
    host: "localhost",
    remoteAddress: "-",
    mountPoint: "",
    linkPrefix: "",
  };
  const send: Ask = async (method, target, body) => {
    const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
    const headers = {
      host: "localhost",
      "x-auth-token": "admin",
      "openstack-api-version": "placement 1.39",
      "content-type": "application/json",
      "content-length": String(bytes.length),
    };
    const readBody = () => Promise.resolve(bytes);
    const exchange = new Exchange({ method, target, headers }, client);
    const answer = await pipeline.answer(exchange, {
      readBody,
      signal,
      closed: signal,
      cut: () => {},
    });
    return answer?.status ?? 0;
  };
  for (const uuid of hosts) {
    await send("POST", "/resource_providers", { uuid, name: uuid });
    await send("PUT", `/resource_providers/${uuid}/inventories`, {
      resource_provider_generation: 0,
      inventories: { VCPU: { total: 1_000_000 }, MEMORY_MB: { total: 1_000_000 } },
    });
  }
  return send;
}
