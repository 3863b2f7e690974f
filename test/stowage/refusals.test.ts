import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { runCommandLine } from "../support/command-line.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { refusalsOf, rowsOf, type ToldRefusal } from "./told-refusals.ts";

/** Longer than it takes until all is written down. */
const PATIENCE = { timeout: 10_000 };
const HOST = providerUuid(1);
const GLOBAL_ID = "req-7a410000-0000-4000-8000-000000000001";
const PART_OF = { headers: { "x-auth-token": "admin", "x-openstack-request-id": GLOBAL_ID } };

let stowage: LocalStowage;
beforeEach(async () => {
  stowage = await startHere();
  await makeProvider(stowage.client, HOST, { VCPU: 8, DISK_GB: 100 });
});
afterEach(() => stowage.stop());

const claim = (
  number: number,
  resources: Record<string, number>,
  generation: number | null = null,
) =>
  stowage.client.put(
    `/allocations/${consumerUuid(number)}`,
    claimBody({ [HOST]: resources }, { generation }),
    PART_OF,
  );

/** The one refusal that there is; what is found out about it later is waited for. */
async function theRefusal(isComplete: (refusal: ToldRefusal) => boolean = () => true) {
  return vi.waitFor(async () => {
    const { refusals } = await refusalsOf(stowage.client);
    expect(refusals).toHaveLength(1);
    expect(isComplete(refusals[0]!)).toBe(true);
    return refusals[0]!;
  }, PATIENCE);
}

describe("a query that nothing meets", () => {
  test("is noted under its own id and the caller's, with what is missing and where the least of it", async () => {
    const path = "/allocation_candidates?resources=VCPU:10,DISK_GB:50&limit=7";
    const reply = await stowage.client.get(path, PART_OF);
    const refusal = await theRefusal(({ explanation }) => explanation !== undefined);
    expect(refusal).toMatchObject({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      request_id: reply.headers["x-openstack-request-id"],
      global_request_id: GLOBAL_ID,
      kind: "no_candidates",
      microversion: "1.39",
      user_id: "admin",
      query: "resources=VCPU:10,DISK_GB:50&limit=7",
      explanation: {
        verdict: "never",
        hosts: { total: 1, fit: 0, fit_if_empty: 0 },
        nearest: [{ failures: [{ constraint: "resources:VCPU", short: 2, free: 8 }] }],
      },
    });
    for (const id of [refusal.request_id, GLOBAL_ID]) {
      const { refusals } = await refusalsOf(stowage.client, `request_id=${id}`);
      expect(refusals).toEqual([refusal]);
    }
  });

  test("is noted when another query has found something", async () => {
    await stowage.client.get("/allocation_candidates?resources=VCPU:1", PART_OF);
    await stowage.client.get("/allocation_candidates?resources=VCPU:9", PART_OF);
    expect(await theRefusal()).toMatchObject({ query: "resources=VCPU:9" });
  });

  test("is noted without its explanation when there were many within a second", async () => {
    const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now());
    try {
      for (let number = 0; number < 30; number += 1) {
        await stowage.client.get(`/allocation_candidates?resources=VCPU:${10 + number}`);
      }
      const explained = await vi.waitFor(async () => {
        const { refusals } = await refusalsOf(stowage.client);
        expect(refusals).toHaveLength(30);
        const found = refusals.filter(({ explanation }) => explanation !== undefined);
        expect(found).toHaveLength(10);
        return found;
      });
      expect(explained.at(-1)?.query).toBe("resources=VCPU:10");
    } finally {
      clock.mockRestore();
    }
  });

  test("is explained also where it has more constraints than are told apart", async () => {
    const names = Array.from({ length: 40 }, (_, number) => `CUSTOM_T${number}`);
    for (const trait of names) await stowage.client.put(`/traits/${trait}`, undefined);
    const query = `resources=VCPU:9&required=${names.join(",")}`;
    await stowage.client.get(`/allocation_candidates?${query}`, PART_OF);
    const refusal = await theRefusal(({ explanation }) => explanation !== undefined);
    expect(refusal.explanation).toMatchObject({
      constraints: [
        { id: "required", kind: "together", constraints: 40, failed: 1 },
        { id: "resources:VCPU", failed: 1 },
      ],
      nearest: [
        { failures: [{ failing: names.slice(0, 10).map((name) => `required:${name}`) }, {}] },
      ],
    });
    const printed = await runCommandLine(["why", GLOBAL_ID, "--url", stowage.client.url], {
      OS_TOKEN: "admin",
    });
    expect(printed[1]).toContain("not required:CUSTOM_T0, required:CUSTOM_T1");
  });

  test("fits in what there is for it, however much it asks for and whatever that is called", async () => {
    const name = (number: number) => `CUSTOM_${"X".repeat(200)}_${number}`;
    const names = Array.from({ length: 25 }, (_, number) => name(number));
    for (const trait of names) await stowage.client.put(`/traits/${trait}`, undefined);
    await stowage.client.put(`/resource_providers/${HOST}`, {
      name: "h\u00f6st-\u{1f4a5}".repeat(9),
    });
    const query = `resources=VCPU:1&required=${names.join(",")}`;
    await stowage.client.get(`/allocation_candidates?${query}`, {
      headers: { "x-auth-token": "\u00fcser:pr\u00f6ject" },
    });
    const refusal = await theRefusal(({ explanation }) => explanation !== undefined);
    expect(JSON.stringify(refusal).length).toBeLessThanOrEqual(8192);
    expect(refusal.explanation?.summary).toContain("1 fail required:CUSTOM_");
    await vi.waitFor(async () => expect(await rowsOf(stowage.service)).toHaveLength(1), PATIENCE);
    const [row] = await rowsOf(stowage.service);
    expect(row?.body).toMatch(/^[\x20-\x7e]{100,8192}$/);
  });
});

describe("a claim that is refused", () => {
  test("is noted with the inventory that was not enough", async () => {
    await claim(1, { VCPU: 6 });
    const reply = await claim(2, { VCPU: 4 });
    expect(reply.status).toBe(409);
    expect(await theRefusal()).toMatchObject({
      request_id: reply.headers["x-openstack-request-id"],
      global_request_id: GLOBAL_ID,
      kind: "claim",
      status: 409,
      code: "placement.undefined_code",
      consumer_uuid: consumerUuid(2),
      reason: "out_of_capacity",
      facts: {
        provider: { uuid: HOST, name: HOST },
        resource_class: "VCPU",
        requested: 4,
        capacity: 8,
        used: 6,
        reserved: 0,
        generation: expect.any(Number),
      },
    });
  });

  test("for its units, or for a class that is not there, says so", async () => {
    await stowage.client.put(`/resource_providers/${HOST}/inventories/DISK_GB`, {
      resource_provider_generation: 1,
      total: 100,
      step_size: 10,
    });
    await claim(1, { DISK_GB: 15 });
    await claim(2, { MEMORY_MB: 1 });
    const { refusals } = await refusalsOf(stowage.client);
    expect(refusals).toMatchObject([
      { reason: "no_inventory", facts: { providers: [HOST], resource_classes: ["MEMORY_MB"] } },
      { reason: "units", facts: { resource_class: "DISK_GB", requested: 15, step_size: 10 } },
    ]);
  });

  test("for a provider that does not exist is noted, though it is no conflict", async () => {
    const reply = await stowage.client.put(
      `/allocations/${consumerUuid(1)}`,
      claimBody({ [providerUuid(9)]: { VCPU: 1 } }),
    );
    expect(reply.status).toBe(400);
    expect(await theRefusal()).toMatchObject({
      status: 400,
      reason: "unknown_provider",
      facts: { provider: { uuid: providerUuid(9) } },
    });
  });

  test("for a generation tells who had changed the consumer", async () => {
    const first = await claim(1, { VCPU: 1 });
    expect((await claim(1, { VCPU: 2 })).status).toBe(409);
    const refusal = await theRefusal(({ facts }) => facts?.["changed_by"] !== undefined);
    expect(refusal).toMatchObject({
      code: "placement.concurrent_update",
      reason: "consumer_generation",
      consumer_uuid: consumerUuid(1),
      project_id: "lab",
      facts: {
        given: null,
        actual: 1,
        changed_by: {
          request_id: first.headers["x-openstack-request-id"],
          user_id: "admin",
          at: expect.any(String),
        },
      },
    });
  });

  test("as one of several consumers names the one that is to hold something", async () => {
    await claim(1, { VCPU: 8 });
    const reply = await stowage.client.post("/allocations", {
      [consumerUuid(5)]: { ...claimBody({}), consumer_generation: null },
      [consumerUuid(6)]: claimBody({ [HOST]: { VCPU: 1 } }, { project: "tenant" }),
    });
    expect(reply.status).toBe(409);
    expect(await theRefusal()).toMatchObject({
      consumer_uuid: consumerUuid(6),
      consumers: [consumerUuid(5), consumerUuid(6)],
      reason: "out_of_capacity",
    });
    expect((await refusalsOf(stowage.client, "project_id=tenant")).refusals).toHaveLength(1);
  });

  test("as a reshape tells the inventory in use, or the generation of the provider", async () => {
    await claim(1, { VCPU: 1 });
    const reshape = (generation: number) =>
      stowage.client.post("/reshaper", {
        inventories: {
          [HOST]: {
            resource_provider_generation: generation,
            inventories: { DISK_GB: { total: 1 } },
          },
        },
        allocations: {},
      });
    expect((await reshape(77)).status).toBe(409);
    expect(await theRefusal()).toMatchObject({
      reason: "provider_generation",
      facts: { provider: { uuid: HOST }, given: 77, actual: 2 },
    });
    expect((await reshape(2)).status).toBe(409);
    const { refusals } = await refusalsOf(stowage.client);
    expect(refusals[0]).toMatchObject({
      reason: "inventory_in_use",
      code: "placement.inventory.inuse",
      facts: { providers: [HOST], resource_classes: ["VCPU"] },
    });
  });
});

describe("what is refused", () => {
  test("is found by consumer, project, time and number, the newest first", async () => {
    await claim(1, { VCPU: 9 });
    const between = new Date();
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(between.getTime()));
    await claim(2, { VCPU: 9 });
    await stowage.client.get("/allocation_candidates?resources=VCPU:9");
    const found = async (query: string) =>
      (await refusalsOf(stowage.client, query)).refusals.map(
        ({ consumer_uuid: consumer }) => consumer ?? "query",
      );
    expect(await found("")).toEqual(["query", consumerUuid(2), consumerUuid(1)]);
    expect(await found(`consumer=${consumerUuid(1)}`)).toEqual([consumerUuid(1)]);
    expect(await found("project_id=lab")).toEqual([consumerUuid(2), consumerUuid(1)]);
    expect(await found("project_id=nobody")).toEqual([]);
    expect(await found("limit=1")).toEqual(["query"]);
    expect(await found(`since=${new Date(between.getTime() + 1).toISOString()}`)).toEqual([
      "query",
      consumerUuid(2),
    ]);
    expect(await found(`request_id=${GLOBAL_ID}&consumer=${consumerUuid(2)}`)).toEqual([
      consumerUuid(2),
    ]);
  });

  test.each([
    "limit=501",
    "limit=0",
    "since=yesterday",
    "since=2026-13-01T00:00:00Z",
    "consumer=x",
  ])("is not asked for with %s", async (query) => {
    const reply = await stowage.client.get(`/stowage/v1/refusals?${query}`);
    expect([reply.status, reply.text]).toEqual([
      400,
      expect.stringContaining(query.split("=")[1]!),
    ]);
  });

  test("is counted by why", async () => {
    await claim(1, { VCPU: 9 });
    await stowage.client.get("/allocation_candidates?resources=VCPU:9");
    await vi.waitFor(async () => {
      const text = await stowage.metrics.text();
      expect(text).toContain('stowage_refusals_total{kind="claim",reason="out_of_capacity"} 1');
      expect(text).toContain('stowage_refusals_total{kind="no_candidates",reason="never"} 1');
    });
  });

  test("is kept by the process as far as there is room, and told once", async () => {
    for (let number = 1; number <= 30; number += 1) await claim(number, { VCPU: 9 });
    await vi.waitFor(async () => expect(await rowsOf(stowage.service)).not.toEqual([]), PATIENCE);
    expect((await refusalsOf(stowage.client, "limit=500")).refusals).toHaveLength(30);
  });
});

describe("stowage why", () => {
  const why = (...args: string[]) =>
    runCommandLine(["why", "--url", stowage.client.url, ...args], { OS_TOKEN: "admin" });

  test("tells by the caller's id all that was not to be had, and where the least was missing", async () => {
    await stowage.client.get("/allocation_candidates?resources=VCPU:10", PART_OF);
    await theRefusal(({ explanation }) => explanation !== undefined);
    await claim(1, { VCPU: 6 });
    await claim(2, { VCPU: 4 });
    await claim(1, { VCPU: 1 });
    const [exitCode, output] = await why(GLOBAL_ID);
    expect(exitCode).toBe(0);
    expect(output).toMatch(
      /req-\S+, by admin\n  no candidates for resources=VCPU:10\n  None of 1 host/,
    );
    expect(output).toContain(`    ${HOST}: resources:VCPU 2 short (8 free of 8)\n`);
    expect(output).toContain(
      `  ${HOST}: VCPU 4 asked for, 2 free (capacity 8, used 6, reserved 0)\n`,
    );
    expect(output).toContain("  generation none was given, it was 1\n");
    expect(output.indexOf("no candidates")).toBeLessThan(output.indexOf("409 for the claim"));
  });

  test("prints the answer as it came", async () => {
    await claim(1, { VCPU: 9 });
    const [exitCode, output] = await why("--json", GLOBAL_ID);
    expect(exitCode).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ refusals: [{ reason: "out_of_capacity" }] });
  });

  test("ends with 3 where nothing was refused", async () => {
    expect(await why("req-unknown")).toEqual([
      3,
      "",
      "stowage: nothing is known to be refused to req-unknown\n",
    ]);
  });
});
