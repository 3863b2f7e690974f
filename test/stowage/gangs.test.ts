import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { takeBackEnded } from "../../src/operations/lease-expiry.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import type { Reply } from "../support/client.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { claimsOf, errorOf, keyed } from "./claim-requests.ts";
import { leaseOf, letPass } from "./held-leases.ts";

const RACKS = [1, 2].map((rack) => `d0000000-0000-4000-8000-00000000000${rack}`);

interface Member {
  readonly name: string;
  readonly consumer: { readonly uuid: string; readonly generation: number };
  readonly allocations: Readonly<Record<string, unknown>>;
}

function membersOf(reply: Reply): readonly Member[] {
  expect([200, 201], reply.text).toContain(reply.status);
  return reply.json<{ claims: readonly Member[] }>().claims;
}

/** How many members each host has. */
function byHost(members: readonly Member[]): number[] {
  const hosts = members.map(({ allocations }) => Object.keys(allocations)[0]!);
  const counts = [...Map.groupBy(hosts, (host) => host).values()].map(({ length }) => length);
  return counts.toSorted((left, right) => left - right);
}

describe.for([...ENGINES, ...SERVER_ENGINES])("a gang on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;
  /** Another replica, where there may be one. */
  let other: LocalStowage;
  let classes = 0;
  let hosts = 0;

  beforeAll(async () => {
    database = await engine.borrowDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    stowage = await startHere(overrides);
    other = engine.name === "SQLite" ? stowage : await startHere(overrides);
  });

  afterAll(async () => {
    if (other !== stowage) await other.stop();
    await stowage.stop();
    await database.remove();
  });

  /** Hosts that have so much each of a class of their own, the first half of them in one rack. */
  async function makeFleet(totals: readonly number[]): Promise<{ name: string; uuids: string[] }> {
    const name = `CUSTOM_GANG_${(classes += 1)}`;
    const { client } = stowage;
    await client.expectSuccess("PUT", `/resource_classes/${name}`);
    const uuids: string[] = [];
    for (const [at, total] of totals.entries()) {
      const uuid = providerUuid((hosts += 1));
      await makeProvider(client, uuid, { [name]: total });
      await client.expectSuccess("PUT", `/resource_providers/${uuid}/aggregates`, {
        body: {
          resource_provider_generation: 1,
          aggregates: [RACKS[at < totals.length / 2 ? 0 : 1]!],
        },
      });
      uuids.push(uuid);
    }
    return { name, uuids };
  }

  const gang = (name: string, count: number, more: object = {}) => ({
    gang: `gang-${randomUUID()}`,
    members: [{ name: "worker", count, query: `resources=${name}:1` }],
    ...more,
  });

  async function used(uuids: readonly string[]): Promise<number> {
    let sum = 0;
    for (const uuid of uuids) {
      const reply = await stowage.client.get(`/resource_providers/${uuid}/usages`);
      const { usages } = reply.json<{ usages: Record<string, number> }>();
      for (const amount of Object.values(usages)) sum += amount;
    }
    return sum;
  }

  async function findMembers(name: string): Promise<readonly { uuid: string }[]> {
    const reply = await other.client.get(`/stowage/v1/consumers?gang=${name}`);
    return reply.json<{ consumers: { uuid: string }[] }>().consumers;
  }

  test("gets places for all its members in their order, is found by its name, and released at once", async () => {
    const { name, uuids } = await makeFleet([4, 4, 4, 4]);
    const body = {
      gang: "train-17",
      members: [
        { name: "ps", query: `resources=${name}:3` },
        { name: "worker", count: 5, query: `resources=${name}:2` },
      ],
    };
    const claim = claimsOf(stowage);
    const rehearsed = await claim({ ...body, dry_run: true });
    expect(rehearsed.status).toBe(200);
    expect(await findMembers("train-17")).toEqual([]);
    const reply = await claim(body);
    expect(reply.headers["location"]).toContain("/stowage/v1/consumers?gang=train-17");
    const members = membersOf(reply);
    expect(members.map((member) => member.name)).toEqual(["ps", ...Array(5).fill("worker")]);
    expect(await used(uuids)).toBe(13);
    const found = await findMembers("train-17");
    expect(found.map(({ uuid }) => uuid).toSorted()).toEqual(
      members.map(({ consumer }) => consumer.uuid).toSorted(),
    );
    expect(found[0]).toMatchObject({ gang: { name: "train-17" }, lease: null });

    const again = await claim(body);
    expect([again.status, errorOf(again).code]).toEqual([409, "stowage.gang_exists"]);
    // A member may go by itself, and the others are released without it.
    await stowage.client.expectSuccess("DELETE", `/allocations/${members[0]!.consumer.uuid}`);
    expect((await claim(body)).status).toBe(409);
    expect((await other.client.delete("/stowage/v1/claims/train-17")).status).toBe(204);
    expect(await used(uuids)).toBe(0);
    expect((await other.client.delete("/stowage/v1/claims/train-17")).status).toBe(404);
    expect((await claim(body)).status).toBe(201);
    expect((await other.client.delete("/stowage/v1/claims/train-17")).status).toBe(204);
  });

  test("keeps to its rules, and is told how far it got where that is impossible", async () => {
    const { name, uuids } = await makeFleet([3, 3, 2, 2]);
    const claim = async (count: number, rules: readonly object[], prefer = "random") => {
      const reply = await claimsOf(stowage)(gang(name, count, { rules, prefer }));
      return reply;
    };
    const release = async (members: readonly Member[]) => {
      for (const { consumer } of members) {
        await stowage.client.expectSuccess("DELETE", `/allocations/${consumer.uuid}`);
      }
    };
    const spread = membersOf(await claim(4, [{ max_per_host: 1 }]));
    expect(byHost(spread)).toEqual([1, 1, 1, 1]);
    await release(spread);
    const together = membersOf(await claim(6, [{ within_one_of: RACKS }]));
    expect(
      Object.keys(Object.assign({}, ...together.map(({ allocations }) => allocations))).toSorted(),
    ).toEqual(uuids.slice(0, 2));
    await release(together);
    const apart = membersOf(await claim(2, [{ at_least_domains: 2, of: RACKS }], "pack"));
    expect(byHost(apart)).toEqual([1, 1]);
    await release(apart);

    const tooMany = await claim(5, [{ max_per_host: 1 }]);
    expect([tooMany.status, errorOf(tooMany).code]).toEqual([409, "stowage.no_candidates"]);
    expect(errorOf(tooMany).data).toEqual({
      members: [{ name: "worker", count: 5, placed: 4 }],
      domain: null,
      is_exact: true,
    });
    const tooLarge = await claim(7, [{ within_one_of: RACKS }], "first");
    expect(errorOf(tooLarge).data).toEqual({
      members: [{ name: "worker", count: 7, placed: 6 }],
      domain: RACKS[0],
      is_exact: true,
    });
    expect(await used(uuids)).toBe(0);
  });

  test("has one lease, which ends for all of its members at once", async () => {
    const { name, uuids } = await makeFleet([4]);
    const body = gang(name, 3, { lease: { seconds: 10 } });
    const members = membersOf(await claimsOf(stowage)(body));
    const [first, last] = [members[0]!.consumer.uuid, members[2]!.consumer.uuid];
    await letPass(stowage, 5);
    const renewed = await leaseOf(other, first).renew(60);
    expect((await leaseOf(stowage, last).get()).json()).toEqual(renewed.json());
    await letPass(stowage, 65);
    const ended = await takeBackEnded(stowage.service);
    expect([ended, await used(uuids)]).toEqual([3, 0]);
    expect((await leaseOf(other, last).renew(60)).status).toBe(410);
    expect((await claimsOf(stowage)(body)).status).toBe(201);
    expect((await stowage.client.delete(`/stowage/v1/claims/${body.gang}`)).status).toBe(204);
  });

  test("of one key is claimed once, however often it is asked for at once", async () => {
    const { name, uuids } = await makeFleet([50]);
    const body = gang(name, 5);
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        claimsOf(at % 2 ? stowage : other)(body, keyed(body.gang)),
      ),
    );
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(await used(uuids)).toBe(5);
  });

  test("that competes with others gets places for all of its members or for none", async () => {
    const { name, uuids } = await makeFleet([6, 6, 6, 6]);
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        claimsOf(at % 2 ? stowage : other)(
          gang(name, 5, { rules: [{ max_per_host: 2 }], attempts: 50 }),
        ),
      ),
    );
    const granted = replies.filter(({ status }) => status === 201);
    expect(granted.length).toBeGreaterThan(0);
    expect(await used(uuids)).toBe(granted.length * 5);
    for (const reply of granted) {
      const members = membersOf(reply);
      expect(members).toHaveLength(5);
      expect(Math.max(...byHost(members))).toBeLessThanOrEqual(2);
    }
    for (const reply of replies.filter(({ status }) => status !== 201)) {
      expect(["stowage.no_candidates", "stowage.out_of_capacity"]).toContain(errorOf(reply).code);
    }
  });

  test("that makes no sense is refused with 400, and changes nothing", async () => {
    const { name, uuids } = await makeFleet([4]);
    const query = `resources=${name}:1`;
    const member = { name: "worker", query };
    const wrong: object[] = [
      { gang: "a" },
      { members: [member] },
      { gang: "Upper", members: [member] },
      { gang: "a", members: [member], query },
      { gang: "a", members: [member], among: 5 },
      { gang: "a", members: [member, member] },
      { gang: "a", members: [] },
      { gang: "a", members: [{ ...member, count: 0 }] },
      { gang: "a", members: [{ ...member, count: 1001 }] },
      {
        gang: "a",
        members: [
          { ...member, count: 600 },
          { ...member, name: "b", count: 600 },
        ],
      },
      { gang: "a", members: [{ ...member, uuids: [] }] },
      { gang: "a", members: [{ ...member, query: "resources=CUSTOM_NONE:1" }] },
      { gang: "a", members: [member], rules: [{}] },
      { gang: "a", members: [member], rules: [{ max_per_host: 1, within_one_of: RACKS }] },
      { gang: "a", members: [member], rules: [{ at_least_domains: 1 }] },
      { gang: "a", members: [member], rules: [{ at_least_domains: 3, of: RACKS }] },
      { gang: "a", members: [member], rules: [{ within_one_of: [randomUUID()] }] },
      { gang: "a", members: [member], rules: [{ max_per_host: 1, members: ["other"] }] },
      { rules: [], query },
    ];
    for (const body of wrong) {
      const reply = await claimsOf(stowage)(body);
      expect(reply.status, JSON.stringify(body)).toBe(400);
    }
    const consumer = { project_id: "lab", user_id: "ci", type: "JOB", uuid: randomUUID() };
    expect((await claimsOf(stowage)({ gang: "a", members: [member], consumer })).status).toBe(400);
    expect((await claimsOf(stowage)({})).status).toBe(400);
    expect(await used(uuids)).toBe(0);
  });

  test("is refused whole where one of its consumers exists", async () => {
    const { name, uuids } = await makeFleet([4]);
    const [taken, fresh] = [randomUUID(), randomUUID()];
    await stowage.client.expectSuccess("PUT", `/allocations/${taken}`, {
      body: claimBody({ [uuids[0]!]: { [name]: 1 } }),
    });
    const members = [{ name: "w", count: 2, query: `resources=${name}:1`, uuids: [fresh, taken] }];
    const reply = await claimsOf(stowage)({ gang: "half", members });
    expect([reply.status, errorOf(reply).code]).toEqual([409, "stowage.consumer_exists"]);
    expect(await used(uuids)).toBe(1);
    expect(await findMembers("half")).toEqual([]);
  });
});
