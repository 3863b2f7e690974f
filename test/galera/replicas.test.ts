import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test, vi } from "vitest";

import { installDatabaseTriggers } from "../../src/cli/admin/triggers.ts";
import { defaultConfig } from "../../src/config/config.ts";
import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { currentRevision, migrate } from "../../src/db/migrations/migrate.ts";
import { HEAD } from "../../src/db/migrations/revisions.ts";
import { atTerminal } from "../support/command-line.ts";
import { CommitProxy } from "../support/commit-proxy.ts";
import { downgrade } from "../db/downgrade.ts";
import { schemaFacts } from "../db/schema-facts.ts";
import { eachSecond, recordManyChanges } from "../support/change-feed.ts";
import {
  claimBody,
  consumerUuid,
  makeProvider,
  providerUuid,
  usedAccordingTo as usedOf,
} from "../support/fleet.ts";
import { refusalsOf } from "../stowage/told-refusals.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import {
  findTreeProblems,
  makeTree,
  move,
  PLACES_OF_PROVIDERS,
  type PlacedRow,
} from "../support/trees.ts";
import { useClusterReplicas } from "./replicas-of-cluster.ts";
import { isUsable } from "./usable.ts";

const PROVIDER = providerUuid(1);
/** Longer than it takes until a refusal is written down, and another node has it. */
const PATIENCE = { timeout: 30_000, interval: 200 };
const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

describe.runIf(isUsable)("three replicas, each on another node of a Galera cluster", () => {
  const galera = useClusterReplicas();

  test("make the schema at once", async () => {
    for (const { client } of galera.replicas)
      await client.expectSuccess("GET", "/resource_classes");
    const revisions = await galera.cluster
      .node(2)
      .query("select * from alembic_version", galera.database);
    expect(revisions).toHaveLength(1);
  });

  test("upgrade an older schema at once", async () => {
    const databases = await openOnEach(await galera.cluster.createDatabase());
    const [first] = databases;
    if (!first) throw new Error("there are three nodes");
    await migrate(first);
    const newest = (await schemaFacts(first)).toSorted();
    for (let round = 0; round < 5; round += 1) {
      await downgrade(first);
      expect((await schemaFacts(first)).toSorted()).not.toEqual(newest);

      await Promise.all(databases.map(migrate));

      expect((await schemaFacts(first)).toSorted()).toEqual(newest);
      for (const each of databases) expect(await currentRevision(each)).toBe(HEAD);
    }
    await Promise.all(databases.map((each) => each.close()));
  });

  test("give the last unit to one of three that claim it at the same time", async () => {
    const rounds = 30;
    for (let round = 0; round < rounds; round += 1) {
      const provider = providerUuid(round);
      await makeProvider(replica(round).client, provider, { VCPU: 1 });
      const answers = await Promise.all(
        galera.replicas.map(({ client }, at) =>
          client.put(
            `/allocations/${consumerUuid(round * 3 + at)}`,
            claimBody({ [provider]: { VCPU: 1 } }),
          ),
        ),
      );
      expect(countByStatus(answers)).toEqual({ 204: 1, 409: 2 });
    }
    const [{ used }] = (await galera.cluster
      .node(1)
      .query<{ used: string }>("select sum(used) as used from allocations", galera.database)) as [
      { used: string },
    ];
    expect(Number(used)).toBe(rounds);
  });

  test("never tie subtrees into a loop, and leave no new child behind", async () => {
    let refused = 0;
    for (let round = 1; round <= 30; round += 1) {
      const uuid = (number: number) => providerUuid(100 * round + number);
      const [root, x, y, xChild, yChild] = [uuid(1), uuid(2), uuid(3), uuid(4), uuid(5)];
      await makeTree(replica(0).client, {
        [root]: undefined,
        [x]: root,
        [y]: root,
        [xChild]: x,
        [yChild]: y,
        [uuid(6)]: undefined,
      });
      const [left, right] = await Promise.all([
        move(replica(0).client, x, yChild),
        move(replica(1).client, y, xChild),
      ]);
      expect([200, 400]).toContain(left.status);
      expect([200, 400]).toContain(right.status);
      refused += [left, right].filter(({ status }) => status === 400).length;
      const answers = await Promise.all([
        replica(1).client.post("/resource_providers", {
          uuid: uuid(7),
          name: uuid(7),
          parent_provider_uuid: yChild,
        }),
        move(replica(2).client, root, uuid(6)),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    }
    expect(refused).toBe(30);
    const rows = await galera.cluster
      .node(0)
      .query<PlacedRow>(PLACES_OF_PROVIDERS, galera.database);
    expect(findTreeProblems(rows)).toEqual([]);
  });

  test("give out exactly the units that are there, however many clients want them", async () => {
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 50 });
    const answers = await Promise.all(
      Array.from({ length: 150 }, (_, number) => claim(replica(number), number)),
    );
    expect(countByStatus(answers)).toEqual({ 204: 50, 409: 100 });
    for (const { client } of galera.replicas) {
      const usages = await client.get(`/resource_providers/${PROVIDER}/usages`);
      expect(usages.json()).toMatchObject({ usages: { VCPU: 50 } });
    }
  });

  test("show on each what was written through another, at once", async () => {
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 1000 });
    for (let number = 1; number <= 60; number += 1) {
      expect((await claim(replica(number), number)).status).toBe(204);
      const reader = replica(number + 1 + (number % 2));
      expect(await usedAccordingTo(reader)).toBe(number);
      const held = await reader.client.get(`/allocations/${consumerUuid(number)}`);
      expect(held.json()).toMatchObject({
        allocations: { [PROVIDER]: { resources: { VCPU: 1 } } },
      });
    }
  });

  test("show what another program writes on any node, once each has installed the triggers", async () => {
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 1000 });
    // Not at the same time: MariaDB cannot do that, see docs/migrating-from-placement.md.
    for (const node of galera.cluster.nodes) {
      const placementDatabase = { connection: node.connection(galera.database) };
      await atTerminal((to) => installDatabaseTriggers(defaultConfig({ placementDatabase }), to));
    }
    const on = (number: number) => galera.cluster.node(number % galera.cluster.nodes.length);
    for (let number = 1; number <= 30; number += 1) {
      await on(number).query(
        "insert into allocations (resource_provider_id, resource_class_id, consumer_id, used) " +
          `select id, 0, 'consumer ${number}', 1 from resource_providers`,
        galera.database,
      );
      expect(await usedAccordingTo(replica(number + 1))).toBe(number);
    }
    await on(0).query("delete from allocations", galera.database);
    for (const each of galera.replicas) expect(await usedAccordingTo(each)).toBe(0);
  });

  test("make what has a name and is missing once, and give each another id", async () => {
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all(
        galera.replicas.flatMap(({ client }, at) => [
          client.put(`/resource_classes/CUSTOM_OWN_${round}_${at}`, undefined),
          client.put(`/resource_classes/CUSTOM_SAME_${round}`, undefined),
          client.put(`/traits/CUSTOM_OWN_${round}_${at}`, undefined),
          client.put(`/traits/CUSTOM_SAME_${round}`, undefined),
        ]),
      );
      expect(
        answers.filter(({ status }) => status !== 201 && status !== 204).map(({ text }) => text),
      ).toEqual([]);
    }
    const classes = await galera.cluster
      .node(0)
      .query<{ id: number }>("select id from resource_classes where id >= 10000", galera.database);
    expect(classes).toHaveLength(40);
  });

  test("show a change whose commit came after others had given up waiting for it", async () => {
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 100 });
    const proxy = await proxyTo(0);
    const stranded = await startOn(proxy.route(galera.cluster.node(0).connection(galera.database)));
    try {
      const held = proxy.meetCommit("hold");
      const claiming = claim(stranded, 1);
      await held;
      await recordManyChanges(replica(1).service);
      // Both look on until one has closed the gap.
      await eachSecond(60, async () => {
        expect(await usedAccordingTo(replica(1))).toBe(0);
        expect(await usedAccordingTo(replica(2))).toBe(0);
        return (await settledChanges()).length > 0;
      });
      proxy.release();
      expect((await claiming).status).toBe(204);
      for (const each of galera.replicas) expect(await usedAccordingTo(each)).toBe(1);
      expect(await stranded.metrics.total("stowage_claim_retries_total")).toBe(1);
    } finally {
      proxy.release();
      await stranded.stop();
      await proxy.stop();
    }
  });

  test("tell each what was refused through the others", async () => {
    await makeProvider(replica(0).client, PROVIDER, { VCPU: 8 });
    const first = await claim(replica(0), 1);
    const refused = await Promise.all([
      replica(0).client.get("/allocation_candidates?resources=VCPU:9"),
      replica(1).client.put(
        `/allocations/${consumerUuid(2)}`,
        claimBody({ [PROVIDER]: { VCPU: 8 } }),
      ),
      claim(replica(2), 1),
    ]);
    expect([first, ...refused].map(({ status }) => status)).toEqual([204, 200, 409, 409]);
    const told = refused.map(({ headers }, at) =>
      vi.waitFor(async () => {
        const id = String(headers["x-openstack-request-id"]);
        const { refusals } = await refusalsOf(replica(at + 1).client, `request_id=${id}`);
        expect(refusals).toHaveLength(1);
        return refusals[0];
      }, PATIENCE),
    );
    expect(await Promise.all(told)).toMatchObject([
      { kind: "no_candidates", explanation: { nearest: [{ failures: [{ requested: 9 }] }] } },
      { reason: "out_of_capacity", facts: { requested: 8, used: 1, capacity: 8 } },
      {
        reason: "consumer_generation",
        facts: { changed_by: { request_id: first.headers["x-openstack-request-id"] } },
      },
    ]);
  });

  test("keep the part of the feed short that they look at, though two of three ids are never used", async () => {
    await recordManyChanges(replica(1).service);
    await eachSecond(120, async () => {
      await Promise.all(galera.replicas.map(usedAccordingTo));
      return false;
    });
    const settled = await settledChanges();
    expect(settled.length).toBeGreaterThan(0);
    expect(settled.length, "once is enough").toBeLessThanOrEqual(galera.replicas.length);
  });

  describe("a commit whose answer is lost, asked about on another node", () => {
    test.each(["cut before", "cut after"] as const)(
      "is made once when the connection is %s the node has done it",
      async (meeting) => {
        await makeProvider(replica(0).client, PROVIDER, { VCPU: 100 });
        const proxy = await proxyTo(0);
        const routed = await startOn(
          proxy.route(galera.cluster.node(0).connection(galera.database)),
        );
        try {
          void proxy
            .meetCommit(meeting)
            .then(() => proxy.redirect(galera.cluster.node(1).ports.sql));
          expect((await claim(routed, 1)).status).toBe(204);
          for (const each of [...galera.replicas, routed])
            expect(await usedAccordingTo(each)).toBe(1);
          const changes = await galera.cluster
            .node(2)
            .query(
              `select id from stowage_changes where subject = '${consumerUuid(1)}'`,
              galera.database,
            );
          expect(changes).toHaveLength(1);
        } finally {
          await routed.stop();
          await proxy.stop();
        }
      },
    );

    test("cannot be made any more once it was said that it was not", async () => {
      const proxy = await proxyTo(0);
      const connection = proxy.route(galera.cluster.node(0).connection(galera.database));
      const routed = await Database.open(parseConnectionUrl(connection));
      try {
        let attempts = 0;
        await routed.writer(CONTEXT, async (tx) => {
          attempts += 1;
          if (attempts === 1) {
            void proxy
              .meetCommit("strand")
              .then(() => proxy.redirect(galera.cluster.node(1).ports.sql));
          } else {
            proxy.release();
            await sleep(500);
          }
          const name = `CUSTOM_ATTEMPT_${attempts}`;
          await tx.query.insertInto("traits").values({ name }).execute();
          tx.recordChange({ kind: "trait", subject: name });
        });
        const made = await galera.cluster
          .node(2)
          .query("select name from traits where name like 'CUSTOM_ATTEMPT%'", galera.database);
        expect(made).toEqual([{ name: "CUSTOM_ATTEMPT_2" }]);
      } finally {
        await routed.close();
        await proxy.stop();
      }
    });
  });

  function proxyTo(node: number): Promise<CommitProxy> {
    return CommitProxy.start("127.0.0.1", galera.cluster.node(node).ports.sql);
  }

  function settledChanges() {
    return galera.cluster
      .node(0)
      .query("select * from stowage_changes where kind = 'settled'", galera.database);
  }

  function openOnEach(name: string): Promise<Database[]> {
    return Promise.all(
      galera.cluster.nodes.map((node) => Database.open(parseConnectionUrl(node.connection(name)))),
    );
  }

  function replica(number: number): LocalStowage {
    const found = galera.replicas[number % galera.replicas.length];
    if (!found) throw new Error("there are three replicas");
    return found;
  }

  function claim({ client }: LocalStowage, number: number) {
    return client.put(
      `/allocations/${consumerUuid(number)}`,
      claimBody({ [PROVIDER]: { VCPU: 1 } }),
    );
  }
});

function startOn(connection: string): Promise<LocalStowage> {
  return startHere({ placementDatabase: { connection } });
}

function countByStatus(answers: readonly { readonly status: number }[]): Record<number, number> {
  const groups = Object.entries(Object.groupBy(answers, ({ status }) => status));
  return Object.fromEntries(groups.map(([status, group]) => [status, group?.length ?? 0]));
}

function usedAccordingTo({ client }: LocalStowage): Promise<number | undefined> {
  return usedOf(client, PROVIDER);
}
