import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { MAX_EVENT_FILTERS } from "../../src/api/stream-limits.ts";
import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ADMIN } from "../http/support.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { EventStream, type Message, type ReceivedEvent } from "../support/event-stream.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";
import { DESCRIBED_METHODS, expectAsDescribed } from "./described.ts";

const METHOD = DESCRIBED_METHODS.find(({ label }) => label === "GET /stowage/v1/events")!;
const HOST = providerUuid(1);
const OTHER = providerUuid(2);
const CONSUMER = consumerUuid(1);

interface Polled {
  readonly events: readonly ReceivedEvent[];
  readonly position: string;
  readonly is_more: boolean;
}

const named = ({ event, data }: Message) => [event, data.subject];
const told = ({ type, subject }: ReceivedEvent) => [type, subject];

describe.for([SQLITE, ...SERVER_ENGINES])("GET /stowage/v1/events on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;
  const streams: EventStream[] = [];

  beforeEach(async () => {
    place = await engine.createDatabase();
    stowage = await startHere({ placementDatabase: { connection: place.connection } });
  });

  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    await stowage.stop();
    await place.remove();
  });

  async function open(query?: string, headers?: Record<string, string>): Promise<EventStream> {
    const stream = await EventStream.open(stowage.client.url, query, headers);
    streams.push(stream);
    return stream;
  }

  async function poll(query = ""): Promise<Polled> {
    const response = await fetch(`${stowage.client.url}/stowage/v1/events?${query}`, {
      headers: ADMIN,
    });
    const answer = (await response.json()) as Polled;
    expectAsDescribed(METHOD, response, answer);
    return answer;
  }

  const claim = (
    consumer: number,
    amounts: Record<string, Record<string, number>>,
    project = "lab",
  ) =>
    stowage.client.expectSuccess("PUT", `/allocations/${consumerUuid(consumer)}`, {
      body: claimBody(amounts, { project }),
    });

  test("tells what happens while it is read, and how it is then", async () => {
    const stream = await open();
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    const [made, filled] = await stream.take(2);
    expect(made).toMatchObject({
      event: "provider",
      data: {
        source: "/stowage",
        type: "provider",
        subject: HOST,
        cause: "POST /resource_providers",
        user_id: "admin",
        data: { name: HOST, root: HOST, parent: null, changed: { name: [null, HOST] } },
      },
    });
    expect(made?.data.id).toMatch(/^\d+$/);
    expect(filled?.data.data).toMatchObject({
      generation: 1,
      usages: { VCPU: { used: 0, capacity: 8 } },
      changed: { inventories: { VCPU: [null, { total: 8, allocation_ratio: 1 }] } },
    });
    await claim(1, { [HOST]: { VCPU: 3 } });
    const messages = await stream.take(3);
    expect(messages.map(named)).toEqual([
      ["provider", HOST],
      ["consumer", CONSUMER],
      ["consumer_type", "INSTANCE"],
    ]);
    const consumer = messages.find(({ event }) => event === "consumer")?.data.data;
    expect(consumer).toEqual({
      project_id: "lab",
      user_id: "ann",
      type: "INSTANCE",
      generation: 1,
      was: {},
      now: { [HOST]: { VCPU: 3 } },
    });
    const provider = messages.find(({ event }) => event === "provider")?.data.data;
    expect(provider.usages).toEqual({ VCPU: { used: 3, capacity: 8 } });
    expect(provider.changed).toBeUndefined();
    await stowage.client.expectSuccess("DELETE", `/allocations/${CONSUMER}`);
    const gone = await stream.takeUntil(({ event }) => event === "consumer_deleted");
    expect(gone.at(-1)?.data.data).toMatchObject({ generation: null, now: {} });
    await stowage.client.expectSuccess("DELETE", `/resource_providers/${HOST}`);
    const deleted = await stream.takeUntil(({ event }) => event === "provider_deleted");
    expect(deleted.at(-1)?.data.data.changed.inventories.VCPU[1]).toBeNull();
  });

  test("goes on after any event, with exactly those that come after it", async () => {
    const { position } = await poll();
    for (let number = 1; number <= 4; number += 1) {
      await makeProvider(stowage.client, providerUuid(number), { VCPU: 8 });
      await claim(number, { [providerUuid(number)]: { VCPU: 1 } });
    }
    const all = await (await open(`after=${position}`)).take(17);
    expect(new Set(all.map(({ data }) => data.id)).size).toBe(17);
    for (const [place_, { id }] of all.entries()) {
      const rest = all.slice(place_ + 1).map(({ data }) => data.id);
      const { events, is_more: isMore } = await poll(`after=${id}`);
      expect(events.map((event) => event.id)).toEqual(rest);
      expect(isMore).toBe(false);
    }
    const resumed = await open(`after=${position}`, { "last-event-id": all[14]!.id });
    expect((await resumed.take(2)).map(({ data }) => data.id)).toEqual(
      all.slice(15).map(({ data }) => data.id),
    );
  });

  test("answers whoever polls in parts, and waits for what is not there yet", async () => {
    const { position } = await poll();
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    const first = await poll(`after=${position}&limit=1`);
    expect(first).toMatchObject({ is_more: true, events: [{ subject: HOST }] });
    const second = await poll(`after=${first.position}&wait=60`);
    expect(second).toMatchObject({ is_more: false, events: [{ subject: HOST }] });
    const waiting = poll(`after=${second.position}&wait=60`);
    await makeProvider(stowage.client, OTHER, { VCPU: 8 });
    const { events } = await waiting;
    expect(events[0]).toMatchObject({ type: "provider", subject: OTHER });
    const none = await poll(`after=${(await poll()).position}&wait=1`);
    expect(none).toMatchObject({ events: [], is_more: false });
  });

  test("leaves out what is not asked for", async () => {
    const { position } = await poll();
    await makeProvider(stowage.client, HOST, { VCPU: 8 });
    await stowage.client.expectSuccess("POST", "/resource_providers", {
      body: { uuid: OTHER, name: "child", parent_provider_uuid: HOST },
    });
    await makeProvider(stowage.client, providerUuid(3), { VCPU: 8, DISK_GB: 8 });
    await claim(1, { [HOST]: { VCPU: 3 } });
    await claim(2, { [providerUuid(3)]: { DISK_GB: 3 } }, "shop");
    await stowage.client.expectSuccess("PUT", "/traits/CUSTOM_A");
    await stowage.client.expectSuccess("PUT", "/resource_classes/CUSTOM_B");
    const ask = async (query: string) =>
      (await poll(`after=${position}&${query}`)).events.map(told);
    const third = providerUuid(3);
    const ofThird = ["provider", third];
    const ofHost = ["provider", HOST];
    const consumers = [
      ["consumer", CONSUMER],
      ["consumer", consumerUuid(2)],
    ];
    expect(await ask("kind=consumer")).toEqual(consumers);
    expect(await ask("kind=trait&kind=resource_class")).toEqual([
      ["trait", "CUSTOM_A"],
      ["resource_class", "CUSTOM_B"],
    ]);
    expect(await ask(`consumer=${CONSUMER.toUpperCase()}`)).toEqual([consumers[0]]);
    expect(await ask(`provider=${third}&provider=${OTHER}`)).toEqual([
      ["provider", OTHER],
      ofThird,
      ofThird,
      ofThird,
      consumers[1],
    ]);
    expect(await ask(`tree=${OTHER}`)).toEqual([
      ofHost,
      ofHost,
      ["provider", OTHER],
      ofHost,
      consumers[0],
    ]);
    expect(await ask("project_id=shop")).toEqual([consumers[1]]);
    expect(await ask("resource_class=DISK_GB")).toEqual([ofThird, ofThird, consumers[1]]);
    expect(await ask("resource_class=CUSTOM_B")).toEqual([["resource_class", "CUSTOM_B"]]);
    expect(await ask(`kind=consumer&provider=${HOST}&project_id=shop`)).toEqual([]);
  });

  test("refuses what is no question", async () => {
    const ask = (query: string) => stowage.client.get(`/stowage/v1/events?${query}`);
    const many = Array.from(
      { length: MAX_EVENT_FILTERS + 1 },
      (_, number) => `consumer=${consumerUuid(number)}`,
    );
    for (const query of [
      "after=1",
      "after=",
      "kind=gap",
      "kind=gap&kind=trait",
      "provider=x",
      "provider=x&provider=" + HOST,
      "wait=61",
      "wait=-1",
      "limit=0",
      "limit=1001",
      "kinds=trait",
      many.join("&"),
    ]) {
      expect((await ask(query)).status, query).toBe(400);
    }
    const anonymous = await stowage.client.get("/stowage/v1/events", {
      headers: { "x-auth-token": "ann", "x-roles": "member" },
    });
    expect(anonymous.status).toBe(403);
  });

  test("says that a position is of another feed, or too old, and where to begin anew", async () => {
    const { position } = await poll();
    const [version, epoch, id, check] = /^(1\.\d+)\.([0-9a-f]+)\.(\d+)\.([0-9a-f]+)$/
      .exec(position)!
      .slice(1);
    for (const other of [
      `${version}.0123456789abcdef.${id}.${check}`,
      `1.${Number(id) + 5}.${epoch}`,
      `${version}.${epoch}.${id}.${check === "00000000" ? "00000001" : "00000000"}`,
    ]) {
      const reply = await stowage.client.get(`/stowage/v1/events?after=${other}`);
      expect(reply.status).toBe(410);
      const [error] = reply.json<{ errors: { code: string; data: Record<string, string> }[] }>()
        .errors;
      expect(error).toMatchObject({
        code: "stowage.position_gone",
        data: { snapshot: "/stowage/v1/providers" },
      });
      expect((await poll(`after=${error?.data["oldest"]}`)).events.length).toBeGreaterThan(0);
    }
  });
});
