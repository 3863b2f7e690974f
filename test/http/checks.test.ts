import { describe, expect, test } from "vitest";
import { ADMIN, errorOf, exchangeRaw, serve, speaking } from "./support.ts";

/** A request with everything wrong that a layer further in would complain about. */
const ALL_WRONG = {
  version: "OpenStack-API-Version: placement 7.0\r\n",
  body: "Content-Length: 2\r\n",
  path: "/nowhere",
};

describe("the order of checks", () => {
  test("begins with who asks: nothing else is told to a stranger", async () => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(
      port,
      `PUT ${ALL_WRONG.path} HTTP/1.1\r\nConnection: close\r\n${ALL_WRONG.version}${ALL_WRONG.body}\r\n{}`,
    );
    expect(answer?.status).toBe(401);
  });

  test("goes on with the version", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/nowhere`, {
      method: "PUT",
      headers: speaking("7.0"),
      body: new Uint8Array(2),
    });
    expect(response.status).toBe(406);
  });

  test("then with what must be said about a body", async () => {
    const { url } = await serve();
    const init = { method: "PUT", headers: ADMIN, body: new Uint8Array(2) };
    const response = await fetch(`${url}/nowhere`, init);
    expect(response.status).toBe(400);
    const { detail } = await errorOf(response);
    expect(detail).toContain("content-type header required when content-length > 0");
  });

  test("then with the route, the method, its version, and the media types", async () => {
    const { url } = await serve();
    const status = async (method: string, path: string, headers: Record<string, string>) =>
      (await fetch(url + path, { method, headers: { ...ADMIN, ...headers } })).status;
    const wrongType = { "content-type": "text/plain" };
    expect(await status("POST", "/nowhere", wrongType)).toBe(404);
    expect(await status("PATCH", "/things", wrongType)).toBe(405);
    expect(await status("GET", "/things/a/parts/b", speaking("1.5"))).toBe(404);
    expect(await status("DELETE", "/things/a/parts/b", speaking("1.5"))).toBe(405);
    expect(await status("DELETE", "/things/a/parts/b", speaking("1.6"))).toBe(204);
    expect(await status("POST", "/things", { ...wrongType, "x-roles": "none" })).toBe(415);
    expect(await status("GET", "/things", { accept: "text/plain", "x-roles": "none" })).toBe(406);
  });

  test("tells since when there is a route that the version of the request lacks", async () => {
    const { url } = await serve();
    const detailOf = async (method: string, headers: Record<string, string>) =>
      (await errorOf(await fetch(`${url}/things/a/parts/b`, { method, headers }))).detail;

    expect(await detailOf("GET", speaking("1.5"))).toBe(
      "The resource could not be found.\n\n " +
        "GET /things/{name}/parts/{part} came with microversion 1.6; this request speaks 1.5.  ",
    );
    expect(await detailOf("GET", ADMIN)).toContain(
      "came with microversion 1.6; this request names none, which means 1.0.",
    );
    expect(await detailOf("DELETE", speaking("1.0"))).toContain(
      "DELETE /things/{name}/parts/{part} came with microversion 1.6;",
    );
  });

  test("ends with policy, then the query or the body", async () => {
    const { url } = await serve();
    const stranger = { "x-auth-token": "joe" };
    const response = await fetch(`${url}/things?x=%FF`, { headers: stranger });
    expect(response.status).toBe(403);
    expect((await errorOf(response)).detail).toContain(
      "Policy does not allow placement:things:list to be performed.",
    );
    const headers = { ...stranger, "content-type": "application/json" };
    const init = { method: "POST", body: "no JSON" };
    expect((await fetch(`${url}/things`, { ...init, headers })).status).toBe(403);
    const asAdmin = { ...headers, ...ADMIN };
    expect((await fetch(`${url}/things`, { ...init, headers: asAdmin })).status).toBe(400);
    expect((await fetch(`${url}/things?x=%FF`, { headers: ADMIN })).status).toBe(400);
  });
});

describe("the token of noauth2", () => {
  test("is user and project, the project being the user's name unless given", async () => {
    const { url } = await serve();
    const contextOf = async (headers: Record<string, string>) => {
      const response = await fetch(`${url}/things/a`, { headers });
      return ((await response.json()) as { context: object }).context;
    };
    expect(await contextOf({ "x-auth-token": "admin" })).toMatchObject({
      userId: "admin",
      projectId: "admin",
      roles: ["admin"],
    });
    expect(await contextOf({ "x-auth-token": "joe:demo:x" })).toMatchObject({
      userId: "joe",
      projectId: "demo:x",
      roles: [],
    });
    expect(
      await contextOf({ "x-auth-token": "joe", "x-roles": "a, b", "x-project-id": "demo" }),
    ).toMatchObject({ userId: "joe", projectId: "demo", roles: ["a", "b"] });
    expect(await contextOf({ "x-auth-token": "admin", "x-roles": "" })).toMatchObject({
      roles: [],
    });
    const system = await contextOf({ "x-auth-token": "joe", "openstack-system-scope": "all" });
    expect(system).not.toHaveProperty("projectId");
  });

  test("is not needed for the root, and not looked at there", async () => {
    const { url, port } = await serve();
    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(`${url}/?x=1`, { headers: { "x-auth-token": "" } })).status).toBe(200);
    const [answer] = await exchangeRaw(
      port,
      "GET http://elsewhere HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    expect(answer?.status).toBe(200);
  });

  test("is missed with a 401 that is JSON like any error", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/things`);
    expect(response.status).toBe(401);
    const { title, detail } = await errorOf(response);
    expect(title).toBe("Unauthorized");
    expect(detail).toMatch(/^This server could not verify that you are authorized/);
  });
});

describe("the version", () => {
  test.each([
    [undefined, "1.0"],
    ["placement 1.10", "1.10"],
    ["placement latest", "1.39"],
    ["Placement 1.3", "1.3"],
    ["placement 1.09", "1.9"],
    ["placement 1. 9", "1.9"],
    ["compute 2.1, placement 1.3", "1.3"],
    ["placement 1.3, placement 1.4", "1.4"],
    ["compute 2.1", "1.0"],
    ["1.4", "1.0"],
    ["", "1.0"],
  ])("of %s is %s", async (header, version) => {
    const { url } = await serve();
    const headers = { ...ADMIN, ...(header !== undefined && { "openstack-api-version": header }) };
    for (const path of ["/", "/nowhere"]) {
      const response = await fetch(url + path, { headers });
      expect(response.headers.get("openstack-api-version")).toBe(`placement ${version}`);
      expect(response.headers.get("vary")).toBe("openstack-api-version");
    }
  });

  test("may be sent in several headers, of which the last one for placement counts", async () => {
    const { port } = await serve();
    const [answer] = await exchangeRaw(
      port,
      "GET / HTTP/1.1\r\nConnection: close\r\nOpenStack-API-Version: placement 1.3\r\n" +
        "OpenStack-API-Version: placement 1.4\r\nOpenStack-API-Version: compute 2.1\r\n\r\n",
    );
    expect(answer?.headers.get("openstack-api-version")).toBe("placement 1.4");
  });

  test.each(["0.5", "1.40", "2.0", "1.99999999999999999999"])(
    "%s is not supported, and the answer says what is",
    async (version) => {
      const { url } = await serve();
      const response = await fetch(url, { headers: speaking(version) });
      expect(response.status).toBe(406);
      expect(response.headers.get("vary")).toBe("openstack-api-version");
      const error = await errorOf(response);
      expect(error).toMatchObject({ max_version: "1.39", min_version: "1.0" });
      expect(error.detail).toContain(
        `Invalid microversion: Unacceptable version header: ${version}`,
      );
    },
  );

  test.each(["pony", "pony.horse", "1.2.3", "1.", ".1", "1.-1", "Latest", "1", "1.٣", "1.1e0"])(
    "%s is none",
    async (version) => {
      const { port } = await serve();
      const [answer] = await exchangeRaw(
        port,
        "GET / HTTP/1.1\r\nConnection: close\r\n" +
          `OpenStack-API-Version: placement ${Buffer.from(version).toString("latin1")}\r\n\r\n`,
      );
      expect(answer?.status).toBe(400);
      expect(answer?.body).toContain("Invalid microversion: invalid version string: ");
    },
  );
});

describe("an unknown method", () => {
  test.each(["DELETE", "OPTIONS", "HEAD", "PATCH"])(
    "%s is 405 and told what is allowed",
    async (method) => {
      const { url } = await serve();
      const response = await fetch(`${url}/things`, { method, headers: ADMIN });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, POST");
      const body = await response.text();
      if (method === "HEAD") expect(body).toBe("");
      else {
        expect(body).toContain(`The method ${method} is not allowed for this resource. \\n\\n The`);
      }
    },
  );
});

describe("the media types", () => {
  test("a body may have parameters behind its type, in any case", async () => {
    const { url } = await serve();
    for (const type of ["application/json; charset=utf-8", "Application/JSON"]) {
      const response = await fetch(`${url}/things`, {
        method: "POST",
        headers: { ...ADMIN, "content-type": type },
        body: '{"name": "a"}',
      });
      expect(response.status).toBe(201);
    }
  });

  test("a PUT or POST without a body is told which type is missing", async () => {
    const { url } = await serve();
    const response = await fetch(`${url}/things`, { method: "POST", headers: ADMIN });
    expect(response.status).toBe(415);
    expect((await errorOf(response)).detail).toBe(
      "The request media type None is not supported by this server. \n\n " +
        "The media type None is not supported, use application/json",
    );
  });

  test.each([
    ["text/plain", 406],
    ["text/html,application/xhtml+xml,application/xml;q=0.9", 406],
    ["text/html,application/xml;q=0.9,*/*;q=0.8", 200],
    ["application/json;q=0", 406],
    ["text/plain, application/*;q=0.5", 200],
    ["not a media range", 200],
    ['text/plain;a="b,c"', 406],
    ['text/plain;a="b,c", application/json', 200],
    [String.raw`text/plain;a="\",application/json,\""`, 406],
    ['application/json;q=0.5;a="b,c";d', 200],
    ["application/json;a=b", 406],
    ["*/*;a=b", 200],
    ["text/plain;a, application/json;q=0", 200],
    ["application/json, application/json;q=0", 200],
  ])("for Accept: %s is %i", async (accept, status) => {
    const { url } = await serve();
    const response = await fetch(`${url}/things`, { headers: { ...ADMIN, accept } });
    expect(response.status).toBe(status);
    if (status === 406)
      expect(await response.text()).toContain("Only application/json is provided");
  });
});
