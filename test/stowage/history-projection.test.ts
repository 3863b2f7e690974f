import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { deleteOldChanges, deleteOlderHistory } from "../../src/operations/housekeeping.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { Client } from "../support/client.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { openOtherProgram } from "../support/other-program.ts";
import {
  makeFolder,
  startHere,
  startProcess,
  writeConfig,
  type LocalStowage,
  type StowageProcess,
} from "../support/stowage.ts";
import { storedHoldings } from "../support/told-changes.ts";
import { historyRows, replayHistory } from "../support/told-history.ts";

const CONTEXT = { requestId: "req-test", userId: undefined, projectId: undefined };
const DAY_MS = 24 * 3600 * 1000;
const HOSTS = [1, 2, 3].map(providerUuid);

function any<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** A claim, a move, a release, of any of some consumers. */
async function writeOnce(client: Client, consumer = Math.floor(Math.random() * 12)): Promise<void> {
  const path = `/allocations/${consumerUuid(consumer)}`;
  if (Math.random() < 0.25) {
    await client.send("DELETE", path);
    return;
  }
  const hosts = HOSTS.filter(() => Math.random() < 0.5);
  const allocations = hosts.map((uuid) => ({
    resource_provider: { uuid },
    resources: { VCPU: 1 + Math.floor(Math.random() * 4), DISK_GB: 1 },
  }));
  if (allocations.length === 0) return;
  const body = { allocations, project_id: any(["lab", "other"]), user_id: "ann" };
  await client.send("PUT", path, { version: "1.8", body });
}

describe.for([SQLITE, ...SERVER_ENGINES])("the history made from the feed on $name", (engine) => {
  let place: TestDatabase;
  let replicas: LocalStowage[];

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    replicas = [];
    // A file is one process' own.
    for (let number = 0; number < (engine === SQLITE ? 1 : 3); number += 1) {
      replicas.push(await startHere({ placementDatabase: { connection: place.connection } }));
    }
    for (const host of HOSTS) {
      await makeProvider(replicas[0]!.client, host, { VCPU: 1000, DISK_GB: 1000 });
    }
  });
  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await place.remove();
  });

  const here = () => replicas[0]!.service;

  async function expectIsWhole(): Promise<void> {
    const { database } = here();
    expect(replayHistory(await historyRows(database))).toEqual(await storedHoldings(database));
  }

  test("replayed from nothing is what consumers hold, each change once, whoever made it", async () => {
    const writing = Promise.all(
      Array.from({ length: 12 }, async (_, consumer) => {
        for (let count = 0; count < 15; count += 1) await writeOnce(any(replicas).client, consumer);
      }),
    );
    const over = new AbortController();
    const making = replicas.map(async ({ service }) => {
      while (!over.signal.aborted) {
        await service.history.catchUp();
        await sleep(Math.random() * 20);
      }
    });
    await writing;
    over.abort();
    await Promise.all(making);
    await any(replicas).service.history.catchUp();
    await expectIsWhole();
    // There is nothing left to be made of it, and no step back.
    const before = await historyRows(here().database);
    expect(await any(replicas).service.history.catchUp()).toBe(0);
    expect(await historyRows(here().database)).toEqual(before);
    expect(before.length).toBeGreaterThan(100);
  });

  test.runIf(engine !== SQLITE)(
    "has what a transaction tells that was open while later ones were committed",
    async () => {
      const other = await openOtherProgram(place.connection);
      try {
        await other.run("BEGIN");
        await other.run(
          "INSERT INTO stowage_changes (created_at, kind, subject, request_id) " +
            `VALUES ('2026-01-01 00:00:00', 'consumer', '${consumerUuid(77)}', 'req-late')`,
        );
        for (let count = 0; count < 5; count += 1) await writeOnce(replicas[1]!.client, count);
        await here().history.catchUp();
        await other.run("COMMIT");
        await replicas[2]!.service.history.catchUp();
        const late = (await historyRows(here().database)).filter(
          ({ consumer_uuid: uuid }) => uuid === consumerUuid(77),
        );
        expect(late).toHaveLength(1);
        await expectIsWhole();
      } finally {
        await other.close();
      }
    },
  );

  test("is made before the feed is cut, and where it cannot be, the feed is kept twice as long", async () => {
    const { service } = replicas[0]!;
    for (let count = 0; count < 4; count += 1) await writeOnce(replicas[0]!.client, count);
    const day = (number: number) => new Date(Date.now() + number * DAY_MS);
    await deleteOldChanges(service, day(8));
    expect(await countChanges()).toBe(1);
    await expectIsWhole();

    // Something keeps the history from being made.
    service.history.catchUp = () => Promise.reject(new Error("on purpose"));
    for (let count = 0; count < 4; count += 1) await writeOnce(replicas[0]!.client, count);
    await service.freshIndex(CONTEXT);
    const kept = await countChanges();
    await deleteOldChanges(service, day(8));
    expect(await countChanges()).toBeGreaterThan(kept - 2);
    await deleteOldChanges(service, day(15));
    expect(await countChanges()).toBe(1);
  });

  const countChanges = async () => {
    const rows = await here().database.reader(CONTEXT, (tx) =>
      tx.query.selectFrom("stowage_changes").select("id").execute(),
    );
    return rows.length;
  };

  test("tells since when it is whole after changes were lost, and after its own retention", async () => {
    const [{ service, client }] = replicas as [LocalStowage];
    const path = `/stowage/v1/consumers/${consumerUuid(1)}/history`;
    const keptSince = async () =>
      new Date((await client.expectSuccess("GET", path)).json<{ kept_since: string }>().kept_since);
    const claim = (cpus: number) =>
      client.expectSuccess("PUT", `/allocations/${consumerUuid(1)}`, {
        version: "1.8",
        body: {
          allocations: [{ resource_provider: { uuid: HOSTS[0] }, resources: { VCPU: cpus } }],
          project_id: "lab",
          user_id: "ann",
        },
      });
    await claim(1);
    await service.history.catchUp();
    const first = await keptSince();
    expect(first.getTime()).toBeLessThan(Date.now());
    const make = service.history.catchUp.bind(service.history);
    service.history.catchUp = () => Promise.reject(new Error("on purpose"));
    await claim(2);
    await claim(3);
    await deleteOldChanges(service, new Date(Date.now() + 15 * DAY_MS));
    service.history.catchUp = make;
    await make();
    const second = await keptSince();
    expect(second.getTime()).toBeGreaterThan(first.getTime());

    await claim(4);
    await make(undefined, { isAll: true });
    expect(await deleteOlderHistory(service, new Date(Date.now() + 89 * DAY_MS))).toBe(0);
    const count = (await historyRows(service.database)).length;
    const later = new Date(Date.now() + 91 * DAY_MS);
    expect(await deleteOlderHistory(service, later)).toBe(count);
    expect((await keptSince()).getTime()).toBe(later.getTime() - 90 * DAY_MS);
    await claim(5);
    await make();
    expect(await historyRows(service.database)).toHaveLength(1);
  });

  test("begins anew with another feed, and keeps what was told of the one before", async () => {
    const { service, client } = replicas[0]!;
    await writeOnce(client, 1);
    await service.history.catchUp();
    const before = await historyRows(service.database);
    // As one that is made anew: other changes have the same ids.
    await service.database.writer(CONTEXT, async (tx) => {
      await tx.query.deleteFrom("stowage_changes").execute();
      await tx.query
        .updateTable("stowage_state")
        .set({ value: "abcdef" })
        .where("name", "=", "feed_epoch")
        .execute();
      await tx.query
        .insertInto("stowage_changes")
        .values({
          id: before[0]!.change_id,
          created_at: tx.adapter.encodePreciseDate(new Date()),
          kind: "consumer",
          subject: consumerUuid(5),
          request_id: "req-anew",
        })
        .execute();
    });
    await service.history.catchUp();
    const rows = await historyRows(service.database);
    expect(rows.slice(0, before.length)).toEqual(before);
    expect(rows.slice(before.length)).toMatchObject([{ consumer_uuid: consumerUuid(5) }]);
  });
});

describe.for([SQLITE, ...SERVER_ENGINES])(
  "the process that makes the history on $name",
  (engine) => {
    test("may be killed at any time: another goes on, and nothing is lost or twice", async () => {
      const place = await engine.createDatabase();
      const folder = await makeFolder();
      await writeConfig(folder.path, {
        api: { auth_strategy: "noauth2" },
        placement_database: { connection: place.connection, sync_on_startup: true },
      });
      const processes: StowageProcess[] = [];
      const clients: Client[] = [];
      const start = async () => {
        const started = await startProcess(folder.path);
        processes.push(started);
        const client = new Client(started.url);
        clients.push(client);
        return client;
      };
      let database: Database | undefined;
      try {
        let client = await start();
        database = await Database.open(parseConnectionUrl(place.connection));
        for (const host of HOSTS) await makeProvider(client, host, { VCPU: 1000, DISK_GB: 1000 });
        for (let round = 0; round < 3; round += 1) {
          // The one that has begun makes it by now, and the next only looks on.
          const count = (await historyRows(database)).length;
          await until(async () => {
            await writeOnce(client);
            return (await historyRows(database!)).length > count;
          });
          const next = engine === SQLITE ? undefined : await start();
          const target = next ?? client;
          const over = new AbortController();
          const writing = Array.from({ length: 6 }, async () => {
            while (!over.signal.aborted) await writeOnce(target).catch(() => {});
          });
          await sleep(300 + Math.random() * 900);
          await processes[round]!.kill();
          await sleep(200);
          over.abort();
          await Promise.all(writing);
          client = next ?? (await start());
        }
        const read = database;
        await until(async () => {
          const held = replayHistory(await historyRows(read));
          const stored = await storedHoldings(read);
          return held.size > 0 && isEqual(held, stored);
        });
        expect(replayHistory(await historyRows(read))).toEqual(await storedHoldings(read));
      } finally {
        for (const client of clients) client.close();
        await database?.close();
        await Promise.all(processes.map((each) => each.kill()));
        await folder.remove();
        await place.remove();
      }
    });
  },
);

function isEqual(left: unknown, right: unknown): boolean {
  try {
    expect(left).toEqual(right);
    return true;
  } catch {
    return false;
  }
}

/** Waits as long as it takes: a test that hangs says so by its time limit. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(50);
}
