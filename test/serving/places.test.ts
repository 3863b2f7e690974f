import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";

import { defaultConfig } from "../../src/config/config.ts";
import { ListeningSockets } from "../../src/http/listen.ts";
import { createLogger } from "../../src/observability/logger.ts";
import { ask, askAt, makePlace, serve, until } from "./support.ts";

const NO_LOG = createLogger(defaultConfig().default, { write: () => {} });

describe("on a Unix socket", () => {
  async function makeSocketPlace() {
    const place = await makePlace();
    const socketPath = join(place.folder, "api.sock");
    await place.configure({ stowage: { unix_socket: socketPath } });
    return { place, socketPath };
  }

  test("the API is served to its owner and group, and the socket is gone afterwards", async () => {
    const { place, socketPath } = await makeSocketPlace();
    const served = serve(place);
    expect(await served.url()).toBe(`unix:${socketPath}`);
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    const created = await ask(
      { socketPath, method: "POST", path: "/resource_providers", headers: { host: "localhost" } },
      '{"name": "a"}',
    );
    expect(created.status).toBe(201);
    expect(created.headers["location"]).toMatch(/^http:\/\/localhost\/resource_providers\//);
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
    expect(statSync(socketPath, { throwIfNoEntry: false })).toBeUndefined();
  });

  test("has its mode from the moment it is there, whatever the umask", async () => {
    const { folder } = await makePlace();
    const path = join(folder, "api.sock");
    for (const umask of [0, 0o077]) {
      const modes: number[] = [];
      const before = process.umask(umask);
      const sockets = await ListeningSockets.open([{ path }], defaultConfig(), NO_LOG, {
        attach: () => {},
        check: () => modes.push(statSync(path).mode & 0o777),
      });
      expect(process.umask(before)).toBe(umask);
      await sockets.close(0);
      expect(modes).toEqual([0o660]);
    }
  });

  test("what a killed process left behind is no obstacle", async () => {
    const { place, socketPath } = await makeSocketPlace();
    const killed = serve(place);
    await killed.url();
    killed.process.kill("SIGKILL");
    await killed.ended;
    expect(statSync(socketPath).isSocket()).toBe(true);
    await serve(place).url();
    expect((await ask({ socketPath, path: "/" })).status).toBe(200);
  });

  test("one that another process serves is left to it", async () => {
    const { place, socketPath } = await makeSocketPlace();
    const other = createServer().listen(socketPath);
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const served = serve(place);
    expect(await served.ended).toEqual([1, null]);
    expect(served.errors).toEqual([expect.stringContaining(`EADDRINUSE`)]);
    expect(other.listening && statSync(socketPath).isSocket()).toBe(true);
  });
});

test("on an IPv6 address, links have it in brackets", async () => {
  const served = serve(await makePlace({ stowage: { host: "::1" } }));
  const url = await served.url();
  expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  const created = await askAt(`${url}/resource_providers`, { method: "POST" }, '{"name": "a"}');
  expect(created.headers["location"]).toContain(`${url}/resource_providers/`);
});

test("noauth2 listens on loopback addresses only, unless it is allowed", async () => {
  const place = await makePlace({ stowage: { host: "::" } });
  const refused = serve(place);
  expect(await refused.ended).toEqual([1, null]);
  expect(refused.errors).toEqual([expect.stringContaining("auth_strategy = noauth2")]);
  await place.configure({ stowage: { host: "::", allow_insecure_noauth: true } });
  const allowed = serve(place);
  const { port } = new URL(await allowed.url());
  expect((await askAt(`http://127.0.0.1:${port}/`)).status).toBe(200);
  allowed.process.kill("SIGTERM");
  await allowed.ended;
  await place.configure({ stowage: { host: "127.0.0.2" } });
  expect(await serve(place).url()).toMatch(/^http:\/\/127\.0\.0\.2:/);
});

describe("sockets that systemd hands over", () => {
  const IS_MEANT_FOR_US = "export LISTEN_PID=$$";

  async function listenOn(host: string) {
    const socket = createServer().listen(0, host);
    onTestFinished(() => void socket.close());
    await once(socket, "listening");
    const { port } = socket.address() as AddressInfo;
    const { fd } = Reflect.get(socket, "_handle") as { fd: number };
    return { port, fd, stop: () => socket.close() };
  }

  test("are used instead of the configured address", async () => {
    const sockets = [await listenOn("127.0.0.1"), await listenOn("::1")];
    const served = serve(await makePlace(), {
      before: IS_MEANT_FOR_US,
      env: { LISTEN_FDS: "2" },
      descriptors: sockets.map(({ fd }) => fd),
    });
    const url = await served.url();
    for (const { stop } of sockets) stop();
    expect(url).toBe(`http://127.0.0.1:${sockets[0]?.port}`);
    expect((await askAt(url)).status).toBe(200);
    expect((await askAt(`http://[::1]:${sockets[1]?.port}/`)).status).toBe(200);
    served.process.kill("SIGTERM");
    expect(await served.ended).toEqual([0, null]);
  });

  test("are not, when they are meant for another process", async () => {
    const { fd, port } = await listenOn("127.0.0.1");
    const served = serve(await makePlace(), {
      env: { LISTEN_FDS: "1", LISTEN_PID: "1" },
      descriptors: [fd],
    });
    expect(new URL(await served.url()).port).not.toBe(String(port));
  });

  test("do not open noauth2 to other machines", async () => {
    const { fd } = await listenOn("0.0.0.0");
    const served = serve(await makePlace(), {
      before: IS_MEANT_FOR_US,
      env: { LISTEN_FDS: "1" },
      descriptors: [fd],
    });
    expect(await served.ended).toEqual([1, null]);
    expect(served.errors).toEqual([expect.stringContaining("not on 0.0.0.0")]);
  });

  test("do not let anybody in by them before noauth2 is refused", async () => {
    const { fd, port, stop } = await listenOn("0.0.0.0");
    const served = serve(await makePlace(), {
      before: IS_MEANT_FOR_US,
      env: { LISTEN_FDS: "1" },
      descriptors: [fd],
    });
    stop();
    // As systemd starts the service: the client is there first.
    const answers = await Promise.allSettled([1, 2, 3].map(() => ask({ port, path: "/traits" })));
    expect(await served.ended).toEqual([1, null]);
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });
});

test("systemd is told when the service is ready, reloads and stops", async () => {
  const place = await makePlace();
  const told = join(place.folder, "told");
  // In place of the real one, which needs a systemd to talk to.
  const before = [
    `printf '#!/bin/sh\\necho "$@" >>${told}\\n' >"$HOME/systemd-notify"`,
    'chmod +x "$HOME/systemd-notify"',
    'PATH="$HOME:$PATH"',
  ].join("; ");
  const served = serve(place, { before, env: { NOTIFY_SOCKET: "/nowhere" } });
  const url = await served.url();
  await until(() => linesIn(told).length === 1);
  served.process.kill("SIGHUP");
  await until(() => linesIn(told).length === 3);
  served.process.kill("SIGTERM");
  await served.ended;
  expect(linesIn(told)).toEqual([
    `READY=1 STATUS=Serving on ${url}`,
    expect.stringMatching(/^RELOADING=1 MONOTONIC_USEC=\d+$/),
    `READY=1 STATUS=Serving on ${url}`,
    expect.stringMatching(/^STOPPING=1 /),
  ]);
});

test("systemd is told again and again that the event loop turns, and not when it is stopped", async () => {
  const place = await makePlace();
  const told = join(place.folder, "told");
  const before = [
    `printf '#!/bin/sh\\necho "$@" >>${told}\\n' >"$HOME/systemd-notify"`,
    'chmod +x "$HOME/systemd-notify"',
    'PATH="$HOME:$PATH"',
    "export WATCHDOG_PID=$$",
  ].join("; ");
  const env = { NOTIFY_SOCKET: "/nowhere", WATCHDOG_USEC: "2000000" };
  const served = serve(place, { before, env });
  await served.url();
  const beats = () => linesIn(told).filter((line) => line === "WATCHDOG=1").length;
  await until(() => beats() >= 2);
  served.process.kill("SIGSTOP");
  const beaten = beats();
  await sleep(2500);
  expect(beats() - beaten).toBeLessThanOrEqual(1);
  served.process.kill("SIGCONT");
  await until(() => beats() > beaten + 1);
  served.process.kill("SIGTERM");
  await served.ended;
});

function linesIn(path: string): string[] {
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
}
