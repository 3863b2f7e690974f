import { expect, onTestFinished, test } from "vitest";

import { startHere, type LocalStowage } from "../support/stowage.ts";
import type { ConfigOverrides } from "../../src/config/config.ts";

async function start(overrides: ConfigOverrides): Promise<LocalStowage> {
  // Clients call it by another name than localhost.
  const stowage = await startHere({
    ...overrides,
    stowage: { allowInsecureNoauth: true, ...overrides.stowage },
  });
  onTestFinished(() => stowage.stop());
  return stowage;
}

/** Where a new provider is found, by the answer to its creation. */
async function createdAt(
  { client }: LocalStowage,
  path: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const body = { name: `provider ${Math.random()}` };
  const { headers: answered } = await client.expectSuccess("POST", path, {
    body,
    version: "1.0",
    headers: { host: "cloud.example.org", ...headers },
  });
  return String(answered.location).replace(/[^/]+$/, "");
}

test.each(["/placement", "placement/"])(
  "with path_prefix = %s, requests come with the prefix or without, and links have it",
  async (pathPrefix) => {
    const stowage = await start({ stowage: { pathPrefix } });
    const link = "http://cloud.example.org/placement/resource_providers/";
    expect(await createdAt(stowage, "/placement/resource_providers")).toBe(link);
    expect(await createdAt(stowage, "/resource_providers")).toBe(link);
    const { client } = stowage;
    for (const path of ["/placement", "/placement/", "/", ""]) {
      expect((await client.get(path, { headers: { "x-auth-token": "" } })).status).toBe(200);
    }
    const listing = await client.get("/placement/resource_providers?name=none");
    expect(listing.json()).toEqual({ resource_providers: [] });
    expect((await client.get("/placement/resource_classes/VCPU")).json()).toMatchObject({
      links: [{ href: "/placement/resource_classes/VCPU" }],
    });
    for (const path of ["/placements", "/placementresource_providers", "/placement//traits"]) {
      expect((await client.get(path)).status).toBe(404);
    }
    expect(stowage.log.join("\n")).toContain('"GET /placement/resource_providers?name=none"');
  },
);

test("a trusted proxy that takes the prefix off tells it, whatever the configuration says", async () => {
  const proxied = { "x-forwarded-prefix": "/compute/placement", "x-forwarded-proto": "https" };
  for (const pathPrefix of ["", "/placement"]) {
    const trusting = await start({
      osloMiddleware: { enableProxyHeadersParsing: true },
      stowage: { pathPrefix },
    });
    expect(await createdAt(trusting, "/resource_providers", proxied)).toBe(
      "https://cloud.example.org/compute/placement/resource_providers/",
    );
  }
  const wary = await start({});
  expect(await createdAt(wary, "/resource_providers", proxied)).toBe(
    "http://cloud.example.org/resource_providers/",
  );
});

test("a prefix of a header is for links alone, and only where it looks like a path", async () => {
  const trusting = await start({
    osloMiddleware: { enableProxyHeadersParsing: true },
    stowage: { pathPrefix: "/placement" },
  });
  const linkWith = (prefix: string) =>
    createdAt(trusting, "/resource_providers", { "x-forwarded-prefix": prefix });
  const origin = "http://cloud.example.org";
  for (const prefix of ["/a/b-c_d.e~f", "/a/", "", "/"]) {
    expect(await linkWith(prefix)).toBe(
      `${origin}${prefix.replace(/\/$/, "")}/resource_providers/`,
    );
  }
  const odd = [
    "//evil.example.org",
    "evil",
    "/a//b",
    "/..",
    "/a/../b",
    "/a?b",
    "/a#b",
    "/a b",
    '/a"',
  ];
  for (const prefix of [...odd, `/${"a".repeat(300)}`]) {
    expect(await linkWith(prefix), prefix).toBe(`${origin}/placement/resource_providers/`);
  }
  expect(trusting.log.join("\n")).not.toMatch(/"POST (?!\/placement\/resource_providers")/);
});
