import { describe, expect, test } from "vitest";
import type { Handler, RouteTable } from "../../src/api/route.ts";
import { ADMIN, closed, openSocket, serve, sleep, speaking } from "./support.ts";

const REQUEST_ID = /^req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

describe("every answer", () => {
  test("has a request id of its own", async () => {
    const { url } = await serve();
    const ids = new Set<string | null>();
    for (const path of ["/", "/things", "/nowhere", "/things"]) {
      const response = await fetch(url + path);
      expect(response.headers.get("x-openstack-request-id")).toMatch(REQUEST_ID);
      ids.add(response.headers.get("x-openstack-request-id"));
    }
    expect(ids.size).toBe(4);
  });

  test("without a body has no Content-Type", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/things/a`, { method: "DELETE", headers: ADMIN });
    expect(response.status).toBe(204);
    expect(response.headers.has("content-type")).toBe(false);
    expect(response.headers.has("content-length")).toBe(false);
  });

  test("that cannot be written is logged, and the server goes on", async () => {
    const location = "/\u{1f600}";
    const { url, log } = await serve(
      {},
      { "/": { GET: { isPublic: true, handler: () => ({ status: 201, location }) } } },
    );
    await expect(fetch(url)).rejects.toThrow();
    expect(log.join("")).toContain("An answer could not be written");
    expect((await fetch(`${url}/nowhere`)).status).toBe(401);
  });

  test("tells since 1.15 when the thing was changed", async () => {
    const { url } = await serve();
    const old = await fetch(url, { headers: speaking("1.14") });
    expect(old.headers.has("last-modified")).toBe(false);
    expect(old.headers.has("cache-control")).toBe(false);
    const { headers } = await fetch(url, { headers: speaking("1.15") });
    expect(headers.get("last-modified")).toBe("Thu, 01 Jan 1970 00:00:00 GMT");
    expect(headers.get("cache-control")).toBe("no-cache");
  });
});

describe("the request log", () => {
  test("tells what the database had to begin again", async () => {
    const handler: Handler = ({ context }) => {
      if (context.effort) context.effort.retries += 2;
      return { status: 204 };
    };
    const { url, log } = await serve({}, { "/": { GET: { handler } } });
    await fetch(url, { headers: speaking("1.39") });
    expect(log[0]).toContain("microversion: 1.39 retries: 2 time: ");
  });

  test("has upstream's line for each request", async () => {
    const { url, log } = await serve();
    const response = await fetch(`${url}/things/a?x=1`, {
      headers: { ...speaking("1.39"), "x-auth-token": "joe:demo" },
    });
    const id = response.headers.get("x-openstack-request-id");
    const length = response.headers.get("content-length");
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ INFO stowage\.requestlog /);
    expect(log[0]).toContain(
      ` [None ${id} joe demo - - -] 127.0.0.1 "GET /things/a?x=1" status: 200 ` +
        `len: ${length} microversion: 1.39 time: `,
    );
    await fetch(`${url}/things/a`, { method: "DELETE", headers: ADMIN });
    expect(log[1]).toContain('"DELETE /things/a" status: 204 len: - microversion: 1.0');
    await fetch(`${url}/things`);
    expect(log.at(-1)).toMatch(
      /\[None req-\S+ - - - - -\] .* status: 401 len: \d+ microversion: - time: \d+\.\d{6}\n$/,
    );
  });

  test("warns of a request that takes longer than is thought right, and tells where the time went", async () => {
    const { url, log } = await serve({ stowage: { slowRequestTime: 0.000001 } });
    await fetch(`${url}/things/a`, { headers: ADMIN });
    await fetch(`${url}/no/such/path`, { headers: ADMIN });
    const part = String.raw`\d+\.\d{6}`;
    const tells = (what: string) =>
      new RegExp(
        `WARNING .*A slow request: ${what} took ${part} s: freshness ${part}, search ${part}, ` +
          `database ${part}, writing ${part}, rest ${part}\n$`,
      );
    expect(log[0]).toMatch(tells("GET /things/{name}"));
    expect(log[2]).toMatch(tells("GET a path that leads nowhere"));
  });

  test("says nothing of slowness unless it is asked to", async () => {
    const { url, log } = await serve();
    await fetch(`${url}/things/a`, { headers: ADMIN });
    expect(log.join("")).not.toContain("slow");
  });

  test("names the operation that a client says its request is part of", async () => {
    const { url, log } = await serve();
    const id = "req-12345678-1234-5678-1234-567812345678";
    await fetch(url, { headers: { "x-openstack-request-id": id } });
    expect(log[0]).toContain(`[${id} req-`);
    await fetch(url, { headers: { "x-openstack-request-id": `${id} forged` } });
    expect(log[1]).toContain("[None req-");
    const response = await fetch(`${url}/things/a`, {
      headers: { ...ADMIN, "x-openstack-request-id": id },
    });
    expect(await response.json()).toHaveProperty("context.globalRequestId", id);
  });

  test("is JSON where that is wanted", async () => {
    const { url, log } = await serve({ default: { useJson: true } });
    await fetch(`${url}/things/a`, { headers: { "x-auth-token": "joe" } });
    const line = JSON.parse(log[0] ?? "") as object;
    expect(line).toMatchObject({ component: "requestlog", userId: "joe", projectId: "joe" });
    expect(line).toHaveProperty("requestId");
  });

  test("cannot be forged by what a client sends", async () => {
    const { url, log } = await serve();
    await fetch(url, { headers: { "x-auth-token": "a" } });
    await fetch(`${url}/things/a`, { headers: { "x-auth-token": "joe\u0085admin" } });
    for (const line of log) expect(line).toMatch(/^[^\p{Cc}]*\n$/u);
  });

  test("says why policy refused, at level DEBUG", async () => {
    const { url, log } = await serve({ default: { debug: true } });
    await fetch(`${url}/things`, { headers: { "x-auth-token": "joe" } });
    expect(log.join("")).toMatch(/DEBUG .* placement:things:list is refused: not an admin/);
  });
});

describe("a streamed body", () => {
  /** Endless; `produced` tells how far it has come, `isOver` that it was told to stop. */
  function endlessStream() {
    const state = { produced: 0, isOver: false, isAborted: false };
    const routes: RouteTable = {
      "/stream": {
        GET: {
          handler: ({ signal }) => {
            signal.addEventListener("abort", () => (state.isAborted = true));
            return { status: 200, body: produce(state) };
          },
        },
      },
    };
    return { state, routes };
  }

  async function* produce(state: { produced: number; isOver: boolean }) {
    try {
      for (;;) {
        state.produced++;
        yield Buffer.alloc(65_536, "x");
        await sleep(0);
      }
    } finally {
      state.isOver = true;
    }
  }

  test("comes whole", async () => {
    const { url } = await serve({}, FINITE);
    const response = await fetch(`${url}/stream`, { headers: ADMIN });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe('["a","b"]');
  });

  test("is told part by part when it has been sent", async () => {
    const sent: string[] = [];
    const onSent = (part: Uint8Array) => sent.push(Buffer.from(part).toString());
    const { url } = await serve(
      {},
      { "/stream": { GET: { handler: () => ({ status: 200, body: finite(), onSent }) } } },
    );
    await (await fetch(`${url}/stream`, { headers: ADMIN })).text();
    expect(sent.join("")).toBe('["a","b"]');
  });

  test("waits for a client that reads slowly, and stops when it goes away", async () => {
    const { state, routes } = endlessStream();
    const { port } = await serve({}, routes);
    const socket = openSocket(port);
    socket.pause();
    socket.write("GET /stream HTTP/1.1\r\nX-Auth-Token: a\r\n\r\n");
    // What the system takes without a reader is limited, and then nothing more is made.
    let produced = -1;
    while (state.produced !== produced || produced === 0) {
      ({ produced } = state);
      expect(produced).toBeLessThan(1000);
      await sleep(300);
    }
    expect(state.isOver).toBe(false);
    socket.destroy();
    await closed(socket);
    await expect
      .poll(() => state, { timeout: 60_000 })
      .toMatchObject({ isOver: true, isAborted: true });
  });

  test("that fails half-way is cut off and logged", async () => {
    const { url, log } = await serve({}, FAILING);
    const response = await fetch(`${url}/stream`, { headers: ADMIN });
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    expect(log.join("")).toMatch(/ERROR .* An answer broke off\n/);
    expect((await fetch(`${url}/nowhere`, { headers: ADMIN })).status).toBe(404);
  });

  async function* finite() {
    yield Buffer.from('["a",');
    await sleep(10);
    yield Buffer.from('"b"]');
  }
  async function* failing() {
    yield Buffer.from("[");
    await sleep(10);
    throw new Error("half-way");
  }
  const FINITE: RouteTable = {
    "/stream": { GET: { handler: () => ({ status: 200, body: finite() }) } },
  };
  const FAILING: RouteTable = {
    "/stream": { GET: { handler: () => ({ status: 200, body: failing() }) } },
  };
});

describe("other origins", () => {
  const cors = { cors: { allowedOrigin: ["http://valid.example.com"], allowHeaders: ["X-A"] } };
  const VALID = { origin: "http://valid.example.com" };
  const ASKING = { ...VALID, "access-control-request-method": "GET" };

  test("have nothing to say where none is allowed", async () => {
    const { url } = await serve();
    expect((await fetch(url, { method: "OPTIONS", headers: ASKING })).status).toBe(405);
    const { headers } = await fetch(url, { headers: VALID });
    expect(headers.has("access-control-allow-origin")).toBe(false);
  });

  test("may ask beforehand, without a token", async () => {
    const { url } = await serve(cors);
    const response = await fetch(`${url}/things`, {
      method: "OPTIONS",
      headers: { ...ASKING, "access-control-request-headers": "x-a, Accept" },
    });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "access-control-allow-origin": "http://valid.example.com",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "GET",
      "access-control-allow-headers": "x-a,Accept",
      "access-control-max-age": "3600",
      vary: "Origin",
    });
    expect(response.headers.has("content-type")).toBe(false);
  });

  test.each([
    ["of another origin", { ...ASKING, origin: "http://invalid.example.com" }],
    ["without a method", VALID],
    ["with a method that is not allowed", { ...ASKING, "access-control-request-method": "TRACE" }],
    ["with a header that is not allowed", { ...ASKING, "access-control-request-headers": "x-b" }],
  ])("get no permission when they ask %s", async (_case, headers) => {
    const { url } = await serve(cors);
    const response = await fetch(url, { method: "OPTIONS", headers });
    expect(response.status).toBe(200);
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
  });

  test("see answers, errors included, where they are allowed", async () => {
    const { url } = await serve(cors);
    for (const path of ["/", "/nowhere"]) {
      const { headers } = await fetch(url + path, { headers: VALID });
      expect(headers.get("access-control-allow-origin")).toBe(VALID.origin);
      expect(headers.get("access-control-expose-headers")).toContain("OpenStack-API-Version");
      expect(headers.get("vary")).toBe("openstack-api-version,Origin");
    }
    const other = await fetch(url, { headers: { origin: "http://invalid.example.com" } });
    expect(other.headers.has("access-control-allow-origin")).toBe(false);
  });

  test("may be all of them", async () => {
    const { url } = await serve({ cors: { allowedOrigin: ["*"] } });
    const { headers } = await fetch(url, { headers: VALID });
    expect(headers.get("access-control-allow-origin")).toBe("*");
  });
});
