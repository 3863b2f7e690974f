import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { freePort } from "../support/free-ports.ts";
import { ask, askAt, beginRequest, makePlace, serve, until, type Served } from "./support.ts";

describe.each(SERVER_ENGINES)("workers on $name", (engine) => {
  async function makeWorkersPlace() {
    const database = await engine.borrowDatabase();
    onTestFinished(() => database.remove());
    const { connection } = database;
    const configure = (workers: number, stowage = {}) =>
      place.configure({ placement_database: { connection }, stowage: { workers, ...stowage } });
    const place = await makePlace();
    await configure(3);
    return { ...place, configure };
  }

  test("share the port and see what the others have written; the one that dies is replaced", async () => {
    const served = serve(await makeWorkersPlace());
    const url = await served.url();
    const before = pidsOf(served);
    expect(before).toHaveLength(3);

    await createProviders(url, 12);
    await until(() => answerersIn(served).size > 1);
    const listings = await Promise.all(Array.from({ length: 6 }, () => providersAt(url)));
    expect(listings).toEqual(Array.from({ length: 6 }, () => 12));

    const [victim] = before;
    process.kill(victim!, "SIGKILL");
    const death = `worker ${victim} died (signal SIGKILL)`;
    await until(() => served.errors.some((line) => line.includes(death)));
    await until(() => pidsOf(served).length === 3 && !pidsOf(served).includes(victim!));
    expect(await providersAt(url)).toBe(12);

    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  test.skipIf(!existsSync("/proc/self/cmdline"))(
    "open no debugger on a signal, those that replace others neither",
    async () => {
      const served = serve(await makeWorkersPlace());
      const url = await served.url();
      // One that has only begun to start has no say yet in what a signal does.
      expect(await killOneByOne(served, url, 1)).toEqual([200]);
      for (const pid of pidsOf(served)) {
        const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        expect(commandLine).toContain("--disable-sigusr1");
        process.kill(pid, "SIGUSR1");
      }
      expect(await providersAt(url)).toBe(0);
      expect(pidsOf(served)).toHaveLength(3);
      expect(served.errors.join("\n")).not.toContain("Debugger listening");
    },
  );

  test("leave systemd's watchdog to the first process, which stands for all of them", async () => {
    const place = await makeWorkersPlace();
    const told = join(place.folder, "told");
    const before = [
      `printf '#!/bin/sh\\necho "$PPID $@" >>${told}\\n' >"$HOME/systemd-notify"`,
      'chmod +x "$HOME/systemd-notify"',
      'PATH="$HOME:$PATH"',
      'export PATH WATCHDOG_PID="$$"',
    ].join("; ");
    const env = { NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "2000000" };
    const served = serve(place, { before, env });
    await served.url();
    const beats = () =>
      existsSync(told)
        ? readFileSync(told, "utf8")
            .split("\n")
            .filter((line) => line.includes("WATCHDOG=1"))
        : [];
    await until(() => beats().length >= 2);
    // A worker that stands still is none of systemd's business: the others go on.
    const [still] = pidsOf(served);
    process.kill(still!, "SIGSTOP");
    const count = beats().length;
    await until(() => beats().length >= count + 2);
    process.kill(still!, "SIGCONT");
    expect(new Set(beats())).toEqual(new Set([`${served.process.pid} WATCHDOG=1`]));

    process.kill(served.process.pid!, "SIGSTOP");
    const last = beats().length;
    await sleep(2500);
    expect(beats().length).toBeLessThanOrEqual(last + 1);
    process.kill(served.process.pid!, "SIGCONT");
    await until(() => beats().length > last + 1);
  });

  test("serve a Unix socket that is for owner and group, whatever the umask", async () => {
    for (const umask of ["0", "077"]) {
      const place = await makeWorkersPlace();
      const socketPath = join(place.folder, "api.sock");
      await place.configure(2, { unix_socket: socketPath });
      const served = serve(place, { before: `umask ${umask}` });
      expect(await served.url()).toBe(`unix:${socketPath}`);
      expect(statSync(socketPath).mode & 0o777).toBe(0o660);
      const answer = await ask({
        socketPath,
        path: "/resource_providers",
        headers: { host: "localhost" },
      });
      expect(answer.status).toBe(200);
      served.process.kill("SIGTERM");
      expect(await served.ended).toEqual([0, null]);
      expect(existsSync(socketPath)).toBe(false);
    }
  });

  test("finish their requests in flight when the service is asked to stop", async () => {
    const served = serve(await makeWorkersPlace());
    const url = await served.url();
    const requests = await Promise.all([1, 2, 3, 4].map((at) => beginRequest(url, `late ${at}`)));
    served.process.kill("SIGTERM");
    // A service manager may send it to all of them.
    for (const pid of pidsOf(served)) process.kill(pid, "SIGTERM");
    for (const { finish } of requests) expect(await finish()).toMatch(/^HTTP\/1\.1 201 /);
    expect(await served.ended).toEqual([0, null]);
  });

  test("are replaced one by one on SIGHUP, while requests go on", async () => {
    const place = await makeWorkersPlace();
    const served = serve(place);
    const url = await served.url();
    const before = pidsOf(served);
    await place.configure(2, { path_prefix: "/placement" });

    const statuses = new Set<number>();
    served.process.kill("SIGHUP");
    await until(async () => {
      statuses.add((await askAt(`${url}/resource_providers`)).status);
      return served.errors.some((line) => line.includes("read again; changed:"));
    });
    expect(Array.from(statuses)).toEqual([200]);
    expect(pidsOf(served)).toHaveLength(2);
    expect(pidsOf(served).filter((pid) => before.includes(pid))).toEqual([]);
    expect((await askAt(`${url}/placement/resource_providers`)).status).toBe(200);
  });

  test("are as many as before when SIGHUP comes while a dead one is started again", async () => {
    const served = serve(await makeWorkersPlace());
    await served.url();
    const before = pidsOf(served);
    process.kill(before[0]!, "SIGKILL");
    await until(() => pidsOf(served).some((pid) => !before.includes(pid)));
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("read again; changed:")));
    expect(pidsOf(served)).toHaveLength(3);

    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  test("that died are started again with the configuration in force, not with the file", async () => {
    const place = await makeWorkersPlace();
    await place.configure(2, { path_prefix: "/one" });
    const served = serve(place);
    const { origin: url } = new URL(await served.url());
    await place.configure(2, { path_prefix: "/two" });
    expect(await killOneByOne(served, `${url}/one/resource_providers`)).toEqual([200]);

    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("read again; changed:")));
    await place.configure(2, { path_prefix: "/three", request_timeout: "soon" });
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("stays as it was")));
    expect(await killOneByOne(served, `${url}/two/resource_providers`)).toEqual([200]);
  });

  test("stay where a successor cannot serve, and the log says so in one line", async () => {
    const place = await makeWorkersPlace();
    const served = serve(place);
    await served.url();
    const before = pidsOf(served);
    await place.configure(3, { port: await takePort() });
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("stays as it was")));
    expect(pidsOf(served)).toEqual(before);

    served.process.kill("SIGTERM");
    await served.ended;
    expect(served.errors.slice(-2)).toEqual([
      expect.stringContaining("EADDRINUSE"),
      expect.stringMatching(/stays as it was: a worker ended before it served \(exit code 1\)$/),
    ]);
  });

  test("all stay, or all are replaced, where one of the successors cannot serve", async () => {
    const place = await makeWorkersPlace();
    await place.configure(3, { path_prefix: "/one" });
    const served = serve(place);
    const { origin: url } = new URL(await served.url());
    const before = pidsOf(served);
    await place.configure(3, { path_prefix: "/two" });
    served.process.kill("SIGHUP");
    // The first successor serves, and the second one is killed before it does.
    await until(() => pidsOf(served).length === 5);
    const [, second] = pidsOf(served).filter((pid) => !before.includes(pid));
    process.kill(second!, "SIGKILL");
    await until(() => served.errors.some((line) => line.includes("stays as it was")));
    await until(() => pidsOf(served).length === 3);
    expect(pidsOf(served)).toEqual(before);
    expect(served.errors.join("\n")).toMatch(/ WARNING .* 1 workers .* are stopped again/);
    expect((await askAt(`${url}/two/resource_providers`)).status).toBe(404);

    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("read again; changed:")));
    await until(() => pidsOf(served).length === 3);
    expect(pidsOf(served).filter((pid) => before.includes(pid))).toEqual([]);
    expect((await askAt(`${url}/two/resource_providers`)).status).toBe(200);
  });

  test("finish their requests where SIGTERM comes while others are still being started", async () => {
    const place = await makeWorkersPlace();
    const port = await freePort();
    await place.configure(3, { port });
    const served = serve(place);
    // The rest is started once the first one serves.
    await until(() => pidsOf(served).length === 3);
    const [, ...rest] = pidsOf(served);
    for (const pid of rest) process.kill(pid, "SIGSTOP");
    onTestFinished(() => {
      for (const pid of pidsOf(served)) process.kill(pid, "SIGKILL");
    });
    const request = await beginRequest(`http://127.0.0.1:${port}`);
    served.process.kill("SIGHUP");
    await until(() => served.errors.some((line) => line.includes("when the start is over")));
    served.process.kill("SIGTERM");
    for (const pid of rest) process.kill(pid, "SIGCONT");
    expect(await request.finish()).toMatch(/^HTTP\/1\.1 201 /);
    expect(await served.ended).toEqual([0, null]);
  });

  test("are not started where the first one finds out that they cannot serve", async () => {
    const place = await makeWorkersPlace();
    await place.configure(3, { port: await takePort() });
    const served = serve(place);
    expect(await served.ended).toEqual([1, null]);
    expect(served.errors).toEqual([
      expect.stringContaining("EADDRINUSE"),
      "stowage: a worker ended before it served (exit code 1)",
    ]);
  });
});

/** A port that something else listens on. */
async function takePort(): Promise<number> {
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await once(other, "listening");
  return (other.address() as AddressInfo).port;
}

function pidsOf({ process: { pid } }: Served): number[] {
  try {
    const listed = execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
    return listed.trim().split("\n").map(Number);
  } catch {
    return [];
  }
}

/**
 * Kills as many workers as told, all otherwise, each once that in place of the one before it answers.
 *
 * @returns the statuses that come from the URL meanwhile
 */
async function killOneByOne(served: Served, url: string, count?: number): Promise<number[]> {
  const statuses = new Set<number>();
  for (const victim of pidsOf(served).slice(0, count)) {
    const before = new Set([...answerersIn(served), ...pidsOf(served).map(String)]);
    process.kill(victim, "SIGKILL");
    await until(() => served.errors.some((line) => line.includes(`worker ${victim} died`)));
    await until(async () => {
      statuses.add((await askAt(url)).status);
      return Array.from(answerersIn(served)).some((pid) => !before.has(pid));
    });
  }
  return Array.from(statuses);
}

async function createProviders(url: string, count: number): Promise<void> {
  const created = Array.from({ length: count }, (_, at) =>
    askAt(`${url}/resource_providers`, { method: "POST" }, JSON.stringify({ name: `p${at}` })),
  );
  for (const { status } of await Promise.all(created)) expect(status).toBe(201);
}

async function providersAt(url: string): Promise<number> {
  const { text } = await askAt(`${url}/resource_providers`);
  return (JSON.parse(text) as { resource_providers: unknown[] }).resource_providers.length;
}

/** The processes that have logged a request. */
function answerersIn({ errors }: Served): Set<string | undefined> {
  return new Set(
    errors.filter((line) => line.includes("requestlog")).map((line) => line.split(" ")[2]),
  );
}
