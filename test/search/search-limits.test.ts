import { request as httpRequest, type ClientRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { searchesUnderWay } from "../../src/operations/turns.ts";
import { providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const DEVICES = 16;

/**
 * Neither counting nor alikeness tells that this cannot be met: all devices and amounts differ, two of the
 * large amounts fill a device, and the one place that is left beside the last takes one of the small ones.
 */
const ENDLESS = [
  ...Array.from(
    { length: 2 * DEVICES - 1 },
    (_, it) => `resources_L${it}=CUSTOM_DEVICE:${400 + it}`,
  ),
  "resources_S1=CUSTOM_DEVICE:300",
  "resources_S2=CUSTOM_DEVICE:301",
  "group_policy=none",
].join("&");
const CHEAP = "resources=VCPU:1";

async function withDevices(stowage: LocalStowage): Promise<LocalStowage> {
  const { client } = stowage;
  await client.expectSuccess("PUT", "/resource_classes/CUSTOM_DEVICE");
  const make = async (number: number, parent: string | null, inventories: object) => {
    const uuid = providerUuid(number);
    const body = { uuid, name: uuid, ...(parent && { parent_provider_uuid: parent }) };
    await client.expectSuccess("POST", "/resource_providers", { body });
    await client.expectSuccess("PUT", `/resource_providers/${uuid}/inventories`, {
      body: { resource_provider_generation: 0, inventories },
    });
  };
  await make(1, null, { VCPU: { total: 8 } });
  for (let device = 0; device < DEVICES; device++) {
    const total = 900 + device;
    await make(2 + device, providerUuid(1), { CUSTOM_DEVICE: { total, max_unit: total } });
  }
  return stowage;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe("a search that would take for ever", () => {
  let stowage: LocalStowage;
  const sent: ClientRequest[] = [];

  beforeAll(async () => {
    stowage = await withDevices(await startHere());
  });
  afterAll(async () => {
    for (const request of sent) request.destroy();
    await stowage.stop();
  });

  /** Sends a query on a connection of its own, and does not wait for the answer. */
  function ask(query: string, user: string): ClientRequest {
    const headers = { "x-auth-token": user, "openstack-api-version": "placement 1.39" };
    const request = httpRequest(`${stowage.client.url}/allocation_candidates?${query}`, {
      headers,
    });
    request.on("error", () => {});
    request.end();
    sent.push(request);
    return request;
  }

  test("ends with the connection of its client", async () => {
    const request = ask(ENDLESS, "admin");
    await until(() => searchesUnderWay() === 1);
    request.destroy();
    await until(() => searchesUnderWay() === 0);
    const { status } = await stowage.client.get(`/allocation_candidates?${CHEAP}`);
    expect(status).toBe(200);
  });

  test("lets others be served, also when there are fifty of one client", async () => {
    const requests = Array.from({ length: 50 }, () => ask(ENDLESS, "admin"));
    await until(() => searchesUnderWay() === 50);
    const { status } = await stowage.client.get(`/allocation_candidates?${CHEAP}`);
    expect([status, searchesUnderWay()]).toEqual([200, 50]);
    for (const request of requests) request.destroy();
    await until(() => searchesUnderWay() === 0);
  });

  test("is refused beyond a number of them of one client", async () => {
    const requests = Array.from({ length: 96 }, () => ask(ENDLESS, "admin"));
    await until(() => searchesUnderWay() === 96);
    const refused = await stowage.client.get(`/allocation_candidates?${ENDLESS}`);
    expect([refused.status, refused.headers["retry-after"]]).toEqual([503, "5"]);
    expect(refused.json()).toMatchObject({ errors: [{ code: "stowage.too_many_searches" }] });
    for (const request of requests) request.destroy();
    await until(() => searchesUnderWay() === 0);
  });
});

test("a search is given up after max_search_effort, and says so", async () => {
  const stowage = await withDevices(await startHere({ stowage: { maxSearchEffort: 20_000 } }));
  try {
    const { client } = stowage;
    const given = await client.get(`/allocation_candidates?${ENDLESS}`);
    expect([given.status, given.headers["retry-after"]]).toEqual([503, "60"]);
    expect(given.json()).toMatchObject({
      errors: [{ status: 503, code: "stowage.effort_exceeded" }],
    });
    const { status } = await client.get(`/allocation_candidates?${CHEAP}`);
    expect([status, searchesUnderWay()]).toEqual([200, 0]);
  } finally {
    await stowage.stop();
  }
});
