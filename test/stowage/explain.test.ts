import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { runCommandLine } from "../support/command-line.ts";
import { providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const PATH = "/stowage/v1/explain";

interface Answer {
  readonly verdict: string;
  readonly summary: string;
  readonly hosts: Readonly<Record<string, number>>;
  readonly constraints: readonly (Readonly<Record<string, unknown>> & { readonly id: string })[];
  readonly relaxations: readonly unknown[];
  readonly nearest: readonly { readonly root: { readonly name: string } }[];
  readonly providers: readonly unknown[];
  readonly names: readonly unknown[];
}

let stowage: LocalStowage;
beforeAll(async () => {
  stowage = await startHere();
  const { client } = stowage;
  await client.put("/traits/CUSTOM_GOLD", undefined);
  for (const [number, vcpus] of [8, 16, 4].entries()) {
    const uuid = providerUuid(number + 1);
    await client.post("/resource_providers", { name: `host-${number + 1}`, uuid });
    await client.put(`/resource_providers/${uuid}/inventories`, {
      resource_provider_generation: 0,
      inventories: { VCPU: { total: vcpus }, DISK_GB: { total: 100, reserved: 10 } },
    });
  }
  await client.put(`/resource_providers/${providerUuid(3)}/traits`, {
    resource_provider_generation: 1,
    traits: ["CUSTOM_GOLD"],
  });
  await client.put("/allocations/00000000-0000-4000-9000-000000000001", {
    allocations: { [providerUuid(2)]: { resources: { VCPU: 10 } } },
    project_id: "p",
    user_id: "u",
    consumer_generation: null,
    consumer_type: "INSTANCE",
  });
});
afterAll(() => stowage.stop());

describe("an explanation", () => {
  test("says that a fleet is full, what each constraint removes, and which host is nearest", async () => {
    const answer = await explain("resources=VCPU:10,DISK_GB:50&limit=1");
    expect(answer).toMatchObject({
      verdict: "full",
      summary: expect.stringMatching(/^None of 3 hosts fits; 1 would if nothing were claimed\./),
      hosts: { total: 3, fit: 0, fit_if_empty: 1 },
      relaxations: [
        { drop: ["resources:VCPU"], hosts: 3 },
        { drop: [], lower: { "resources:VCPU": 8 }, hosts: 1 },
      ],
      nearest: [
        {
          root: { name: "host-1" },
          failures: [
            {
              constraint: "resources:VCPU",
              provider: { name: "host-1" },
              requested: 10,
              free: 8,
              short: 2,
              capacity: 8,
            },
          ],
        },
        { root: { name: "host-2" }, failures: [{ free: 6, used: 10, capacity: 16 }] },
        { root: { name: "host-3" } },
      ],
      is_exact: true,
      microversion: "1.39",
    });
    expect(answer.constraints).toMatchObject([
      {
        id: "resources:VCPU",
        eliminated: 3,
        left: 0,
        failed: 3,
        only: 3,
        causes: { no_inventory: 0, units: 0, too_small: 2, occupied: 1 },
        largest: { now: 8, if_empty: 16 },
      },
      { id: "resources:DISK_GB", eliminated: 0, failed: 0, only: 0 },
    ]);
  });

  test("says what will never fit, and which constraints stand against each other", async () => {
    expect(await explain("resources=VCPU:6&required=CUSTOM_GOLD")).toMatchObject({
      verdict: "never",
      hosts: { fit: 0, fit_if_empty: 0 },
      relaxations: [
        { drop: ["resources:VCPU"], hosts: 3 },
        { drop: ["required:CUSTOM_GOLD"], hosts: 2 },
        { drop: [], lower: { "resources:VCPU": 4 }, hosts: 1 },
      ],
    });
  });

  test("leaves out what would fit if nothing were claimed where that is not asked for", async () => {
    const reply = await stowage.client.post(PATH, { query: "resources=VCPU:10", if_empty: false });
    expect(reply.json()).toMatchObject({
      verdict: "none",
      summary: expect.stringMatching(/^None of 3 hosts fits\. 3 fail/),
      hosts: { total: 3, fit: 0 },
    });
    expect(reply.json<Answer>().hosts).not.toHaveProperty("fit_if_empty");
  });

  test("tells names that do not exist, with similar ones", async () => {
    expect(await explain("resources=VCPUS:1&required=CUSTOM_GLOD")).toMatchObject({
      verdict: "unknown_name",
      names: [
        { kind: "resource_class", name: "VCPUS", similar: expect.arrayContaining(["VCPU"]) },
        { kind: "trait", name: "CUSTOM_GLOD", similar: ["CUSTOM_GOLD"] },
      ],
    });
  });

  test("is about one host where one is asked for, by its UUID or name", async () => {
    for (const host of ["host-2", providerUuid(2)]) {
      const body = { query: "resources=VCPU:10", host, microversion: "1.10" };
      const reply = await stowage.client.post(PATH, body);
      expect(reply.json()).toMatchObject({
        hosts: { total: 1, fit: 0, fit_if_empty: 1 },
        providers: [{ provider: { name: "host-2" }, failures: [{ free: 6, short: 4 }] }],
        constraints: [{ id: "resources:VCPU" }, { id: "one_provider_per_tree", failed: 0 }],
        microversion: "1.10",
      });
    }
  });
});

/** So many groups of one class. */
function groupsOf(count: number): string {
  const groups = Array.from({ length: count }, (_, number) => `resources${number}=VCPU:1`);
  return `${groups.join("&")}&group_policy=none`;
}

/** So many names, of which none needs to exist. */
function traits(count: number): string {
  return Array.from({ length: count }, (_, number) => `CUSTOM_TRAIT_NUMBER_${number}`).join(",");
}

describe("what cannot be explained", () => {
  test.each([
    ["an unknown host", { query: "resources=VCPU:1", host: "nowhere" }, "nowhere"],
    [
      "a microversion without candidates",
      { query: "resources=VCPU:1", microversion: "1.99" },
      "1.99",
    ],
    ["a query that Placement refuses", { query: "resources=VCPU" }, "Badly formed resources"],
    [
      "a parameter of a later version",
      { query: "resources=VCPU:1&in_tree=x", microversion: "1.10" },
      "in_tree",
    ],
    ["too many hosts", { query: "resources=VCPU:1", nearest: 101 }, "101"],
  ])("%s", async (_what, body, detail) => {
    const reply = await stowage.client.post(PATH, body);
    expect([reply.status, reply.text]).toEqual([400, expect.stringContaining(detail)]);
  });

  test.each([
    ["two hundred groups", groupsOf(200), "at most 128 request groups. Got: 200"],
    ["two thousand traits", `resources=VCPU:1&required=${traits(2000)}`, "at most 1024 traits"],
  ])("%s are refused, and it is told how many there may be", async (_what, query, detail) => {
    const body = { query };
    for (const reply of [
      await stowage.client.post(PATH, body),
      await stowage.client.get(`${PATH}?${query}`),
    ]) {
      // Node itself refuses a request's head beyond 64 KiB.
      if (query.length > 60_000 && reply.status === 431) continue;
      expect(reply.status).toBe(400);
      expect(reply.json<{ errors: unknown[] }>().errors[0]).toMatchObject({
        code: "stowage.too_large",
        detail: expect.stringContaining(detail),
      });
    }
  });

  test("a query of more than 64 KiB is refused, and one within is looked at as far as it may ask", async () => {
    const long = `resources=VCPU:1&required=${traits(3000)}`;
    expect(long.length).toBeGreaterThan(64 * 1024);
    const reply = await stowage.client.post(PATH, { query: long });
    expect(reply.status).toBe(400);
    expect(reply.text).toContain("is too long");
    expect(reply.text.length).toBeLessThan(2000);
    const within = `resources=VCPU:1&member_of=in:${providerUuid(1)}${`,${providerUuid(2)}`.repeat(1000)}`;
    expect((await stowage.client.post(PATH, { query: within })).status).toBe(200);
  });

  test.each([
    ["resources=VCPU:1&required=A,", /required/],
    ["resources1=VCPU:1&resources2=VCPU:x", /VCPU expected .* Got: x/],
    ["resources1=VCPU:1&same_subtree=_2", /_2/],
    ["resources=VCPU:1&group_policy=loose", /loose/],
    ["resources=VCPU:1&member_of=here", /here/],
    ["resources=VCPU:1&unheard=of", /unheard/],
    ["resources=VCPU:1&limit=none", /none/],
  ])("%s is told the place that is wrong", async (query, place) => {
    const reply = await stowage.client.post(PATH, { query });
    expect([reply.status, reply.text]).toEqual([400, expect.stringMatching(place)]);
  });
});

describe("of more constraints than are told apart", () => {
  test("those of one parameter of a group are taken together, and some that fail are named", async () => {
    const names = Array.from({ length: 40 }, (_, number) => `CUSTOM_T${number}`);
    for (const name of names) {
      expect((await stowage.client.put(`/traits/${name}`, undefined)).status).toBe(201);
    }
    const query = `resources=VCPU:1,DISK_GB:1000&required=CUSTOM_GOLD,${names.join(",")}`;
    const answer = await explain(query);
    expect(answer.constraints).toMatchObject([
      { id: "required", kind: "together", group: "", constraints: 41, failed: 3, only: 0 },
      { id: "resources:VCPU", failed: 0 },
      { id: "resources:DISK_GB", failed: 3, largest: { now: 90 } },
    ]);
    expect(answer).toMatchObject({
      verdict: "never",
      summary: expect.stringContaining("Without required and resources:DISK_GB, 3 would do."),
      relaxations: [
        { drop: ["required", "resources:DISK_GB"], hosts: 3 },
        { drop: ["resources:VCPU", "resources:DISK_GB"], hosts: 3 },
        { drop: ["required"], lower: { "resources:DISK_GB": 90 }, hosts: 3 },
      ],
      nearest: [
        {
          failures: [
            {
              constraint: "required",
              failing: ["CUSTOM_GOLD", ...names].slice(0, 10).map((name) => `required:${name}`),
            },
            { constraint: "resources:DISK_GB", short: 910 },
          ],
        },
        {},
        {},
      ],
      is_exact: true,
    });
    const [exitCode, output] = await ask(query);
    expect(exitCode).toBe(3);
    expect(output).toMatch(/^ +required +3 +0 +0 +41 constraints together$/m);
    expect(output).toContain("not required:CUSTOM_GOLD, required:CUSTOM_T0");
  });

  test("groups are taken together, the last ones with each other", async () => {
    const groups = Array.from({ length: 100 }, (_, number) => `resources_G${number}=VCPU:1`);
    const answer = await explain(`${groups.join("&")}&group_policy=none`);
    const { constraints } = answer;
    expect(constraints).toHaveLength(30);
    expect(constraints.slice(0, 2)).toMatchObject([
      { id: "resources_G0:VCPU", kind: "resource", failed: 0 },
      { id: "resources_G1:VCPU", kind: "resource" },
    ]);
    expect(constraints.slice(-2)).toMatchObject([
      { id: "group:_G28.._G99", kind: "together", constraints: 72 },
      { id: "capacity", kind: "capacity", eliminated: 3 },
    ]);
    expect(answer).toMatchObject({ verdict: "never", hosts: { total: 3, fit: 0 } });
    const last = constraints.at(-2) as unknown as { readonly groups: readonly string[] };
    expect(last.groups).toEqual(groups.slice(28).map((group) => group.slice(9, -7)));
  });

  test("a thousand traits and a hundred groups at once are explained", async () => {
    const groups = Array.from(
      { length: 100 },
      (_, number) =>
        `resources_G${number}=VCPU:1,DISK_GB:1&required_G${number}=!CUSTOM_GOLD,COMPUTE_NODE`,
    );
    const more = `resources=VCPU:1&required=${"CUSTOM_GOLD,".repeat(800)}COMPUTE_NODE`;
    const answer = await explain(`${groups.join("&")}&${more}&group_policy=isolate`);
    expect(answer.constraints).toHaveLength(30);
    expect(answer.verdict).toBe("never");
  });
});

describe("stowage explain", () => {
  test("tells people what is asked, what would help and what comes nearest", async () => {
    const [exitCode, output] = await ask("resources=VCPU:10,DISK_GB:50");
    expect(exitCode, "nothing fits").toBe(3);
    expect(output).toContain("None of 3 hosts fits; 1 would if nothing were claimed.");
    expect(output).toMatch(/resources:VCPU +10 +3 +3 +0 +largest free 8/);
    expect(output).toContain("host-1: resources:VCPU 2 short (8 free of 8)");
  });

  test("prints the answer as it came, and ends with 0 when something fits", async () => {
    const [exitCode, output] = await ask("--json", "resources=VCPU:1");
    expect([exitCode, (JSON.parse(output) as Answer).verdict]).toEqual([0, "fits"]);
  });

  test("lets no name of a host do anything to the terminal", async () => {
    const path = `/resource_providers/${providerUuid(1)}`;
    await stowage.client.put(path, { name: "host\u001b[2J\n1" });
    const [, output] = await ask("resources=VCPU:10,DISK_GB:50");
    await stowage.client.put(path, { name: "host-1" });
    expect(output).toContain("host?[2J?1: resources:VCPU 2 short (8 free of 8)");
  });

  test("says in a line what is wrong with the query, and where nobody answers", async () => {
    expect(await ask("resources=VCPU")).toEqual([1, "", expect.stringContaining("answered 400: ")]);
    const nowhere = ["explain", "--url", "http://127.0.0.1:1", "resources=VCPU:1"];
    expect(await runCommandLine(nowhere)).toEqual([
      1,
      "",
      expect.stringMatching(/cannot be asked/),
    ]);
    expect(await runCommandLine(["explain", "resources=VCPU:1"])).toEqual([
      1,
      "",
      expect.stringContaining("--url"),
    ]);
  });
});

async function explain(query: string): Promise<Answer> {
  const reply = await stowage.client.get(`${PATH}?${query}`);
  expect(reply.status, reply.text).toBe(200);
  return reply.json<Answer>();
}

function ask(...args: string[]) {
  return runCommandLine(["explain", "--url", stowage.client.url, ...args], { OS_TOKEN: "admin" });
}
