import { describe, expect, test } from "vitest";

import { takeBackEnded } from "../../src/operations/lease-expiry.ts";
import { claimsOf, CONSUMER, errorOf } from "../stowage/claim-requests.ts";
import { leaseOf, letPass } from "../stowage/held-leases.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import type { LocalStowage } from "../support/stowage.ts";
import { useClusterReplicas } from "./replicas-of-cluster.ts";
import { isUsable } from "./usable.ts";

const PROVIDER = providerUuid(1);

describe.runIf(isUsable)("three replicas on Galera, asked to claim in one call,", () => {
  const galera = useClusterReplicas();

  function replica(number: number): LocalStowage {
    return galera.replicas[number % galera.replicas.length]!;
  }

  async function usedOnNode(number: number): Promise<number> {
    const sum = "select sum(used) as used from allocations";
    const [row] = await galera.cluster.node(number).query<{ used: string }>(sum, galera.database);
    return Number(row?.used);
  }

  test("give 50 clients that claim in one call exactly the 200 units that there are", async () => {
    for (let host = 1; host <= 20; host += 1) {
      await makeProvider(replica(0).client, providerUuid(host), { VCPU: 10 });
    }
    const outcomes = new Map<string, number>();
    const clients = Array.from({ length: 50 }, async (_, number) => {
      for (let count = 0; count < 6; count += 1) {
        const reply = await claimsOf(replica(number))({
          query: "resources=VCPU:1",
          attempts: 100,
          lease: { seconds: 3600 },
        });
        const outcome = reply.status === 201 ? "granted" : errorOf(reply).code;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    });
    await Promise.all(clients);
    expect(outcomes).toEqual(
      new Map([
        ["granted", 200],
        ["stowage.no_candidates", 100],
      ]),
    );
    await expect(usedOnNode(2)).resolves.toBe(200);
  });

  test("end each lease once, or renew it, through whichever of them", async () => {
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 1000 });
    const uuids = await Promise.all(
      Array.from({ length: 60 }, async (_, number) => {
        const uuid = consumerUuid(number);
        const reply = await claimsOf(replica(number))({
          query: "resources=VCPU:1",
          attempts: 100,
          consumer: { ...CONSUMER, uuid },
          lease: { seconds: 10 },
        });
        expect(reply.status, reply.text).toBe(201);
        return uuid;
      }),
    );
    await letPass(replica(0), 15);
    const [renewals] = await Promise.all([
      Promise.all(uuids.map((uuid, number) => leaseOf(replica(number), uuid).renew(600))),
      ...galera.replicas.map(({ service }) => takeBackEnded(service)),
    ]);
    for (const { service } of galera.replicas) await takeBackEnded(service);
    for (const [number, uuid] of uuids.entries()) {
      const { status, text } = renewals[number]!;
      expect([200, 410], text).toContain(status);
      const { status: held } = await replica(2).client.get(`/stowage/v1/consumers/${uuid}`);
      expect(held, `renewal answered with ${status}`).toBe(status === 200 ? 200 : 404);
    }
  });

  test("give gangs that compete places for all of their members or for none", async () => {
    for (let host = 1; host <= 4; host += 1) {
      await makeProvider(replica(0).client, providerUuid(host), { VCPU: 6 });
    }
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, number) =>
        claimsOf(replica(number))({
          gang: `gang-${number}`,
          members: [{ name: "worker", count: 5, query: "resources=VCPU:1" }],
          rules: [{ max_per_host: 2 }],
          attempts: 50,
        }),
      ),
    );
    const granted = replies.filter(({ status }) => status === 201).length;
    expect(granted).toBeGreaterThan(0);
    await expect(usedOnNode(1)).resolves.toBe(granted * 5);
  });
});
