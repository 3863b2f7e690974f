import { describe, expect, test } from "vitest";
import { ADMIN, errorOf, serve, speaking } from "./support.ts";

describe("an error", () => {
  test("is JSON with WebOb's sentence around the detail, without tags", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/failures/bad-request`, { headers: ADMIN });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await errorOf(response)).toEqual({
      status: 400,
      title: "Bad Request",
      detail:
        "The server could not comply with the request since it is either malformed or otherwise " +
        'incorrect.\n\n a bold text & "more"  ',
      request_id: response.headers.get("x-openstack-request-id"),
    });
  });

  test("has a code since 1.23", async () => {
    const { url } = await serve();
    const at = async (version: string) =>
      errorOf(await fetch(`${url}/failures/concurrent-update`, { headers: speaking(version) }));
    expect(await at("1.22")).not.toHaveProperty("code");
    expect(await at("1.23")).toHaveProperty("code", "placement.concurrent_update");
  });

  test("is HTML for a client that takes nothing else, with everything escaped", async () => {
    const { url } = await serve();
    const headers = { ...ADMIN, accept: "text/html" };
    const response = await fetch(`${url}/failures/bad-request`, { headers });
    expect(response.headers.get("content-type")).toBe("text/html; charset=UTF-8");
    expect(await response.text()).toBe(`<html>
 <head>
  <title>400 Bad Request</title>
 </head>
 <body>
  <h1>400 Bad Request</h1>
  The server could not comply with the request since it is either malformed or otherwise incorrect.<br /><br />
a &lt;b&gt;bold&lt;/b&gt;
text &amp; &quot;more&quot;


 </body>
</html>`);
  });

  test("is plain text for a client that takes neither", async () => {
    const { url } = await serve();
    const headers = { ...ADMIN, accept: "text/plain" };
    const response = await fetch(`${url}/nowhere`, { headers });
    expect(response.headers.get("content-type")).toBe("text/plain; charset=UTF-8");
    expect(await response.text()).toBe("404 Not Found\n\nThe resource could not be found.\n\n   ");
  });

  // By WebOb's rules, ties included.
  test.each([
    [undefined, "application/json"],
    ["*/*", "application/json"],
    ["application/json", "application/json"],
    ["text/html;q=0.5, application/json", "application/json"],
    ["text/html, application/json", "text/html"],
    ["application/*, text/html", "text/html"],
    ["*/*, text/html;q=0.1", "application/json"],
    ["application/json;q=0, */*", "text/html"],
    ["text/*", "text/html"],
    ["TEXT/HTML", "text/html"],
    ["application/xml;q=0.9,*/*;q=0.8", "text/html"],
    ["not a media range", "text/html"],
    ["text/html;q=2", "text/html"],
    ["application/json;v=1", "text/plain"],
    ["*/json", "text/plain"],
    ["text/html;q=0", "text/plain"],
  ])("for Accept: %s is %s", async (accept, type) => {
    const { url } = await serve();
    const headers = { ...ADMIN, ...(accept !== undefined && { accept }) };
    const response = await fetch(`${url}/nowhere`, { headers });
    expect(response.headers.get("content-type")?.split(";")[0]).toBe(type);
  });

  test.each([
    ["not-found", 404, "placement.undefined_code", "No resource provider with uuid u-u found"],
    ["concurrent-update", 409, "placement.concurrent_update", "concurrently updated the resource"],
    ["exists", 409, "placement.undefined_code", "Resource class CUSTOM_A already exists."],
    ["transaction-conflict", 409, "placement.concurrent_update", "Please retry your update"],
    ["no-database", 503, "placement.undefined_code", "The database is not available."],
    ["commit-unknown", 503, "placement.undefined_code", "look before you repeat it"],
  ])("that no handler translated (%s) is %i", async (kind, status, code, text) => {
    const { url } = await serve();
    const response = await fetch(`${url}/failures/${kind}`, { headers: speaking("1.39") });
    expect(response.status).toBe(status);
    const { detail, ...error } = await errorOf(response);
    expect(error).toMatchObject({ status, code });
    expect(detail).toContain(text);
    expect(detail).not.toContain("secret");
  });

  test("of a database that is away says when to come back", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/failures/no-database`, { headers: ADMIN });
    expect(response.headers.get("retry-after")).toBe("5");
  });

  test("that nobody foresaw is 500 without internals, and logged with its stack", async () => {
    const { url, log, metrics } = await serve();
    const response = await fetch(`${url}/failures/other`, { headers: ADMIN });
    expect(response.status).toBe(500);
    const { detail, request_id: requestId } = await errorOf(response);
    expect(detail).toBe(
      "The server has either erred or is incapable of performing the requested operation.\n\n   ",
    );
    const lines = log.join("").split("\n");
    const line = lines.find((text) => text.includes("Unexpected error: unexpected <secret>"));
    expect(line).toContain(` ERROR stowage [None ${requestId} admin admin - - -] `);
    expect(log.join("")).toMatch(/ERROR .* at .*support\.ts/);
    await expect(metrics.total("stowage_unexpected_errors_total")).resolves.toBe(1);
  });

  test("never echoes what a client sent at length", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/things?${"x".repeat(30_000)}=1`, { headers: ADMIN });
    expect(response.status).toBe(400);
    expect((await response.text()).length).toBeLessThan(2000);
  });
});

describe("the metrics", () => {
  test("count answers by method, route and status, with one name for all paths to nowhere", async () => {
    const { url, metrics } = await serve();
    for (const path of ["/", "/things?x=1", "/failures/exists", "/nowhere", "/elsewhere"]) {
      await fetch(url + path, { headers: ADMIN });
    }
    const count = (route: string, status: string) =>
      metrics.total("stowage_http_requests_total", { method: "GET", route, status });
    expect([
      await count("/", "200"),
      await count("/things", "400"),
      await count("/failures/{kind}", "409"),
      await count("none", "404"),
      await metrics.total("stowage_unexpected_errors_total"),
    ]).toEqual([1, 1, 1, 2, 0]);
    expect(await metrics.text()).toContain(
      'stowage_http_request_duration_seconds_count{method="GET",route="/things"} 1',
    );
  });
});
