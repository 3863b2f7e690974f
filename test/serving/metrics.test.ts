import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, onTestFinished, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { freePort } from "../support/free-ports.ts";
import { makePlace, serve, until } from "./support.ts";

// Each of them starts several processes.
const PATIENCE = { timeout: 240_000 };
const PROMTOOL = "promtool";
const hasPromtool = spawnSync(PROMTOOL, ["--version"]).status === 0;

/** What Prometheus sends. */
const PROMETHEUS_ACCEPT =
  "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

function ask(url: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { headers: { connection: "close", ...headers } });
}

/** The sum over all labels. */
function totalOf(text: string, name: string): number {
  return text
    .split("\n")
    .filter((line) => new RegExp(`^${name}[ {]`).test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

describe("the metrics of one process", PATIENCE, () => {
  test("are on the main port for whom policy lets in, and on their own for everybody", async () => {
    const metricsPort = await freePort();
    const served = serve(await makePlace({ stowage: { metrics_port: metricsPort } }));
    const url = await served.url();
    const own = `http://127.0.0.1:${metricsPort}`;
    const statusOf = async (at: string, headers?: Record<string, string>) =>
      (await ask(at, headers)).status;
    expect(await statusOf(`${url}/metrics`)).toBe(401);
    expect(await statusOf(`${url}/metrics`, { "x-auth-token": "joe" })).toBe(403);
    expect(await statusOf(`${url}/metrics`, { "x-auth-token": "admin" })).toBe(200);
    expect(await statusOf(`${own}/metrics`)).toBe(200);
    expect(await statusOf(`${own}/metrics?misspelt=1`)).toBe(400);
    for (const path of ["/", "/resource_providers", "/stowage/v1"]) {
      expect(await statusOf(own + path, { "x-auth-token": "admin" })).not.toBe(200);
    }
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  test("come in the format that the client wants, with what the process itself can tell", async () => {
    const metricsPort = await freePort();
    const served = serve(await makePlace({ stowage: { metrics_port: metricsPort } }));
    await served.url();
    const url = `http://127.0.0.1:${metricsPort}/metrics`;
    await ask(url);
    const [plain, open] = [await ask(url), await ask(url, { accept: PROMETHEUS_ACCEPT })];
    expect(plain.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const text = await plain.text();
    for (const line of [
      /^stowage_build_info\{version="\d[^"]*",node="v\d[^"]*",database="sqlite"\} 1$/m,
      /^stowage_event_loop_delay_seconds\{statistic="p99"\} \d/m,
      /^process_cpu_seconds_total \d/m,
      /^nodejs_heap_size_used_bytes \d/m,
      /^stowage_http_requests_total\{method="GET",route="\/metrics",status="200"\} 1$/m,
    ]) {
      expect(text).toMatch(line);
    }
    expect(open.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1/);
    const openText = await open.text();
    expect(openText).toMatch(/\n# EOF\n$/);
    expect(openText).toContain("# TYPE stowage_http_requests counter\n");
    expect(openText).toMatch(/^stowage_http_requests_total\{/m);
    const strict = await ask(url, { accept: "text/plain;version=0.0.4" });
    expect(await strict.text()).not.toContain("# EOF");
    if (hasPromtool) execFileSync(PROMTOOL, ["check", "metrics"], { input: ownPart(text) });
  });

  test("are not begun to be served when their port is taken", async () => {
    const first = serve(await makePlace({ stowage: { metrics_port: await freePort() } }));
    const port = Number(new URL(await first.url()).port);
    const second = serve(await makePlace({ stowage: { metrics_port: port } }));
    expect(await second.ended).toEqual([1, null]);
    expect(second.errors.join("\n")).toContain(String(port));
  });
});

/** Those of the library break rules of promtool in their names. */
function ownPart(text: string): string {
  return text
    .split("\n\n")
    .filter((part) => part.startsWith("# HELP stowage_"))
    .join("\n\n")
    .concat("\n");
}

describe.each(SERVER_ENGINES)("the metrics of workers on $name", PATIENCE, (engine) => {
  test("are of all of them, and never go back when one is killed", async () => {
    const database = await engine.borrowDatabase();
    onTestFinished(() => database.remove());
    const metricsPort = await freePort();
    const place = await makePlace({
      placement_database: { connection: database.connection },
      stowage: { workers: 3, metrics_port: metricsPort },
    });
    const served = serve(place);
    const url = await served.url();
    const count = async () => {
      const response = await ask(`http://127.0.0.1:${metricsPort}/metrics`);
      return totalOf(await response.text(), "stowage_http_requests_total");
    };
    const askMany = () =>
      Promise.all(
        Array.from({ length: 30 }, () =>
          ask(`${url}/resource_providers`, { "x-auth-token": "admin" }),
        ),
      );
    await askMany();
    let last = await count();
    expect(last).toBeGreaterThanOrEqual(30);
    for (let round = 0; round < 2; round += 1) {
      const [victim] = workersOf(served.process.pid!);
      process.kill(victim!, "SIGKILL");
      await until(() => !workersOf(served.process.pid!).includes(victim!));
      for (let scrape = 0; scrape < 5; scrape += 1) {
        const sum = await count();
        expect(sum).toBeGreaterThanOrEqual(last);
        last = sum;
      }
      await askMany();
      const grown = await count();
      expect(grown).toBeGreaterThanOrEqual(last + 30);
      last = grown;
      await until(() => workersOf(served.process.pid!).length === 3);
    }
    // A worker that ends in peace has told before it went.
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("read again; changed:")));
    expect(await count()).toBeGreaterThanOrEqual(last);
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });
});

function workersOf(pid: number): number[] {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").flatMap((line) => (line === "" ? [] : [Number(line)]));
}
