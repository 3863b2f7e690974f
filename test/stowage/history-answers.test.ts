import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { runCommandLine } from "../support/command-line.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const [HOST, OTHER] = [providerUuid(1), providerUuid(2)];
const CONSUMER = consumerUuid(1);

interface Page {
  readonly history: readonly { readonly kind: string }[];
}

describe("history", () => {
  let stowage: LocalStowage;

  beforeEach(async () => {
    stowage = await startHere();
    await makeProvider(stowage.client, HOST, { VCPU: 64 });
  });
  afterEach(() => stowage.stop());

  const get = (path: string, headers: Record<string, string> = {}) =>
    stowage.client.get(`/stowage/v1/${path}`, { headers });
  const claim = (cpus: number, project: string, generation: number | null) =>
    stowage.client.expectSuccess("PUT", `/allocations/${CONSUMER}`, {
      body: claimBody({ [HOST]: { VCPU: cpus } }, { project, generation }),
    });

  test("of a consumer is for the readers of its project, as far as it was theirs", async () => {
    await claim(1, "lab", null);
    await new Promise((resolve) => setTimeout(resolve, 3));
    const time = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 3));
    await claim(2, "other", 1);
    await stowage.client.expectSuccess("DELETE", `/allocations/${CONSUMER}`);
    const path = `consumers/${CONSUMER}/history`;
    const reader = (project: string) => ({
      "x-auth-token": `reader:${project}`,
      "x-roles": "reader",
    });
    const own = await get(path, reader("other"));
    expect(own.status).toBe(200);
    expect(own.json<Page>().history.map(({ kind }) => kind)).toEqual([
      "consumer_deleted",
      "consumer",
    ]);
    expect(own.text).not.toContain("lab");
    expect((await get(`${path}?at=${time}`, reader("other"))).json<object>()).toMatchObject({
      held: {},
    });
    expect((await get(`${path}?at=${time}`)).json<object>()).toMatchObject({
      held: { [HOST]: { VCPU: 1 } },
    });
    for (const [asked, project] of [
      [path, "lab"],
      [`consumers/${consumerUuid(99)}/history`, "other"],
      [`providers/${HOST}/history`, "other"],
    ] as const) {
      expect([asked, (await get(asked, reader(project))).status]).toEqual([asked, 403]);
    }
  });

  test.each([
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["after=e30", "after is not what"],
    ["after=%2B%2B", "after is not what"],
    ["since=2026-02-31T00:00:00Z", "no time"],
    ["at=2999-01-01T00:00:00Z", "in the future"],
    ["at=2026-01-01T00:00:00Z&since=2026-01-01T00:00:00Z", "does not go with at"],
    ["project_id=lab", "project_id"],
  ])("asked for by %s is refused with what is wrong", async (query, problem) => {
    const answer = await get(`providers/${HOST}/history?${query}`);
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(problem)]);
  });

  test("of what never was is a 404, of what has none is empty", async () => {
    for (const path of [
      `providers/${OTHER}/history`,
      `consumers/${consumerUuid(99)}/history`,
      `consumers/${consumerUuid(99)}/history?at=${new Date().toISOString()}`,
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
    expect(
      (await get(`providers/${HOST}/history?until=2020-01-01T00:00:00Z`)).json(),
    ).toMatchObject({ history: [], next: null });
  });

  test("is a 404 where none is kept, and nothing is said to be able to tell it", async () => {
    const without = await startHere({ stowage: { history: false } });
    try {
      await makeProvider(without.client, HOST, { VCPU: 1 });
      const answer = await without.client.get(`/stowage/v1/providers/${HOST}/history`);
      expect([answer.status, answer.text]).toEqual([
        404,
        expect.stringContaining("[stowage] history is off"),
      ]);
      const capabilities = async ({ client }: LocalStowage) =>
        (await client.get("/stowage/v1")).json<{ capabilities: string[] }>().capabilities;
      expect(await capabilities(without)).not.toContain("providers.history");
      expect(await capabilities(stowage)).toContain("providers.history");
    } finally {
      await without.stop();
    }
  });

  test("is printed by the command line, the newest last", async () => {
    await claim(1, "lab", null);
    await claim(3, "lab", 1);
    const run = (...words: string[]) =>
      runCommandLine(["history", ...words, "--url", stowage.client.url], { OS_TOKEN: "admin" });
    const [code, output, problems] = await run("consumer", CONSUMER);
    expect([code, problems]).toEqual([0, ""]);
    expect(output.split("\n").map((line) => line.split("  ").slice(1, 3).join(" "))).toEqual([
      expect.stringMatching(`^nothing -> VCPU:1 of ${HOST} by admin: PUT /allocations in req-`),
      expect.stringMatching(`^VCPU:1 of ${HOST} -> VCPU:3 of ${HOST} by admin`),
      "",
    ]);
    const ofHost = await run("provider", HOST, "--limit", "1");
    expect(ofHost[1]).toMatch(
      `${CONSUMER} of lab: VCPU:1 -> VCPU:3 (VCPU:3 in use)  by admin: PUT /allocations in req-`,
    );
    expect(ofHost[1].trim().split("\n")).toHaveLength(1);
    const now = new Date().toISOString();
    expect(await run("provider", HOST, "--at", now)).toEqual([0, `${CONSUMER}  VCPU:3\n`, ""]);
    expect(JSON.parse((await run("provider", HOST, "--at", now, "--json"))[1])).toMatchObject({
      held: { [CONSUMER]: { VCPU: 3 } },
    });
    expect(await run("consumer", CONSUMER, "--until", "2020-01-01T00:00:00Z")).toEqual([
      3,
      "",
      expect.stringContaining("nothing is known to have happened since"),
    ]);
    expect(await run("consumer", CONSUMER, "--at", now, "--since", now)).toEqual([
      1,
      "",
      "stowage: --since does not go with --at\n",
    ]);
  });
});
