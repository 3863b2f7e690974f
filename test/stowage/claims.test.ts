import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { deleteOldReceipts } from "../../src/operations/housekeeping.ts";
import { runCommandLine } from "../support/command-line.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { claimsOf, CONSUMER, errorOf, hostOf, keyed, type Claimed } from "./claim-requests.ts";

describe("a claim in one call", () => {
  let stowage: LocalStowage;
  let claim: ReturnType<typeof claimsOf>;
  let hosts = 0;

  beforeAll(async () => {
    stowage = await startHere();
    claim = claimsOf(stowage);
  });

  afterAll(() => stowage.stop());

  /** Makes a resource class of which these hosts have so much each; what they are called. */
  async function makeFleet(totals: readonly number[]): Promise<{ name: string; uuids: string[] }> {
    const name = `CUSTOM_UNIT_${(hosts += 1)}`;
    await stowage.client.expectSuccess("PUT", `/resource_classes/${name}`);
    const uuids: string[] = [];
    for (const total of totals) {
      const uuid = providerUuid((hosts += 1));
      await makeProvider(stowage.client, uuid, { [name]: total });
      uuids.push(uuid);
    }
    return { name, uuids };
  }

  test("is granted a candidate, and tells what it holds where, as Placement's API does", async () => {
    const { name, uuids } = await makeFleet([4]);
    const reply = await claim({ query: `resources=${name}:3` });

    expect(reply.status).toBe(201);
    const { claims, attempts, considered } = reply.json<Claimed>();
    const [{ consumer, allocations, mappings }] = claims;
    expect({ attempts, considered }).toEqual({ attempts: 1, considered: 1 });
    expect(consumer).toEqual({ ...CONSUMER, uuid: consumer.uuid, generation: 1 });
    expect(allocations).toEqual({ [uuids[0]!]: { generation: 2, resources: { [name]: 3 } } });
    expect(mappings).toEqual({ "": uuids });
    expect(reply.headers["location"]).toBe(`${stowage.client.url}/allocations/${consumer.uuid}`);
    expect(reply.headers["stowage-position"]).toMatch(/./);
    const stored = await stowage.client.get(`/allocations/${consumer.uuid}`);
    expect(stored.json()).toEqual({
      allocations,
      project_id: "lab",
      user_id: "ci",
      consumer_generation: 1,
      consumer_type: "JOB",
    });
  });

  test("that finds nothing is told the short form of why", async () => {
    const { name } = await makeFleet([4, 5]);
    await claim({ query: `resources=${name}:5` });
    const full = await claim({ query: `resources=${name}:5` });
    expect(full.status).toBe(409);
    expect(errorOf(full)).toMatchObject({
      code: "stowage.no_candidates",
      detail: expect.stringContaining("None of"),
      data: { verdict: "full", hosts: { fit: 0, fit_if_empty: 1 } },
    });
    const never = await claim({ query: `resources=${name}:6` });
    expect(errorOf(never).data).toMatchObject({ verdict: "never" });
  });

  test("replaces what a consumer holds at the generation that is told, and none that exists", async () => {
    const { name, uuids } = await makeFleet([10]);
    const uuid = randomUUID();
    const consumer = { ...CONSUMER, uuid };
    expect((await claim({ query: `resources=${name}:3`, consumer })).status).toBe(201);

    const exists = await claim({ query: `resources=${name}:1`, consumer });
    expect([exists.status, errorOf(exists).code]).toEqual([409, "stowage.consumer_exists"]);
    const stale = { ...consumer, generation: 7 };
    const late = await claim({ query: `resources=${name}:1`, consumer: stale });
    expect([late.status, errorOf(late).code]).toEqual([409, "placement.concurrent_update"]);

    const known = { ...consumer, generation: 1 };
    const replaced = await claim({ query: `resources=${name}:1`, consumer: known });
    expect(replaced.status).toBe(201);
    expect(replaced.json<Claimed>().claims[0].consumer.generation).toBe(2);
    const usages = await stowage.client.get(`/resource_providers/${uuids[0]}/usages`);
    expect(usages.json()).toMatchObject({ usages: { [name]: 1 } });
  });

  test("rehearsed tells the same and writes nothing", async () => {
    const { name } = await makeFleet([2]);
    const uuid = randomUUID();
    const body = { query: `resources=${name}:2`, consumer: { ...CONSUMER, uuid } };
    const rehearsed = await claim({ ...body, dry_run: true }, keyed(uuid));
    expect(rehearsed.status).toBe(200);
    const made = await claim(body, keyed(uuid));
    expect(made.status).toBe(201);
    expect(rehearsed.json()).toEqual(made.json());
    const again = await claim({ ...body, dry_run: true });
    expect(errorOf(again).code).toBe("stowage.no_candidates");
  });

  test("packs, spreads, takes the first, and leaves out what it is not to be on", async () => {
    const { name, uuids } = await makeFleet([10, 10, 10]);
    const query = `resources=${name}:1`;
    const [low, high, empty] = uuids as [string, string, string];
    await claim({ query: `resources=${name}:2&in_tree=${low}` });
    await claim({ query: `resources=${name}:5&in_tree=${high}` });

    expect(hostOf(await claim({ query, prefer: "pack" }))).toBe(high);
    expect(hostOf(await claim({ query, prefer: "pack", among: 0 }))).toBe(high);
    expect(hostOf(await claim({ query, prefer: "spread", dry_run: true }))).toBe(empty);
    expect(hostOf(await claim({ query, prefer: "spread", among: 0, dry_run: true }))).toBe(empty);
    expect(hostOf(await claim({ query, prefer: "first", dry_run: true }))).toBe(low);
    const notOn = [low.toUpperCase(), high];
    for (const prefer of ["first", "random", "pack", "spread"]) {
      const reply = await claim({ query, prefer, not_on: notOn, dry_run: true });
      expect(hostOf(reply)).toBe(empty);
    }
    const nowhere = await claim({ query, not_on: uuids });
    expect(nowhere.status).toBe(409);
    expect(errorOf(nowhere)).toMatchObject({ code: "stowage.no_candidates" });
    expect(errorOf(nowhere).detail).toContain("not_on");
    const unknown = await claim({ query, not_on: ["no-such-host"] });
    expect([unknown.status, errorOf(unknown).detail]).toEqual([
      400,
      expect.stringContaining("no-such-host"),
    ]);
  });

  test("at random comes to each host", async () => {
    const { name, uuids } = await makeFleet([1, 1, 1, 1]);
    const found = new Set<string>();
    for (let round = 0; round < 200 && found.size < uuids.length; round += 1) {
      found.add(hostOf(await claim({ query: `resources=${name}:1`, dry_run: true })));
    }
    expect([...found].sort()).toEqual(uuids);
  });

  test("is refused with 400 for what makes no sense, and changes nothing", async () => {
    const { name } = await makeFleet([1]);
    const query = `resources=${name}:1`;
    const wrong = [
      { query, consumer: { ...CONSUMER, generation: 1 } },
      { query, consumer: { ...CONSUMER, type: "small" } },
      { query, consumer: { project_id: "lab", user_id: "ci" } },
      { query, prefer: "cheapest" },
      { query, attempts: 0 },
      { query, leases: { seconds: 10 } },
      { query: "resources=CUSTOM_NO_SUCH:1" },
      { query: `${query}&required=CUSTOM_NO_SUCH` },
      { query: "required=HW_CPU_X86_AVX2" },
    ];
    for (const body of wrong) expect((await claim(body)).status, JSON.stringify(body)).toBe(400);
    for (const key of ["", "x".repeat(256), 'a"b']) {
      expect((await claim({ query }, { headers: { "idempotency-key": key } })).status).toBe(400);
    }
    expect((await claim({ query })).status).toBe(201);
  });

  test("with a key is made once, and the same request is answered the same for a day", async () => {
    const { name } = await makeFleet([1]);
    const body = { query: `resources=${name}:1` };
    const first = await claim(body, keyed("a day"));
    expect(first.status).toBe(201);
    // There is nothing left, and the order of members says nothing.
    const again = await stowage.client.post(
      "/stowage/v1/claims",
      { query: body.query, consumer: { type: "JOB", user_id: "ci", project_id: "lab" } },
      { headers: { "idempotency-key": "a day" } },
    );
    expect([again.status, again.text]).toEqual([200, first.text]);
    expect(again.headers["idempotency-replayed"]).toBe("true");
    expect(again.headers["location"]).toBe(first.headers["location"]);

    const other = await claim({ query: `resources=${name}:2` }, keyed("a day"));
    expect([other.status, errorOf(other).code]).toEqual([422, "stowage.idempotency_key_reused"]);
    const somebodyElse = await claim(body, {
      headers: { "idempotency-key": "a day", "x-auth-token": "bob:lab", "x-roles": "service" },
    });
    expect(errorOf(somebodyElse).code).toBe("stowage.no_candidates");

    await expect(deleteOldReceipts(stowage.service, new Date())).resolves.toBe(0);
    const tomorrow = new Date(Date.now() + 25 * 60 * 60 * 1000);
    await expect(deleteOldReceipts(stowage.service, tomorrow)).resolves.toBeGreaterThan(0);
    expect(errorOf(await claim(body, keyed("a day"))).code).toBe("stowage.no_candidates");
  });

  test("that was refused is tried again under its key", async () => {
    const { name, uuids } = await makeFleet([1]);
    const body = { query: `resources=${name}:1` };
    const holder = consumerUuid(1);
    const taken = claimBody({ [uuids[0]!]: { [name]: 1 } });
    await stowage.client.expectSuccess("PUT", `/allocations/${holder}`, { body: taken });
    expect((await claim(body, keyed("again"))).status).toBe(409);
    await stowage.client.expectSuccess("DELETE", `/allocations/${holder}`);
    expect((await claim(body, keyed("again"))).status).toBe(201);
  });
});

describe("a claim in one call that others are in the way of", () => {
  const CONTEXT = { requestId: "test", userId: undefined, projectId: undefined };
  let stowage: LocalStowage;

  beforeAll(async () => {
    stowage = await startHere({ stowage: { databaseTimeout: 2 } });
    await makeProvider(stowage.client, providerUuid(1), { VCPU: 1, DISK_GB: 9 });
  });

  afterAll(() => stowage.stop());

  /** Nothing is written before the function that is returned is called. */
  function holdWriters(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    void stowage.service.database.writer(CONTEXT, () => promise);
    return resolve;
  }

  test("is refused when all that it found is taken before it is its turn", async () => {
    const claim = claimsOf(stowage);
    const release = holdWriters();
    const claims = Array.from({ length: 3 }, () =>
      claim({ query: "resources=VCPU:1", attempts: 1 }),
    );
    // Each of them has searched, and waits for its turn to write.
    await new Promise((resolve) => setTimeout(resolve, 300));
    release();
    const replies = await Promise.all(claims);
    const outcomes = replies.map((reply) =>
      reply.status === 201 ? "granted" : errorOf(reply).code,
    );
    expect(outcomes.sort()).toEqual([
      "granted",
      "stowage.out_of_capacity",
      "stowage.out_of_capacity",
    ]);
  });

  test("is told that the first one with its key is not finished", async () => {
    const claim = claimsOf(stowage);
    const { keysUnderWay } = stowage.service;
    const release = holdWriters();
    const first = claim({ query: "resources=DISK_GB:1" }, keyed("slow"));
    await expect.poll(() => keysUnderWay.size).toBe(1);
    // It takes as long as it takes.
    for (const key of keysUnderWay.keys()) keysUnderWay.set(key, new Promise(() => {}));
    const second = await claim({ query: "resources=DISK_GB:1" }, keyed("slow"));
    expect([second.status, errorOf(second).code]).toEqual([
      409,
      "stowage.idempotency_key_in_progress",
    ]);
    release();
    await first;
  });
});

describe("stowage claim", () => {
  let stowage: LocalStowage;

  beforeAll(async () => {
    stowage = await startHere();
    await makeProvider(stowage.client, providerUuid(1), { VCPU: 4 });
    await makeProvider(stowage.client, providerUuid(2), { VCPU: 2 });
  });

  afterAll(() => stowage.stop());

  const ask = (...args: string[]) =>
    runCommandLine(
      ["claim", "--url", stowage.client.url, "--project", "lab", "--user", "ci", ...args],
      { OS_TOKEN: "admin" },
    );

  test("prints what was granted, the same again under a key, and ends with 3 when nothing is to be had", async () => {
    const [first, again] = [
      await ask("resources=VCPU:3", "--key", "one"),
      await ask("resources=VCPU:3", "--key", "one"),
    ];
    expect(first).toEqual([
      0,
      expect.stringMatching(new RegExp(`^consumer .{36}\\n  ${providerUuid(1)} VCPU:3\\n$`)),
      "",
    ]);
    expect(again).toEqual(first);
    const consumer = consumerUuid(7);
    const [code, output] = await ask(
      "GET /allocation_candidates?resources=VCPU:1",
      "--json",
      "--prefer=pack",
      `--consumer=${consumer}`,
      `--not-on=${providerUuid(2)}`,
    );
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({
      claims: [{ consumer: { uuid: consumer }, allocations: { [providerUuid(1)]: {} } }],
    });
    expect(await ask("resources=VCPU:3")).toEqual([3, expect.stringContaining("None of"), ""]);
    expect(await ask("resources=VCPU:1", "--consumer", consumer)).toEqual([
      1,
      "",
      expect.stringContaining("generation"),
    ]);
    expect(await ask("resources=VCPU:1", "--attempts", "1000")).toEqual([
      1,
      "",
      expect.stringContaining("answered 400"),
    ]);
  });
});
