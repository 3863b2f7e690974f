import { connect } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { deleteOldChanges } from "../../src/operations/housekeeping.ts";
import { EventReader } from "../../src/operations/events.ts";
import { PositionGone } from "../../src/domain/errors.ts";
import { ActingKeystone } from "../keystone/acting-keystone.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { recordManyChanges } from "../support/change-feed.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { EventStream } from "../support/event-stream.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };
const NEVER = new AbortController().signal;
const AT_ONCE = { limit: 100, signal: NEVER, waitMs: 0 };
const PATIENT = { limit: 100, signal: NEVER, waitMs: 60_000 };
const DAY_MS = 86_400_000;

describe.for([SQLITE, ...SERVER_ENGINES])("streams of events on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    place = await engine.createDatabase();
    stowage = await startHere({
      placementDatabase: { connection: place.connection },
      // One that is waited for fails the test.
      stowage: { shutdownTimeout: 600 },
    });
  });

  afterEach(async () => {
    await stowage.stop();
    await place.remove();
  });

  async function read(filter = {}): Promise<EventReader> {
    const after = await stowage.service.position(CONTEXT);
    const reader = await EventReader.open(stowage.service, CONTEXT, after, filter);
    // Listens from here on.
    while ((await reader.next(CONTEXT, AT_ONCE)).isMore);
    return reader;
  }

  /** Of some 60 KB each. */
  async function recordLongChanges(count: number): Promise<void> {
    const now: Record<string, Record<string, number>> = {};
    for (let number = 0; number < 1200; number += 1) now[providerUuid(number)] = { A: 1 };
    const details = {
      of: "consumer",
      generation: 1,
      projectId: "lab",
      userId: "ann",
      consumerType: undefined,
      was: {},
      now,
    } as const;
    await stowage.service.write(CONTEXT, async (tx) => {
      for (let number = 0; number < count; number += 1) {
        tx.recordChange({ kind: "consumer", subject: consumerUuid(number), details });
      }
    });
  }

  const dropped = async () =>
    /stowage_event_streams_dropped_total (\d+)/.exec(await stowage.metrics.text())?.[1];

  test("are given up when more waits than is kept, and only those", async () => {
    const slow = await read();
    const choosy = await read({ kinds: new Set(["trait"]) });
    const quick = await read();
    const taken = async (count: number) => {
      for (let total = 0; total < count;) {
        total += (await quick.next(CONTEXT, PATIENT)).events.length;
      }
    };
    for (let round = 0; round < 3; round += 1) {
      const done = taken(500);
      await recordManyChanges(stowage.service);
      await done;
    }
    await expect(slow.next(CONTEXT, AT_ONCE)).rejects.toThrow(PositionGone);
    expect(await dropped()).toBe("1");
    await stowage.client.expectSuccess("PUT", "/traits/CUSTOM_A");
    for (const reader of [choosy, quick]) {
      const { events } = await reader.next(CONTEXT, PATIENT);
      expect(events.map(({ row }) => row.subject)).toEqual(["CUSTOM_A"]);
      reader.close();
    }
  });

  test("end at once when the service stops, also those that nobody reads", async () => {
    const { url } = stowage.client;
    const open = () => EventStream.open(url, "kind=trait");
    const streams = await Promise.all(Array.from({ length: 100 }, open));
    const after = streams[0]!.position!;
    // More than the system keeps for a connection: the rest waits for room.
    await recordLongChanges(500);
    const { port } = new URL(url);
    const stuck = connect({ port: Number(port), host: "127.0.0.1" });
    stuck.pause();
    stuck.on("error", () => {});
    await once(stuck, "connect");
    stuck.write(
      `GET /stowage/v1/events?after=${after} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nx-auth-token: admin\r\n` +
        "x-roles: admin\r\naccept: text/event-stream\r\n\r\n",
    );
    const opened = () => stowage.metrics.text();
    await expect.poll(opened, { timeout: 60_000 }).toContain("stowage_http_streams 101");
    const all = streams.map(async (stream) => {
      while (await stream.next());
    });
    await stowage.stop();
    await Promise.all(all);
    stuck.destroy();
    expect(stowage.log.join("\n")).not.toContain("cut off");
  });

  test("say that they are gone when what comes next is not kept, and the snapshot helps", async () => {
    const { client, service } = stowage;
    const old = await service.position(CONTEXT);
    await makeProvider(client, providerUuid(1), { VCPU: 8 });
    const reader = await EventReader.open(service, CONTEXT, old, {});
    await recordManyChanges(service);
    await recordManyChanges(service);
    await deleteOldChanges(service, new Date(Date.now() + 30 * DAY_MS));
    expect((await client.get(`/stowage/v1/events?after=${old}`)).status).toBe(410);
    // The one that was under way: the tables are read in pages, and the next one is not there.
    await expect(
      (async () => {
        while ((await reader.next(CONTEXT, AT_ONCE)).isMore);
      })(),
    ).rejects.toThrow(PositionGone);
    const snapshot = await client.expectSuccess("GET", "/stowage/v1/providers");
    const { position } = snapshot.json<{ position: string }>();
    const stream = await EventStream.open(client.url, `after=${position}`);
    await client.expectSuccess("PUT", "/traits/CUSTOM_A");
    expect((await stream.take(1))[0]?.data.subject).toBe("CUSTOM_A");
    stream.close();
  });
});

test("a stream of events ends with the token of whoever reads it", async () => {
  const keystone = await ActingKeystone.start();
  keystone.tokens.set("short", { roles: ["admin"], expiresAtMs: Date.now() + 3000 });
  keystone.tokens.set("long", { roles: ["admin"], expiresAtMs: Date.now() + 3_600_000 });
  const stowage = await startHere({
    api: { authStrategy: "keystone" },
    keystoneAuthtoken: {
      authUrl: keystone.url,
      authType: "password",
      userId: "placement",
      password: "the-password",
      serviceType: "placement",
    },
  });
  try {
    const { url } = stowage.client;
    const short = await EventStream.open(url, "", { "x-auth-token": "short" });
    const long = await EventStream.open(url, "", { "x-auth-token": "long" });
    expect(await short.next()).toBeUndefined();
    await recordManyChanges(stowage.service);
    expect(await long.take(500)).toHaveLength(500);
    long.close();
  } finally {
    await stowage.stop();
    await keystone.stop();
  }
});
