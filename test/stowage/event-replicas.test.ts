import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { listChangesAfter } from "../../src/db/change-feed.ts";
import { isToldOutside } from "../../src/db/change-rows.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import type { TestDatabase } from "../support/engines.ts";
import { EventStream, type Message } from "../support/event-stream.ts";
import { consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { openOtherProgram } from "../support/other-program.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const CONTEXT = { requestId: "req-test", userId: undefined, projectId: undefined };
const END = "CUSTOM_END";
const HOSTS = Array.from({ length: 6 }, (_, number) => providerUuid(number));
const WRITERS = 20;
const CLAIMS_EACH = 12;

const isEnd = ({ data }: Message) => data.subject === END;

describe.for(SERVER_ENGINES)("events told by three replicas on $name", (engine) => {
  let place: TestDatabase;
  let replicas: LocalStowage[];

  beforeEach(async () => {
    place = await engine.createDatabase();
    replicas = [];
    for (let number = 0; number < 3; number += 1) {
      replicas.push(await startHere({ placementDatabase: { connection: place.connection } }));
    }
    for (const host of HOSTS) await makeProvider(replicas[0]!.client, host, { VCPU: 1000 });
  });

  afterEach(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await place.remove();
  });

  const any = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(Math.random() * items.length)]!;

  const end = () => replicas[0]!.client.expectSuccess("PUT", `/traits/${END}`);

  async function positionNow(): Promise<string> {
    const stream = await EventStream.open(replicas[0]!.client.url);
    stream.close();
    return stream.position!;
  }

  /** Claims for one consumer, one after the other, at any replica. */
  async function writeClaims(consumer: number): Promise<void> {
    for (let count = 0; count < CLAIMS_EACH; count += 1) {
      const isLeaving = Math.random() < 0.2;
      const path = `/allocations/${consumerUuid(consumer)}`;
      const allocations = [
        { resource_provider: { uuid: any(HOSTS) }, resources: { VCPU: 1 + (count % 5) } },
      ];
      const body = { allocations, project_id: "lab", user_id: "ann" };
      await any(replicas).client.send(isLeaving ? "DELETE" : "PUT", path, { version: "1.8", body });
      if (Math.random() < 0.2) await rollBack();
    }
  }

  /** Takes an id of the feed, holds it for a moment, and gives it up. */
  async function rollBack(): Promise<void> {
    const { database } = any(replicas).service;
    const write = database.writer(CONTEXT, async (tx) => {
      await tx.query
        .insertInto("stowage_changes")
        .values({
          created_at: tx.adapter.encodeDate(tx.now),
          kind: "consumer",
          subject: "never",
          request_id: "req-never",
        })
        .execute();
      await sleep(Math.random() * 10);
      throw new Error("on purpose");
    });
    await expect(write).rejects.toThrow("on purpose");
  }

  /** Reads some messages at a time, each time at another replica, after the last that it has. */
  async function readHere(after: string): Promise<Message[]> {
    const read: Message[] = [];
    for (let position = after; ;) {
      const query = `after=${encodeURIComponent(position)}`;
      const stream = await EventStream.open(any(replicas).client.url, query);
      const count = 1 + Math.floor(Math.random() * 40);
      for (let taken = 0; taken < count; taken += 1) {
        const [message] = await stream.take(1);
        read.push(message!);
        if (isEnd(message!)) {
          stream.close();
          return read;
        }
      }
      position = stream.position!;
      stream.close();
    }
  }

  test("are each told once to whoever goes on elsewhere, and add up for each consumer", async () => {
    const after = await positionNow();
    const readers = [readHere(after), readHere(after), readHere(after)];
    await Promise.all(Array.from({ length: WRITERS }, (_, consumer) => writeClaims(consumer)));
    await end();
    const entries = await replicas[0]!.service.database.reader(CONTEXT, (tx) =>
      listChangesAfter(tx, 0),
    );
    const claims = entries.filter((entry) => isToldOutside(entry));
    for (const read of await Promise.all(readers)) {
      const ids = read.map(({ data }) => Number(data.id));
      const first = Math.min(...ids);
      expect(ids.toSorted((left, right) => left - right)).toEqual(
        claims.map(({ id }) => id).filter((id) => id >= first),
      );
      expectChains(read);
    }
    expect(claims.filter(({ kind }) => kind.startsWith("consumer")).length).toBeGreaterThan(100);
  });

  test("come late from a transaction that was open for long, and are lost by nobody", async () => {
    const other = await openOtherProgram(place.connection);
    try {
      const after = await positionNow();
      const streams = await Promise.all(
        replicas.map(({ client }) => EventStream.open(client.url, `after=${after}`)),
      );
      await other.run("BEGIN");
      await other.run(
        "INSERT INTO stowage_changes (created_at, kind, subject, request_id) " +
          "VALUES ('2026-01-01 00:00:00', 'consumer', 'late', 'req-late')",
      );
      await makeProvider(replicas[0]!.client, providerUuid(50), { VCPU: 1 });
      const early = await Promise.all(streams.map((stream) => stream.take(2)));
      expect(early.flat().map(({ data }) => data.subject)).toEqual(
        Array.from({ length: 6 }, () => providerUuid(50)),
      );
      // Who goes on in between, at the next replica, has the same to wait for.
      for (const stream of streams) stream.close();
      const resumed = await Promise.all(
        early.map((messages, number) => {
          const { client } = replicas[(number + 1) % 3]!;
          return EventStream.open(client.url, "", { "last-event-id": messages.at(-1)!.id });
        }),
      );
      await other.run("COMMIT");
      await end();
      for (const stream of resumed) {
        const rest = await stream.takeUntil(isEnd);
        expect(rest).toHaveLength(2);
        expect(new Set(rest.map(({ data }) => data.subject))).toEqual(new Set(["late", END]));
        stream.close();
      }
    } finally {
      await other.close();
    }
  });
});

/** Of each consumer, each begins where the one before ended. */
function expectChains(messages: readonly Message[]): void {
  const held = new Map<string, unknown>();
  for (const { event, data } of messages) {
    if (!event.startsWith("consumer") || event === "consumer_type") continue;
    expect(data.data.was).toEqual(held.get(data.subject!) ?? {});
    held.set(data.subject!, data.data.now);
  }
}
