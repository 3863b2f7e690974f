import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { ADMIN, errorOf } from "../http/support.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { DESCRIBED_METHODS, expectAsDescribed } from "./described.ts";

const LEASED = consumerUuid(2);

/** A request for each method of ours, by what the table of routes calls it. */
const EXAMPLES: Readonly<Record<string, { readonly path: string; readonly body?: unknown }>> = {
  "GET /stowage/v1": { path: "/stowage/v1" },
  "GET /healthz": { path: "/healthz" },
  "GET /readyz": { path: "/readyz" },
  "GET /stowage/v1/explain": { path: "/stowage/v1/explain?resources=VCPU:1" },
  "POST /stowage/v1/claims": {
    path: "/stowage/v1/claims",
    body: {
      query: "resources=VCPU:1",
      consumer: { project_id: "lab", user_id: "ci", type: "JOB" },
    },
  },
  "DELETE /stowage/v1/claims/{gang}": { path: "/stowage/v1/claims/train-17" },
  "POST /stowage/v1/explain": {
    path: "/stowage/v1/explain",
    body: { query: "resources=VCPU:1&required=HW_CPU_X86_VMX", nearest: 1 },
  },
  "GET /stowage/v1/refusals": {
    path: "/stowage/v1/refusals?request_id=req-1&since=2026-11-27T19:00:00Z&limit=500",
  },
  "GET /stowage/v1/events": { path: "/stowage/v1/events" },
  "GET /stowage/v1/consumers": { path: "/stowage/v1/consumers?limit=5" },
  "GET /stowage/v1/consumers/{uuid}": { path: `/stowage/v1/consumers/${consumerUuid(1)}` },
  "GET /stowage/v1/consumers/{uuid}/lease": { path: `/stowage/v1/consumers/${LEASED}/lease` },
  "PUT /stowage/v1/consumers/{uuid}/lease": {
    path: `/stowage/v1/consumers/${LEASED}/lease`,
    body: { seconds: 60 },
  },
  "DELETE /stowage/v1/consumers/{uuid}/lease": { path: `/stowage/v1/consumers/${LEASED}/lease` },
  "GET /stowage/v1/consumers/{uuid}/history": {
    path: `/stowage/v1/consumers/${consumerUuid(1)}/history?limit=5`,
  },
  "GET /stowage/v1/providers/{uuid}/history": {
    path: `/stowage/v1/providers/${providerUuid(1)}/history`,
  },
  "POST /stowage/v1/orphans": {
    path: "/stowage/v1/orphans",
    body: {
      alive: [consumerUuid(7)],
      alive_as_of: new Date().toISOString(),
      scope: { min_age_seconds: 0, tree: null },
    },
  },
  "POST /stowage/v1/releases": {
    path: "/stowage/v1/releases",
    body: { releases: [{ consumer: consumerUuid(1), generation: 1 }], reason: "none" },
  },
  "POST /stowage/v1/restorations": {
    path: "/stowage/v1/restorations",
    body: { reason: "none" },
  },
  "GET /stowage/v1/fit": { path: "/stowage/v1/fit?resources=VCPU:1" },
  "POST /stowage/v1/fit": {
    path: "/stowage/v1/fit",
    body: { flavors: { "m1.small": "resources=VCPU:1,MEMORY_MB:512" }, hosts: 1 },
  },
  "GET /metrics": { path: "/metrics" },
  "GET /metrics/providers": { path: "/metrics/providers" },
  "GET /stowage/v1/providers": { path: "/stowage/v1/providers" },
};

let stowage: LocalStowage;
beforeAll(async () => {
  stowage = await startHere();
  await makeProvider(stowage.client, providerUuid(1), { VCPU: 4 });
  await stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, {
    body: claimBody({ [providerUuid(1)]: { VCPU: 1 } }),
  });
  await stowage.client.expectSuccess("POST", "/stowage/v1/claims", {
    body: {
      query: "resources=VCPU:1",
      consumer: { uuid: LEASED, project_id: "lab", user_id: "ci", type: "JOB" },
      lease: { seconds: 600 },
    },
  });
  await stowage.client.expectSuccess("POST", "/stowage/v1/claims", {
    body: {
      gang: "train-17",
      members: [{ name: "worker", query: "resources=VCPU:1" }],
      consumer: { project_id: "lab", user_id: "ci", type: "JOB" },
    },
  });
});
afterAll(() => stowage.stop());

describe("each method of ours", () => {
  test("has an example here, and each example its method", () => {
    expect(Object.keys(EXAMPLES).toSorted()).toEqual(
      DESCRIBED_METHODS.map(({ label }) => label).toSorted(),
    );
  });

  test.each(DESCRIBED_METHODS)("$label says what it takes and gives", ({ method, route }) => {
    expect(route.dialect).toBe("stowage");
    expect(route.description?.summary).toMatch(/\.$/);
    expect(Object.keys(route.description?.answers ?? {})).not.toEqual([]);
    expect(route.consumes !== undefined).toBe(route.description?.body !== undefined);
    if (method === "GET") expect(route.description?.body).toBeUndefined();
  });

  test.each(DESCRIBED_METHODS)("$label describes by JSON Schema", ({ route: { description } }) => {
    const ajv = new Ajv({ strict: false });
    const answers = Object.values(description?.answers ?? {}).flatMap((one) => Object.values(one));
    const schemas = [description?.query, description?.body, ...answers];
    expect(schemas.filter((schema) => schema && ajv.validateSchema(schema) !== true)).toEqual([]);
  });

  test.each(DESCRIBED_METHODS)("$label answers as it says", async (described) => {
    const response = await ask(described.label);
    const isJson = response.headers.get("content-type")?.startsWith("application/json");
    const document = isJson ? await response.json() : await response.text();
    expectAsDescribed(described, response, document);
  });

  test.each(DESCRIBED_METHODS.filter(({ route }) => !route.isPublic))(
    "$label refuses strangers, and parameters that it does not know",
    async ({ label }) => {
      expect((await ask(label, { headers: {} })).status).toBe(401);
      const response = await ask(label, { query: "misspelt=1" });
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({
        code: "placement.undefined_code",
        detail: expect.stringMatching(/'misspelt' (was unexpected|does not match)/),
      });
    },
  );

  test.each(DESCRIBED_METHODS.filter(({ route }) => route.description?.body))(
    "$label refuses members that it does not know",
    async ({ label }) => {
      const body = { ...(EXAMPLES[label]?.body as object), misspelt: 1 };
      expect((await ask(label, { body })).status).toBe(400);
    },
  );
});

test("GET /stowage/v1 tells the version of the package, and what is served", async () => {
  const response = await ask("GET /stowage/v1");
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(await response.json()).toMatchObject({
    name: "stowage",
    version,
    microversions: { min: "1.0", max: "1.39" },
    limits: { streams: 256, query: { groups: 128 } },
  });
});

function ask(
  label: string,
  {
    headers = ADMIN,
    query = "",
    body = EXAMPLES[label]?.body,
  }: { headers?: Record<string, string>; query?: string; body?: unknown } = {},
): Promise<Response> {
  const { path } = EXAMPLES[label]!;
  const separator = path.includes("?") ? "&" : "?";
  return fetch(stowage.client.url + path + (query && separator + query), {
    method: label.split(" ")[0]!,
    headers: { ...headers, ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}
