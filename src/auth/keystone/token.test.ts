import { expect, test } from "vitest";

import { readLogin, readToken } from "./token.ts";

const CATALOG = ["placement", "compute", "compute"].map((type) => ({
  type,
  endpoints: [{ interface: "public", url: `https://${type}.example.org` }],
}));

function body(more: object): object {
  const expires = "2026-11-28T00:00:00.000000Z";
  return { token: { user: { id: "a-user" }, expires_at: expires, catalog: CATALOG, ...more } };
}

test("of a token's catalog nothing is kept without access rules, and the types with them", () => {
  expect(JSON.stringify(readToken(body({})))).not.toContain("compute");
  const rule = { service: "placement", method: "GET", path: "/traits" };
  const access = { access_rules: [{ ...rule, id: "of no use" }] };
  expect(readToken(body({ application_credential: access }))).toMatchObject({
    accessRules: [rule],
    serviceTypes: ["placement", "compute"],
  });
  expect(JSON.stringify(readToken(body({ application_credential: access })))).not.toMatch(
    /example|of no use/,
  );
});

test("a login tells of the catalog, for where to validate tokens", () => {
  expect(readLogin(body({}))?.catalog).toEqual(CATALOG);
  expect([readLogin({}), readToken({})]).toEqual([undefined, undefined]);
});
