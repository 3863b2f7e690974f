import { describe, expect, test } from "vitest";
import {
  ADMIN,
  closed,
  errorOf,
  exchangeRaw,
  openSocket,
  serve,
  sleep,
  type ErrorBody,
} from "./support.ts";

const HEAD = "X-Auth-Token: admin\r\nOpenStack-API-Version: placement 1.39\r\n";

describe("a message that cannot be read", () => {
  test.each(["hi mom", "-1", "+1", "1, 1", "0x10", ""])(
    "for its Content-Length (%s) is 400",
    async (length) => {
      const { port, log } = await serve();
      const [answer, ...more] = await exchangeRaw(
        port,
        `PUT /things/a HTTP/1.1\r\nHost: localhost\r\n${HEAD}Content-Type: application/json\r\n` +
          `Content-Length: ${length}\r\n\r\n{}`,
      );
      expect(more).toEqual([]);
      expect(answer?.status).toBe(400);
      expect(answer?.headers.get("content-type")).toBe("application/json");
      expect(answer?.headers.get("openstack-api-version")).toBe("placement 1.39");
      expect(answer?.headers.get("vary")).toBe("openstack-api-version");
      const [error] = (JSON.parse(answer?.body ?? "") as ErrorBody).errors;
      expect(error).toMatchObject({
        title: "Bad Request",
        code: "placement.undefined_code",
        request_id: answer?.headers.get("x-openstack-request-id"),
      });
      expect(error.detail).toContain("content-length header must be an integer");
      expect(log.join("")).toContain('"PUT /things/a" status: 400');
    },
  );

  test("is refused in its turn: first the token, then the version", async () => {
    const { port } = await serve();
    const request = (headers: string) =>
      exchangeRaw(port, `GET /things HTTP/1.1\r\n${headers}Content-Length: hi mom\r\n\r\n`);
    expect((await request(""))[0]?.status).toBe(401);
    const headers = "X-Auth-Token: a\r\nOpenStack-API-Version: placement 9.9\r\n";
    expect((await request(headers))[0]?.status).toBe(406);
    const [html] = await request("X-Auth-Token: a\r\nAccept: text/html\r\n");
    expect(html?.body).toMatch(/^<html>[^]*content-length header must be an integer/);
  });

  test.each([
    ["garbage\r\n\r\n", 400, "the request line is malformed"],
    ["GET /a b HTTP/1.1\r\n\r\n", 400, "the request line is malformed"],
    [`GET /things/\xff HTTP/1.1\r\n${HEAD}\r\n`, 400, "the request line is malformed"],
    [`GET / HTTP/1.1\r\n${HEAD}A\x01: b\r\n\r\n`, 400, "the request is malformed"],
    [`GET / HTTP/1.1\r\n${HEAD}A: b\x00\r\n\r\n`, 400, "the request is malformed"],
    [
      `PUT / HTTP/1.1\r\n${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      "the request is malformed",
    ],
    [
      `GET /${"a".repeat(70_000)} HTTP/1.1\r\n\r\n`,
      431,
      "The request header fields were too large",
    ],
    [`GET / HTTP/1.1\r\nA: ${"a".repeat(70_000)}\r\n\r\n`, 431, "The request header fields"],
  ])("%j is %i", async (message, status, text) => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(port, message);
    expect(answer?.status).toBe(status);
    expect(answer?.headers.get("connection")).toBe("close");
    expect(answer?.body).toContain(text);
    expect(answer?.body).toContain('"request_id":"req-');
  });

  test("waits for the answers to those before it on the connection", async () => {
    const { port } = await serve({}, SLOW);
    const answers = await exchangeRaw(
      port,
      "GET /slow HTTP/1.1\r\nX-Auth-Token: a\r\n\r\n",
      "garbage\r\n",
    );
    expect(answers.map(({ status }) => status)).toEqual([200]);
    expect(answers[0]?.headers.get("connection")).toBe("close");
  });

  test("because its chunks are broken is told so", async () => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(
      port,
      `PUT /things/a HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
      "3\r\nabc\r\nXYZ\r\n",
    );
    expect(answer?.status).toBe(400);
    expect(answer?.body).toContain("the request is malformed");
  });
});

const SLOW = {
  "/slow": {
    GET: {
      handler: async () => {
        await sleep(150);
        return { status: 200, body: Buffer.from("slow") };
      },
    },
  },
};

describe("connections", () => {
  test("answer pipelined requests in order and stay open", async () => {
    const { port } = await serve();
    const get = (path: string, more = "") =>
      `GET ${path} HTTP/1.1\r\nX-Auth-Token: admin\r\n${more}\r\n`;
    const answers = await exchangeRaw(
      port,
      get("/things/1") + get("/things/2"),
      get("/nowhere"),
      get("/things/3", "Connection: close\r\n"),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 200]);
    expect(answers[1]?.body).toContain('"name":"2"');
  });

  test("need no Host header, and take any expectation", async () => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(
      port,
      `GET /things HTTP/1.1\r\n${HEAD}Connection: close\r\nExpect: the best\r\n\r\n`,
    );
    expect(answer?.status).toBe(200);
    expect(answer?.body).toContain(`"origin":"http://127.0.0.1:${port}"`);
  });

  test("of clients that take too long to send a request get a 408", async () => {
    const { port } = await serve({ stowage: { requestTimeout: 1 } });
    const started = performance.now();
    const [answer] = await exchangeRaw(port, `GET /things HTTP/1.1\r\n${HEAD}`);
    expect(answer?.status).toBe(408);
    expect(answer?.body).toContain('"request_id":"req-');
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("of clients that take too long to send a body get a 408 too", async () => {
    const { port } = await serve({ stowage: { requestTimeout: 1 } });
    const [answer] = await exchangeRaw(
      port,
      `PUT /things/a HTTP/1.1\r\n${HEAD}Content-Type: a/b\r\nContent-Length: 10\r\n\r\n12345`,
    );
    expect(answer?.status).toBe(408);
  });
});

describe("a body", () => {
  const put = (url: string, body: string) =>
    fetch(`${url}/things/a`, {
      method: "PUT",
      headers: { ...ADMIN, "content-type": "application/octet-stream" },
      body,
    });

  test("comes whole, in one piece or many", async () => {
    const { url, port } = await serve();
    expect(await (await put(url, "x".repeat(200_000))).json()).toEqual({ size: 200_000 });
    const [answer] = await exchangeRaw(
      port,
      `PUT /things/a HTTP/1.1\r\n${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`,
      "3\r\nabc\r\n",
      "2\r\nde\r\n0\r\n\r\n",
    );
    expect(answer?.body).toBe('{"size":5}');
  });

  test("over the limit is 413 and the connection goes on", async () => {
    const { url } = await serve({ stowage: { maxBodySize: 1000 } });
    expect((await put(url, "x".repeat(1000))).status).toBe(200);
    const response = await put(url, "x".repeat(1001));
    expect(response.status).toBe(413);
    expect((await errorOf(response)).detail).toBe(
      "The body of your request was too large for this server.\n\n The limit is 1000 bytes.  ",
    );
  });

  test("over the limit is 413 also when it does not say its size", async () => {
    const { port } = await serve({ stowage: { maxBodySize: 10 } });
    const [answer] = await exchangeRaw(
      port,
      `PUT /things/a HTTP/1.1\r\n${HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`,
      "8\r\n12345678\r\n",
      "8\r\n12345678\r\n",
    );
    expect(answer?.status).toBe(413);
  });

  test("that nobody wants is not taken in for ever", async () => {
    const { port } = await serve({ stowage: { maxBodySize: 100_000 } });
    const socket = openSocket(port);
    socket.write("PUT /things/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    const chunk = `2710\r\n${"x".repeat(10_000)}\r\n`;
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(chunk);
      sent++;
    }, 1);
    await closed(socket);
    clearInterval(timer);
    expect(sent).toBeLessThan(1000);
  });

  const TOO_SHORT = `PUT /things/a HTTP/1.1\r\n${HEAD}Content-Type: a/b\r\nContent-Length: 10\r\n\r\n123`;

  test("that ends too early is 400 for a client that still listens", async () => {
    const { port } = await serve();
    const socket = openSocket(port);
    let received = "";
    socket.on("data", (chunk: Buffer) => (received += chunk.toString()));
    socket.write(TOO_SHORT);
    await sleep(50);
    socket.end();
    await closed(socket);
    expect(received).toMatch(/^HTTP\/1\.1 400 /);
    expect(received).toContain("the request ended before it was complete");
  });

  test("of a client that goes away has no answer, and nobody waits for the rest", async () => {
    const { port, log, url } = await serve();
    const socket = openSocket(port);
    socket.write(TOO_SHORT);
    await sleep(50);
    socket.resetAndDestroy();
    await sleep(50);
    expect((await fetch(url)).status).toBe(200);
    expect(log.join("")).not.toContain("PUT");
  });

  test("is not read from a stranger", async () => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(
      port,
      "PUT /things/a HTTP/1.1\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\n",
    );
    expect(answer?.status).toBe(401);
  });
});
