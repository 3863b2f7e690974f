import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";

import { listChangesAfter } from "../../src/db/change-feed.ts";
import { isToldOutside } from "../../src/db/change-rows.ts";
import { EventStream, type Message } from "./event-stream.ts";
import { consumerUuid, makeProvider, providerUuid } from "./fleet.ts";
import type { LocalStowage } from "./stowage.ts";

const CONTEXT = { requestId: "req-test", userId: undefined, projectId: undefined };
const END = "CUSTOM_END";
export const HOSTS = Array.from({ length: 6 }, (_, number) => providerUuid(number));
const WRITERS = 20;
const CLAIMS_EACH = 12;

export const isEnd = ({ data }: Message) => data.subject === END;

export async function makeHosts({ client }: LocalStowage): Promise<void> {
  for (const host of HOSTS) await makeProvider(client, host, { VCPU: 1000 });
}

export function any<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** The last thing that happens. */
export async function end({ client }: LocalStowage): Promise<void> {
  await client.expectSuccess("PUT", `/traits/${END}`);
}

export async function positionNow({ client }: LocalStowage): Promise<string> {
  const stream = await EventStream.open(client.url);
  stream.close();
  return stream.position!;
}

/** Claims of some consumers, each at any replica, and now and then a transaction that is rolled back. */
export async function writeToAll(replicas: readonly LocalStowage[]): Promise<void> {
  await Promise.all(
    Array.from({ length: WRITERS }, (_, consumer) => writeClaims(replicas, consumer)),
  );
}

async function writeClaims(replicas: readonly LocalStowage[], consumer: number): Promise<void> {
  for (let count = 0; count < CLAIMS_EACH; count += 1) {
    const isLeaving = Math.random() < 0.2;
    const path = `/allocations/${consumerUuid(consumer)}`;
    const allocations = [
      { resource_provider: { uuid: any(HOSTS) }, resources: { VCPU: 1 + (count % 5) } },
    ];
    const body = { allocations, project_id: "lab", user_id: "ann" };
    await any(replicas).client.send(isLeaving ? "DELETE" : "PUT", path, { version: "1.8", body });
    if (Math.random() < 0.2) await rollBack(any(replicas));
  }
}

/** Takes an id of the feed, holds it for a moment, and gives it up. */
async function rollBack({ service }: LocalStowage): Promise<void> {
  const write = service.database.writer(CONTEXT, async (tx) => {
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
async function readAnywhere(replicas: readonly LocalStowage[], after: string): Promise<Message[]> {
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

/** Lets clients write through all replicas, and others watch, each now at one and now at another of them. */
export async function expectAllTold(replicas: readonly LocalStowage[]): Promise<void> {
  const [first] = replicas as readonly [LocalStowage];
  const after = await positionNow(first);
  const readers = [1, 2, 3].map(() => readAnywhere(replicas, after));
  await writeToAll(replicas);
  await end(first);
  const entries = await first.service.database.reader(CONTEXT, (tx) => listChangesAfter(tx, 0));
  const claims = entries.filter((entry) => isToldOutside(entry));
  for (const read of await Promise.all(readers)) {
    const ids = read.map(({ data }) => Number(data.id));
    const start = Math.min(...ids);
    expect(ids.toSorted((left, right) => left - right)).toEqual(
      claims.map(({ id }) => id).filter((id) => id >= start),
    );
    expectChains(read);
  }
  expect(claims.filter(({ kind }) => kind.startsWith("consumer")).length).toBeGreaterThan(100);
}

/** Of each consumer, each begins where the one before ended. */
function expectChains(messages: readonly Message[]): void {
  const held = new Map<string, unknown>();
  for (const { event, data } of messages) {
    if (!event.startsWith("consumer") || event === "consumer_type") continue;
    expect(data.data.was).toEqual(held.get(data.subject!) ?? {});
    held.set(data.subject!, data.data.now);
  }
}
