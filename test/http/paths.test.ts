import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HttpError } from "../../src/api/http-error.ts";
import { acceptableOffers } from "../../src/http/accept.ts";
import { negotiate } from "../../src/http/microversion.ts";
import { decodePercent } from "../../src/api/queries/percent-decoding.ts";
import { viewThroughProxy } from "../../src/http/proxy-headers.ts";
import { parseQuery } from "../../src/api/queries/query-string.ts";
import { readHead } from "../../src/http/raw-message.ts";
import { Router } from "../../src/http/router.ts";
import { ADMIN, exchangeRaw, ROUTES, serve, speaking } from "./support.ts";

describe("a path", () => {
  test.each([
    ["/things/a", { name: "a" }],
    ["/things/a%20b", { name: "a b" }],
    ["/things/A+B", { name: "A+B" }],
    ["/things/%C3%A9", { name: "é" }],
    ["/things/A%zzB%", { name: "A%zzB%" }],
    ["/things/%2e%2e", { name: ".." }],
    ["/things/__proto__", { name: "__proto__" }],
    ["/things/a/parts/b", { name: "a", part: "b" }],
    ["/%74hings/a%2Fparts%2Fb", { name: "a", part: "b" }],
  ])("%s is decoded, and a %2F separates", async (path, parameters) => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(port, requestFor(path));
    expect(answer?.status).toBe(200);
    const body = JSON.parse(Buffer.from(answer?.body ?? "", "latin1").toString()) as object;
    expect("parameters" in body ? body.parameters : body).toEqual(parameters);
  });

  test.each([
    "/things/",
    "/things//",
    "//things",
    "//",
    "/things//parts/a",
    "/things/a/parts/",
    "/things/%FF",
    "/things/a%2F",
    "/constructor",
    "/__proto__",
    "*",
    "things",
  ])("%s leads nowhere", async (path) => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(port, requestFor(path));
    // node:http refuses some before they come this far.
    expect([400, 404]).toContain(answer?.status);
    expect(answer?.body).toContain('"request_id":"req-');
  });
});

function requestFor(path: string): string {
  return (
    `GET ${path} HTTP/1.1\r\nConnection: close\r\nX-Auth-Token: admin\r\n` +
    "OpenStack-API-Version: placement 1.39\r\n\r\n"
  );
}

describe("a query string", () => {
  const pairsOf = async (query: string) => {
    const { url } = await serve();
    const response = await fetch(`${url}/things?${query}`, { headers: ADMIN });
    return ((await response.json()) as { query?: unknown }).query;
  };

  test("is split, decoded and kept in order", async () => {
    expect(await pairsOf("name=a+b&name=%C3%A9;name&&name=%zz&name=x=y")).toEqual([
      ["name", "a b"],
      ["name", "é"],
      ["name", ""],
      ["name", "%zz"],
      ["name", "x=y"],
    ]);
  });

  test("that is not UTF-8 is refused", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/things?name=%FF`, { headers: ADMIN });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("Invalid query string parameters: 'utf-8' codec");
  });

  test.for(["name=x%00", "name=%00", "%00=x"])(
    "with a NUL is refused as that: %s",
    async (query) => {
      const { url } = await serve();
      const response = await fetch(`${url}/things?${query}`, { headers: ADMIN });
      expect(response.status).toBe(400);
      const text = await response.text();
      expect(text).toContain("Invalid query string parameters: %00 stands for a NUL");
      expect(text).not.toContain("utf-8");
    },
  );

  test("is looked up by name", () => {
    const query = parseQuery("a=1&b=2&a=3");
    expect(query.get("a")).toBe("3");
    expect(query.getAll("a")).toEqual(["1", "3"]);
    expect(query.has("b")).toBe(true);
    expect(query.has("c")).toBe(false);
    expect(query.get("c")).toBeUndefined();
    expect(parseQuery("").pairs).toEqual([]);
  });
});

describe("links", () => {
  const created = async (url: string, headers: Record<string, string>) => {
    const response = await fetch(`${url}/things`, {
      method: "POST",
      headers: { ...speaking("1.15"), "content-type": "application/json", ...headers },
      body: '{"name": "a"}',
    });
    return response.headers.get("location");
  };
  const FORWARDED = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "api.example.com",
    "x-forwarded-prefix": "/placement",
  };

  test("are absolute, with the host that the client asked for", async () => {
    const { url, port } = await serve();
    expect(await created(url, {})).toBe(`http://127.0.0.1:${port}/things/a`);
    expect(await created(url, FORWARDED)).toBe(`http://127.0.0.1:${port}/things/a`);
    const [answer] = await exchangeRaw(
      port,
      "POST /things HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\nX-Auth-Token: admin\r\n" +
        'Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{"name": "a"}',
    );
    expect(answer?.headers.get("location")).toBe("http://localhost/things/a");
  });

  test("are those of the proxy, where it is trusted", async () => {
    const { url, log } = await serve({ osloMiddleware: { enableProxyHeadersParsing: true } });
    const location = "https://api.example.com/placement/things/a";
    expect(await created(url, FORWARDED)).toBe(location);
    const forwarded = 'for=192.0.2.60;proto=https;host="api.example.com", for=198.51.100.17';
    expect(await created(url, { forwarded, "x-forwarded-prefix": "/placement/" })).toBe(location);
    expect(log.at(-1)).toContain('192.0.2.60 "POST /things" status: 201');
    const response = await fetch(`${url}/things/a`, { headers: { ...ADMIN, ...FORWARDED } });
    expect(await response.json()).toHaveProperty("mountPoint", "/placement");
  });
});

describe("nothing that a client sends makes a parser fail, only refuse", () => {
  const text = fc.oneof(
    fc.string(),
    fc.string({
      unit: fc.constantFrom("%", "2", "f", "/", "&", "=", ";", ",", ".", "q", " ", "é"),
    }),
  );

  test("the path and the query", () => {
    const router = new Router(ROUTES);
    fc.assert(
      fc.property(text, (value) => {
        const ascii = value.replace(/[^\x21-\x7e]/g, "");
        const path = decodePercent(ascii);
        if (path !== undefined) router.find(`/${path}`);
        assertRefused(() => parseQuery(ascii));
      }),
    );
  });

  test("what is percent-encoded is decoded to what it was, unless it holds a NUL", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const expected = value.includes("\0") ? undefined : value;
        expect(decodePercent(encodeURIComponent(value))).toBe(expected);
      }),
    );
  });

  test("the headers", () => {
    const direct = {
      scheme: "http",
      host: "h",
      remoteAddress: "a",
      mountPoint: "",
      linkPrefix: "",
    };
    fc.assert(
      fc.property(text, (value) => {
        assertRefused(() => negotiate(`placement ${value}`, "placement"));
        acceptableOffers(value, ["application/json"]);
        viewThroughProxy(direct, { forwarded: value, "x-forwarded-prefix": value });
        readHead(Buffer.from(value));
      }),
    );
  });
});

function assertRefused(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError);
  }
}
