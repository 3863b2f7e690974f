import { describe, expect, test } from "vitest";

import type { ConfigOverrides } from "../../src/config/config.ts";
import { ADMIN, exchangeRaw, serve } from "./support.ts";

/** The status of a request that calls the server by this name. */
async function statusFor(host: string | undefined, overrides: ConfigOverrides = {}, path = "/") {
  const { port } = await serve(overrides);
  const headers = [`X-Auth-Token: ${ADMIN["x-auth-token"]}`, "Connection: close"];
  if (host !== undefined) headers.push(`Host: ${host}`);
  const [answer] = await exchangeRaw(
    port,
    `GET ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`,
  );
  return answer;
}

describe("while nobody is asked for a password, a page of another site gets nowhere", () => {
  test.each([
    "evil.example.org",
    "evil.example.org:8778",
    "localhost.evil.example.org",
    "127.0.0.1.evil.example.org",
    "192.0.2.1",
    "0.0.0.0:8778",
    "[::2]:8778",
    "localhost:8778@evil.example.org",
    "",
  ])("by the name %j: 421", async (host) => {
    for (const path of ["/", "/things"]) {
      const answer = await statusFor(host, {}, path);
      expect(answer?.status).toBe(421);
      expect(JSON.parse(answer?.body ?? "")).toMatchObject({
        errors: [{ status: 421, title: "Misdirected Request" }],
      });
    }
  });

  test.each(["localhost", "LOCALHOST:8778", "127.0.0.1:1", "127.1.2.3", "[::1]", "[::1]:8778"])(
    "this machine's own programs do, by the name %s",
    async (host) => {
      expect((await statusFor(host))?.status).toBe(200);
    },
  );

  test("so do programs that send no name, which no browser is", async () => {
    expect((await statusFor(undefined))?.status).toBe(200);
  });

  test("a name that a proxy tells does not make up for it", async () => {
    const { port } = await serve({ osloMiddleware: { enableProxyHeadersParsing: true } });
    const [answer] = await exchangeRaw(
      port,
      "GET / HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: localhost\r\nConnection: close\r\n\r\n",
    );
    expect(answer?.status).toBe(421);
  });
});

test("any name will do where noauth2 was allowed from outside", async () => {
  const overrides = { stowage: { allowInsecureNoauth: true } };
  expect((await statusFor("cloud.example.org", overrides))?.status).toBe(200);
});
