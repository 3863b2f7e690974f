import type { Socket } from "node:net";
import { describe, expect, test, vi } from "vitest";

import { ALL_ROUTES } from "../../src/api/all-routes.ts";
import { empty } from "../../src/api/response.ts";
import type { RouteTable } from "../../src/api/route.ts";
import { closed, exchangeRaw, openSocket, serve, sleep } from "../http/support.ts";
import { TARGETS_WITH_BODY } from "./attack.ts";
import { pathTo } from "./specimens.ts";

const ADMIN_HEAD = "X-Auth-Token: admin\r\nOpenStack-API-Version: placement 1.39\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";

/** What comes after the head, and cannot be read. */
const BROKEN_CHUNKS = {
  "a size with a sign": "+0\r\n\r\n",
  "a negative size": "-1\r\n\r\n",
  "a size in C's notation": "0x0\r\n\r\n",
  "a blank behind the size": "2 \r\nab\r\n0\r\n\r\n",
  "a size beyond all numbers": `${"f".repeat(17)}\r\n`,
  "no size": "\r\n\r\n",
  "a bare LF": "2\nab\r\n0\r\n\r\n",
  "a bare CR": "2\rab\r\n0\r\n\r\n",
  "an extension of 80 KB": `2;${"a".repeat(80_000)}\r\nab\r\n0\r\n\r\n`,
};

const CODINGS = ["zzz", "xchunked", "gzip", "identity", "__proto__", "gzip, chunked", "chunked, x"];

describe.each(["GET / HTTP/1.1\r\n", `PUT /things/a HTTP/1.1\r\n${ADMIN_HEAD}`])("%j", (head) => {
  test.each(Object.entries(BROKEN_CHUNKS))(
    "with %s is answered 400 and closed at once, in one packet or two",
    async (_, chunks) => {
      const { port } = await serve();
      const together = await exchangeRaw(port, `${head}${CHUNKED}\r\n${chunks}`);
      expect(together.map(({ status }) => status)).toEqual([400]);
      expect(together[0]?.headers.get("connection")).toBe("close");
      const apart = await exchangeRaw(port, `${head}${CHUNKED}\r\n`, chunks);
      // Who wants no body may have been answered by then.
      const [status, ...more] = apart.map((answer) => answer.status);
      expect(head.startsWith("GET") ? [200, 400] : [400]).toContain(status);
      expect(more).toEqual([]);
    },
  );

  test.each(CODINGS)("in the transfer coding %s is answered 501 and closed", async (coding) => {
    const { port } = await serve();
    const answers = await exchangeRaw(
      port,
      `${head}Transfer-Encoding: ${coding}\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
    );
    expect(answers.map(({ status }) => status)).toEqual([501]);
    expect(answers[0]?.headers.get("connection")).toBe("close");
  });

  test("that is chunked twice is answered and closed", async () => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(port, `${head}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`);
    expect([400, 501]).toContain(answer?.status);
  });
});

test("A broken body of a stranger is a 401, and closed", async () => {
  const { port } = await serve();
  const [answer] = await exchangeRaw(port, `PUT /things/a HTTP/1.1\r\n${CHUNKED}\r\n+0\r\n\r\n`);
  expect(answer?.status).toBe(401);
});

test("Hundreds of broken bodies leave no connection behind", async () => {
  const { port } = await serve();
  const sockets = Array.from({ length: 200 }, () => {
    const socket = openSocket(port);
    socket.resume().write(`GET / HTTP/1.1\r\n${CHUNKED}\r\n+0\r\n\r\n`);
    return socket;
  });
  await Promise.all(sockets.map(closed));
  expect(sockets.every(({ destroyed }) => destroyed)).toBe(true);
});

test("A request of HTTP/1.0 in chunks is answered and the connection closed, whatever it asks", async () => {
  const { port } = await serve();
  const [answer, ...more] = await exchangeRaw(
    port,
    `PUT /things/a HTTP/1.0\r\n${ADMIN_HEAD}Connection: keep-alive\r\n${CHUNKED}\r\n` +
      "2\r\nab\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
  );
  expect(answer?.status).toBe(200);
  expect(more).toEqual([]);
});

describe("A body", () => {
  test.each(TARGETS_WITH_BODY.filter(takesDocument))(
    "is not read of whom policy refuses: $method $template",
    async ({ method, template }) => {
      const { port } = await serve({}, ALL_ROUTES);
      const [answer] = await exchangeRaw(
        port,
        `${method} ${pathTo(template)} HTTP/1.1\r\nX-Auth-Token: nobody:lab\r\n` +
          "OpenStack-API-Version: placement 1.39\r\nConnection: close\r\n" +
          "Content-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n{",
      );
      expect(answer?.status).toBe(403);
    },
  );

  test("that nobody wants, and that does not come, ends the connection", async () => {
    const { port } = await serve({ stowage: { requestTimeout: 2 } });
    const socket = openSocket(port);
    const answers = receive(socket);
    socket.write(`PUT /things/a HTTP/1.1\r\nContent-Length: 100\r\n\r\n`);
    await closed(socket);
    expect(answers()).toMatch(/^HTTP\/1\.1 401 /);
    expect(answers().match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  test("that comes too slowly is a 408", async () => {
    const { port } = await serve({ stowage: { requestTimeout: 2 } });
    const started = openSocket(port);
    const answers = receive(started);
    started.write(`PUT /things/a HTTP/1.1\r\n${ADMIN_HEAD}Content-Type: a/b\r\n`);
    started.write(`Content-Length: 200000\r\n\r\n${"x".repeat(100_000)}`);
    const drip = setInterval(() => started.write("x"), 100);
    await closed(started);
    clearInterval(drip);
    expect(answers()).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("has no place where others have taken all there is, and gets one when they have gone", async () => {
    const limits = { maxBodySize: 100_000, maxSmallBodySize: 100_000, maxBodiesSize: 150_000 };
    const { port } = await serve({ stowage: limits });
    const first = openSocket(port);
    const answerOfFirst = receive(first);
    first.write(upload(100_000, "x".repeat(99_999)));
    await sleep(100);
    const [second] = await exchangeRaw(port, upload(100_000, "x".repeat(100_000)));
    expect(second?.status).toBe(503);
    expect(second?.headers.get("retry-after")).toBe("1");
    const [small] = await exchangeRaw(port, upload(10_000, "x".repeat(10_000)));
    expect(small?.status).toBe(200);
    first.write("x");
    await closed(first);
    expect(answerOfFirst()).toMatch(/^HTTP\/1\.1 200 /);
    const [third] = await exchangeRaw(port, upload(100_000, "x".repeat(100_000)));
    expect(third?.status).toBe(200);
  });

  test("counts for what it takes where it is large", async () => {
    const limits = { maxBodySize: 100_000, maxSmallBodySize: 10_000, maxBodiesSize: 400_000 };
    const handler: RouteTable[string][string]["handler"] = async (request) => {
      await request.readBody();
      return empty(204);
    };
    const routes = { "/much": { PUT: { handler, takesMuch: true } } };
    const { port } = await serve({ stowage: limits }, routes);
    const first = openSocket(port);
    const answerOfFirst = receive(first);
    first.write(upload(50_000, "x".repeat(49_999), "/much"));
    await vi.waitFor(
      async () => {
        const [second] = await exchangeRaw(port, upload(50_000, "x".repeat(50_000), "/much"));
        expect(second?.status).toBe(503);
      },
      { timeout: 10_000 },
    );
    const [small] = await exchangeRaw(port, upload(5000, "x".repeat(5000), "/much"));
    expect(small?.status).toBe(204);
    first.write("x");
    await closed(first);
    expect(answerOfFirst()).toMatch(/^HTTP\/1\.1 204 /);
  });

  test("has a small limit, but for routes that take much", async () => {
    const handler: RouteTable[string][string]["handler"] = async (request) => {
      await request.readBody();
      return empty(204);
    };
    const routes = {
      "/small": { PUT: { handler } },
      "/much": { PUT: { handler, takesMuch: true } },
    };
    const { port } = await serve(
      { stowage: { maxBodySize: 5000, maxSmallBodySize: 1000 } },
      routes,
    );
    const statusOf = async (path: string, size: number) =>
      (await exchangeRaw(port, upload(size, "x".repeat(size), path)))[0]?.status;
    expect(await statusOf("/small", 1000)).toBe(204);
    expect(await statusOf("/small", 1001)).toBe(413);
    expect(await statusOf("/much", 5000)).toBe(204);
    expect(await statusOf("/much", 5001)).toBe(413);
  });
});

function takesDocument({ method, template }: { method: string; template: string }): boolean {
  return ALL_ROUTES[template]?.[method]?.consumes !== undefined;
}

function upload(length: number, body: string, path = "/things/a"): string {
  return (
    `PUT ${path} HTTP/1.1\r\n${ADMIN_HEAD}Connection: close\r\nContent-Type: a/b\r\n` +
    `Content-Length: ${length}\r\n\r\n${body}`
  );
}

/** What has come so far. */
function receive(socket: Socket): () => string {
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  return () => received;
}
