import { expect, onTestFinished, test } from "vitest";

import { startHere } from "../support/stowage.ts";
import { ActingKeystone } from "./acting-keystone.ts";

/** The status of a request with a credential that is good for `GET /placement/traits` alone. */
async function statusFor(pathPrefix: string, path: string, headers: Record<string, string>) {
  const keystone = await ActingKeystone.start();
  onTestFinished(() => keystone.stop());
  keystone.tokens.set("restricted", {
    roles: ["admin"],
    rest: {
      application_credential: {
        access_rules: [{ service: "placement", method: "GET", path: "/placement/traits" }],
      },
      catalog: [{ type: "placement" }],
    },
  });
  const stowage = await startHere({
    api: { authStrategy: "keystone" },
    keystoneAuthtoken: {
      authUrl: keystone.url,
      authType: "password",
      userId: "placement",
      password: "the-password",
      serviceType: "placement",
    },
    osloMiddleware: { enableProxyHeadersParsing: true },
    stowage: { pathPrefix },
  });
  onTestFinished(() => stowage.stop());
  const token = { "x-auth-token": "restricted" };
  return (await stowage.client.get(path, { version: "1.39", headers: { ...token, ...headers } }))
    .status;
}

test.each([
  ["/placement", "/traits", {}, 200],
  ["/placement", "/placement/traits", { "x-forwarded-prefix": "/other" }, 200],
  ["/placement", "/resource_classes", {}, 401],
  // What the rules are matched against would be what the request says.
  ["", "/traits", { "x-forwarded-prefix": "/placement" }, 401],
  ["", "/resource_providers", { "x-forwarded-prefix": "/placement/traits#" }, 401],
  ["/placement", "/traits", { "x-service-token": "restricted" }, 401],
  ["/placement", "/resource_classes", { "x-service-token": "restricted" }, 401],
] as const)(
  "access rules are about the configured prefix and the path: prefix %j, GET %s with %j: %i",
  async (pathPrefix, path, headers, status) => {
    expect(await statusFor(pathPrefix, path, headers)).toBe(status);
  },
);
