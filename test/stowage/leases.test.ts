import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { internalContext } from "../../src/db/change.ts";
import { forgetReleased } from "../../src/operations/housekeeping.ts";
import { takeBackEnded } from "../../src/operations/lease-expiry.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ENGINES, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { claimsOf, CONSUMER, errorOf, keyed, type Claimed } from "./claim-requests.ts";
import { leaseOf, letPass, letPassUnserved, type ToldLease } from "./held-leases.ts";

/** How often a renewal races an expiry. */
const RACES = Number(process.env["STOWAGE_LEASE_RACES"] ?? 60);
const AT_ONCE = RACES < 1000 ? 20 : 100;

const HOST = providerUuid(1);
const QUERY = `resources=VCPU:1&in_tree=${HOST}`;

describe.for([...ENGINES, ...SERVER_ENGINES])("a lease on $name", (engine) => {
  let database: TestDatabase;
  let stowage: LocalStowage;
  /** Another replica, where there may be one. */
  let other: LocalStowage;

  beforeAll(async () => {
    database = await engine.borrowDatabase();
    const overrides = { placementDatabase: { connection: database.connection } };
    stowage = await startHere(overrides);
    other = engine.name === "SQLite" ? stowage : await startHere(overrides);
    await makeProvider(stowage.client, HOST, { VCPU: 100_000 });
  });

  afterAll(async () => {
    if (other !== stowage) await other.stop();
    await stowage.stop();
    await database.remove();
  });

  async function claimFor(seconds: number, uuid: string = randomUUID()): Promise<string> {
    const body = { query: QUERY, lease: { seconds }, consumer: { ...CONSUMER, uuid } };
    const reply = await claimsOf(stowage)(body);
    expect(reply.status, reply.text).toBe(201);
    return uuid;
  }

  async function holds(uuid: string): Promise<boolean> {
    const { status } = await stowage.client.get(`/stowage/v1/consumers/${uuid}`);
    expect([200, 404]).toContain(status);
    return status === 200;
  }

  test("is told with the claim, by itself and with the consumer, and renewed", async () => {
    const reply = await claimsOf(stowage)({ query: QUERY, lease: { seconds: 300 } });
    const [claimed] = reply.json<{ claims: [Claimed["claims"][0] & { lease: ToldLease }] }>()
      .claims;
    expect(claimed.lease.seconds).toBe(300);
    const { uuid } = claimed.consumer;
    const lease = leaseOf(other, uuid);
    expect((await lease.get()).json()).toEqual(claimed.lease);
    const consumer = await other.client.get(`/stowage/v1/consumers/${uuid}`);
    const grantedAt = expect.stringMatching(/Z$/) as unknown;
    expect(consumer.json()).toMatchObject({
      lease: claimed.lease,
      granted_at: grantedAt,
      gang: null,
    });

    const fresh = await lease.renew(300);
    expect([fresh.status, fresh.json()]).toEqual([200, claimed.lease]);
    await letPass(stowage, 60);
    const renewed = (await lease.renew(300)).json<ToldLease>();
    expect(Date.parse(renewed.expires_at)).toBeGreaterThan(
      Date.parse(claimed.lease.expires_at) - 60_000,
    );
    const longer = (await lease.renew(3600)).json<ToldLease>();
    expect(longer.seconds).toBe(3600);
    expect((await lease.get()).json()).toEqual(longer);
  });

  test("ends once, and what it granted is released, which the feed tells as what it is", async () => {
    const uuid = await claimFor(10);
    const { position } = (await stowage.client.get("/stowage/v1")).json<{ position: string }>();
    expect(await takeBackEnded(stowage.service)).toBe(0);
    await letPass(stowage, 15);
    const counts = await Promise.all([stowage, other].map((it) => takeBackEnded(it.service)));
    if (other !== stowage) expect(counts.reduce((sum, count) => sum + count)).toBe(1);
    expect(await holds(uuid)).toBe(false);

    for (const reply of [
      await leaseOf(other, uuid).renew(300),
      await leaseOf(other, uuid).get(),
      await leaseOf(other, uuid).keep(),
    ]) {
      expect([reply.status, errorOf(reply).code]).toEqual([410, "stowage.lease_lost"]);
    }
    const events = await stowage.client.get(
      `/stowage/v1/events?after=${position}&kind=consumer_deleted&consumer=${uuid}`,
    );
    expect(events.json<{ events: unknown[] }>().events).toMatchObject([
      { type: "consumer_deleted", cause: "lease", request_id: "lease", user_id: null },
    ]);

    // The UUID may be used anew, with a lease and without.
    await claimFor(60, uuid);
    expect((await leaseOf(stowage, uuid).get()).status).toBe(200);
  });

  test("that was renewed is not taken back by who had found that it has ended", async () => {
    const uuid = await claimFor(10);
    await letPass(stowage, 15);
    const submit = stowage.service.claims.submit.bind(stowage.service.claims);
    let renewal: unknown;
    stowage.service.claims.submit = async (claim) => {
      if (claim.endsLease) renewal = (await leaseOf(other, uuid).renew(60)).status;
      return submit(claim);
    };
    const released = await takeBackEnded(stowage.service);
    stowage.service.claims.submit = submit;
    expect([renewal, released, await holds(uuid)]).toEqual([200, 0, true]);
  });

  test("is given up for what is kept for good, and nobody has one who was not granted it", async () => {
    const uuid = await claimFor(10);
    expect((await leaseOf(stowage, uuid).keep()).status).toBe(204);
    await letPass(stowage, 15);
    await takeBackEnded(stowage.service);
    expect(await holds(uuid)).toBe(true);

    const body = claimBody({ [HOST]: { VCPU: 1 } });
    await stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, { body });
    for (const without of [uuid, consumerUuid(1), randomUUID()]) {
      const lease = leaseOf(stowage, without);
      const replies = [await lease.get(), await lease.renew(60), await lease.keep()];
      expect(replies.map(({ status }) => status)).toEqual([404, 404, 404]);
    }
  });

  test("does not end for who holds something anew under the UUID, whoever has released it", async () => {
    const [released, forgotten] = [await claimFor(10), await claimFor(10)];
    await stowage.client.expectSuccess("DELETE", `/allocations/${released}`);
    await claimWithoutUs(forgotten);
    const body = claimBody({ [HOST]: { VCPU: 1 } });
    await stowage.client.expectSuccess("PUT", `/allocations/${released}`, { body });
    for (const uuid of [released, forgotten]) {
      const reply = await leaseOf(stowage, uuid).renew(60);
      expect([reply.status, errorOf(reply).code]).toEqual([410, "stowage.lease_lost"]);
    }
    await letPass(stowage, 15);
    await takeBackEnded(stowage.service);
    expect([await holds(released), await holds(forgotten)]).toEqual([true, true]);

    const ended = () => countGrants(forgotten, "ended");
    if (engine.name !== "SQLite") expect(await ended()).toBe(0);
    await forgetReleased(stowage.service, new Date());
    if (engine.name !== "SQLite") expect(await ended()).toBe(1);
    const tomorrow = new Date(Date.now() + 25 * 60 * 60 * 1000);
    await forgetReleased(stowage.service, tomorrow);
    expect(await countGrants(released)).toBe(0);
  });

  /** As another program does which knows nothing of leases: releases a consumer, and makes one of its UUID. */
  async function claimWithoutUs(uuid: string): Promise<void> {
    if (engine.name === "SQLite") {
      // A file belongs to one process.
      await stowage.client.expectSuccess("DELETE", `/allocations/${uuid}`);
      const body = claimBody({ [HOST]: { VCPU: 1 } });
      await stowage.client.expectSuccess("PUT", `/allocations/${uuid}`, { body });
      return;
    }
    await stowage.service.database.writer(internalContext("test"), async (tx) => {
      const consumer = await tx.query
        .selectFrom("consumers")
        .select(["project_id", "user_id"])
        .where("uuid", "=", uuid)
        .executeTakeFirstOrThrow();
      await tx.query.deleteFrom("consumers").where("uuid", "=", uuid).execute();
      await tx.query
        .insertInto("consumers")
        .values({ uuid, ...consumer, generation: 1 })
        .execute();
    });
  }

  async function countGrants(uuid: string, which: "all" | "ended" = "all"): Promise<number> {
    const rows = await stowage.service.database.reader(internalContext("test"), (tx) =>
      tx.query
        .selectFrom("stowage_grants")
        .select("ended_at")
        .where("consumer_uuid", "=", uuid)
        .execute(),
    );
    return which === "all" ? rows.length : rows.filter(({ ended_at }) => ended_at !== null).length;
  }

  test("does not end in an outage, and lasts longer by it", async () => {
    const [short, long] = [await claimFor(10), await claimFor(600)];
    const before = (await leaseOf(stowage, long).get()).json<ToldLease>();
    await letPassUnserved(stowage, 300);
    const outages: number[] = [];
    const released = await takeBackEnded(stowage.service, {
      onOutage: (outageMs) => outages.push(Math.round(outageMs / 1000)),
    });
    expect([released, outages]).toEqual([0, [300]]);
    expect(await holds(short)).toBe(true);
    const after = (await leaseOf(stowage, long).get()).json<ToldLease>();
    expect(Math.abs(Date.parse(after.expires_at) - Date.parse(before.expires_at))).toBeLessThan(
      60_000,
    );
    // One that is made after it begins like any other.
    const later = await claimFor(10);
    await letPass(stowage, 15);
    await takeBackEnded(stowage.service);
    expect([await holds(later), await holds(short), await holds(long)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  test("does not end in an outage that begins right after it, nor is it one that nobody had any", async () => {
    await keepAll();
    const uuid = await claimFor(10);
    await letPassUnserved(stowage, 300, 3600);
    const outages: number[] = [];
    const look = () =>
      takeBackEnded(stowage.service, {
        onOutage: (outageMs) => outages.push(Math.round(outageMs / 60_000)),
      });
    expect([await look(), outages, await holds(uuid)]).toEqual([0, [5], true]);
    const lease = (await leaseOf(stowage, uuid).get()).json<ToldLease>();
    await letPass(stowage, 15);
    expect([await look(), await holds(uuid)]).toEqual([1, false]);
    expect(lease.seconds).toBe(10);

    await keepAll();
    const later = await claimFor(10);
    await letPassUnserved(stowage, 0, 3600);
    await letPass(stowage, 0);
    expect([await look(), outages, await holds(later)]).toEqual([0, [5], true]);
  });

  /** Leaves no lease. */
  async function keepAll(): Promise<void> {
    const rows = await stowage.service.database.reader(internalContext("test"), (tx) =>
      tx.query
        .selectFrom("stowage_grants")
        .select("consumer_uuid")
        .where("expires_at", "is not", null)
        .execute(),
    );
    await Promise.all(rows.map((row) => leaseOf(stowage, row.consumer_uuid).keep()));
  }

  test(
    `never both ends and is renewed, in ${RACES} races of the two`,
    { timeout: 600_000 + RACES * 200 },
    async () => {
      for (let race = 0; race < RACES; race += AT_ONCE) {
        const uuids = await Promise.all(Array.from({ length: AT_ONCE }, () => claimFor(10)));
        await letPass(stowage, 15);
        const late = Math.random() * 4;
        const [, , ...replies] = await Promise.all([
          takeBackEnded(stowage.service),
          takeBackEnded(other.service),
          ...uuids.map(async (uuid, at) => {
            for (let wait = 0; wait < late * at; wait += 1) {
              await new Promise((resolve) => setImmediate(resolve));
            }
            return leaseOf(at % 2 ? stowage : other, uuid).renew(600);
          }),
        ]);
        await takeBackEnded(other.service);
        for (const [at, uuid] of uuids.entries()) {
          const { status, text } = replies[at]!;
          expect([200, 410], text).toContain(status);
          expect(await holds(uuid), `renewal answered with ${status}`).toBe(status === 200);
          won[status as 200 | 410] += 1;
        }
        await Promise.all(uuids.map((uuid) => stowage.client.delete(`/allocations/${uuid}`)));
      }
      if (RACES > 100) console.log(`${engine.name}: ${won[200]} renewed, ${won[410]} expired`);
    },
  );
  const won = { 200: 0, 410: 0 };

  test("of a claim that is repeated is the one that was told", async () => {
    const body = { query: QUERY, lease: { seconds: 60 } };
    const first = await claimsOf(stowage)(body, keyed(`lease ${engine.name}`));
    const again = await claimsOf(other)(body, keyed(`lease ${engine.name}`));
    expect([first.status, again.status, again.text]).toEqual([201, 200, first.text]);
  });

  test("is what a rehearsal tells, and nobody gets", async () => {
    const reply = await claimsOf(stowage)({ query: QUERY, lease: { seconds: 60 }, dry_run: true });
    const [claimed] = reply.json<{ claims: [Claimed["claims"][0] & { lease: ToldLease }] }>()
      .claims;
    expect(claimed.lease.seconds).toBe(60);
    expect((await leaseOf(stowage, claimed.consumer.uuid).get()).status).toBe(404);
  });

  test("that has ended and was not taken back yet is found by the search of consumers", async () => {
    const uuid = await claimFor(10);
    const expired = async () =>
      (await stowage.client.get(`/stowage/v1/consumers?lease=expired&uuid=${uuid}`)).json<{
        consumers: { uuid: string }[];
      }>().consumers;
    expect(await expired()).toEqual([]);
    await letPass(stowage, 15);
    expect(await expired()).toMatchObject([{ uuid }]);
    await takeBackEnded(stowage.service);
    expect(await expired()).toEqual([]);
  });

  test("has a length within limits", async () => {
    const uuid = await claimFor(10);
    for (const seconds of [9, 0, -1, 1.5, 2_592_001, "60", null]) {
      expect((await leaseOf(stowage, uuid).renew(seconds as number)).status).toBe(400);
      const body = { query: QUERY, lease: { seconds } };
      expect((await claimsOf(stowage)(body)).status).toBe(400);
    }
  });
});
