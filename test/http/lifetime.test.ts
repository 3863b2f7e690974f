import { describe, expect, test } from "vitest";
import { ADMIN, closed, openSocket, ROUTES, serve, sleep } from "./support.ts";

/** A route that answers when it is told to. */
function waitingRoute() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const handler = async () => {
    arrive();
    await promise;
    return { status: 200, body: Buffer.from("done") };
  };
  return { routes: { "/wait": { GET: { handler } } }, arrived, finish: resolve };
}

describe("a server that is asked to stop", () => {
  test("finishes the requests in flight, closes their connections, and takes no others", async () => {
    const { routes, arrived, finish } = waitingRoute();
    const server = await serve({}, routes);
    const pending = fetch(`${server.url}/wait`, { headers: ADMIN });
    await arrived;
    const stopping = server.stop();
    await sleep(20);
    await expect(fetch(server.url)).rejects.toThrow();
    finish();
    const response = await pending;
    expect(await response.text()).toBe("done");
    expect(response.headers.get("connection")).toBe("close");
    await stopping;
    expect(server.log.join("")).not.toContain("cut off");
  });

  test("closes idle connections at once", async () => {
    const server = await serve();
    const socket = openSocket(server.port);
    socket.write("GET / HTTP/1.1\r\n\r\n");
    await new Promise((resolve) => {
      socket.once("data", resolve);
    });
    const started = performance.now();
    await Promise.all([server.stop(), closed(socket)]);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test("closes a connection on which nothing was ever asked", async () => {
    const server = await serve();
    const socket = openSocket(server.port);
    await sleep(50);
    await Promise.all([server.stop(), closed(socket)]);
    expect(server.log.join("")).not.toContain("cut off");
  });

  test("cuts off what takes longer than the limit", async () => {
    const { routes, arrived } = waitingRoute();
    const server = await serve({ stowage: { shutdownTimeout: 1 } }, routes);
    const pending = fetch(`${server.url}/wait`, { headers: ADMIN });
    pending.catch(() => {});
    await arrived;
    const started = performance.now();
    await server.stop();
    expect(performance.now() - started).toBeLessThan(3000);
    await expect(pending).rejects.toThrow();
    expect(server.log.join("")).toContain("Requests were cut off");
  });

  test("may be asked twice", async () => {
    const server = await serve();
    await Promise.all([server.stop(), server.stop()]);
    await expect(server.stop()).resolves.toBeUndefined();
  });
});

describe("a server that cannot start", () => {
  test("says so: the port is taken", async () => {
    const { port } = await serve();
    await expect(serve({}, ROUTES, port)).rejects.toThrow(/EADDRINUSE/);
  });

  test("says so: nobody could tell who asks", async () => {
    await expect(serve({ api: { authStrategy: "keystone" } })).rejects.toThrow(
      /^\[(api|keystone_authtoken)\]/,
    );
  });
});
