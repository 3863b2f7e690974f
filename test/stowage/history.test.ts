import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { SQLITE, type TestDatabase } from "../support/engines.ts";
import { claimBody, consumerUuid, makeProvider, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const [HOST, OTHER] = [providerUuid(1), providerUuid(2)];
const CONSUMER = consumerUuid(1);
const GLOBAL_ID = "req-00000000-0000-4000-8000-000000000001";

interface Entry {
  readonly id: string;
  readonly at: string;
  readonly kind: string;
  readonly request_id: string;
  readonly was?: Record<string, unknown>;
  readonly now?: Record<string, unknown>;
  readonly used?: Record<string, number>;
}

interface Page {
  readonly history: readonly Entry[];
  readonly next: string | null;
  readonly kept_since: string;
}

type Held = Record<string, Record<string, number>>;

describe.for([SQLITE, ...SERVER_ENGINES])("history on $name", (engine) => {
  let place: TestDatabase;
  let stowage: LocalStowage;

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    stowage = await startHere({ placementDatabase: { connection: place.connection } });
    for (const host of [HOST, OTHER]) {
      await makeProvider(stowage.client, host, { VCPU: 64, MEMORY_MB: 1024 });
    }
  });
  afterEach(async () => {
    await stowage.stop();
    await place.remove();
  });

  const send = (method: string, path: string, body?: unknown) =>
    stowage.client.expectSuccess(method, path, { body });
  const claim = (held: Held, options: Parameters<typeof claimBody>[1] = {}, consumer = CONSUMER) =>
    send("PUT", `/allocations/${consumer}`, claimBody(held, options));
  const make = () => stowage.service.history.catchUp();

  async function read(what: "consumers" | "providers", uuid: string, query = ""): Promise<Page> {
    const reply = await send("GET", `/stowage/v1/${what}/${uuid}/history${query}`);
    return reply.json<Page>();
  }

  /** The same before and after it was made of the feed. */
  async function readTwice(what: "consumers" | "providers", uuid: string): Promise<Page> {
    const fresh = await read(what, uuid);
    await make();
    const made = await read(what, uuid);
    expect(made).toEqual(fresh);
    return made;
  }

  test("of a consumer tells who did what, when, from what to what, also of one that is gone", async () => {
    const before = Date.now();
    const requests: string[] = [];
    const note = ({ headers }: { readonly headers: NodeJS.Dict<string | string[]> }) =>
      requests.unshift(String(headers["x-openstack-request-id"]));
    note(
      await stowage.client.expectSuccess("PUT", `/allocations/${CONSUMER}`, {
        body: claimBody({ [HOST]: { VCPU: 2 } }),
        headers: { "x-openstack-request-id": GLOBAL_ID, "x-auth-token": "admin:service" },
      }),
    );
    note(
      await claim(
        { [HOST]: { VCPU: 1 }, [OTHER]: { VCPU: 1, MEMORY_MB: 8 } },
        { generation: 1, project: "other", user: "bob" },
      ),
    );
    note(await send("DELETE", `/allocations/${CONSUMER}`));
    const { history, next, kept_since: keptSince } = await readTwice("consumers", CONSUMER);
    const both = { [HOST]: { VCPU: 1 }, [OTHER]: { VCPU: 1, MEMORY_MB: 8 } };
    const bob = { project_id: "other", user_id: "bob", type: "INSTANCE" };
    const common = { at: expect.stringMatching(/Z$/), id: expect.stringMatching(/^\d+$/) };
    const admin = { user_id: "admin", project_id: "admin" };
    expect(history).toEqual([
      {
        ...common,
        ...bob,
        kind: "consumer_deleted",
        request_id: requests[0],
        by: admin,
        cause: "DELETE /allocations",
        generation: null,
        was: both,
        now: {},
      },
      {
        ...common,
        ...bob,
        kind: "consumer",
        request_id: requests[1],
        by: admin,
        cause: "PUT /allocations",
        generation: 2,
        formerly: { project_id: "lab", user_id: "ann" },
        was: { [HOST]: { VCPU: 2 } },
        now: both,
      },
      {
        ...common,
        kind: "consumer",
        request_id: requests[2],
        global_request_id: GLOBAL_ID,
        by: { user_id: "admin", project_id: "service" },
        cause: "PUT /allocations",
        project_id: "lab",
        user_id: "ann",
        type: "INSTANCE",
        generation: 1,
        was: {},
        now: { [HOST]: { VCPU: 2 } },
      },
    ]);
    expect(next).toBeNull();
    for (const { at } of history) expect(Date.parse(at)).toBeGreaterThanOrEqual(before - 1000);
    expect(Date.parse(keptSince)).toBeLessThanOrEqual(before);
  });

  test("of a provider tells all that became of it, and how much was in use, also when it is gone", async () => {
    const path = `/resource_providers/${HOST}`;
    await send("PUT", path, { name: "cmp-1", parent_provider_uuid: OTHER });
    await claim({ [HOST]: { VCPU: 2 }, [OTHER]: { VCPU: 1 } });
    await claim({ [HOST]: { VCPU: 5, MEMORY_MB: 8 } }, {}, consumerUuid(2));
    await send("PUT", `${path}/traits`, {
      resource_provider_generation: 3,
      traits: ["HW_CPU_X86_VMX"],
    });
    await send("PUT", `${path}/aggregates`, {
      resource_provider_generation: 4,
      aggregates: [providerUuid(90)],
    });
    await send("DELETE", `/allocations/${CONSUMER}`);
    await send("DELETE", `/allocations/${consumerUuid(2)}`);
    await send("DELETE", path);
    const { history } = await readTwice("providers", HOST);
    const told = history.map(({ kind, ...entry }) => {
      const { consumer, was, now, used, changed } = entry as Record<string, unknown>;
      return consumer === undefined ? [kind, changed] : [consumer, was, now, used];
    });
    const amounts = { total: 64, reserved: 0, min_unit: 1, step_size: 1, allocation_ratio: 1 };
    const [cpus, memory] = [amounts, { ...amounts, total: 1024 }].map((each) => ({
      ...each,
      max_unit: 2147483647,
    }));
    const vmx = ["HW_CPU_X86_VMX"];
    expect(told).toEqual([
      [
        "provider_deleted",
        {
          name: ["cmp-1", null],
          parent: [OTHER, null],
          root: [OTHER, null],
          inventories: { VCPU: [cpus, null], MEMORY_MB: [memory, null] },
          traits: { added: [], removed: vmx },
          aggregates: { added: [], removed: [providerUuid(90)] },
        },
      ],
      [consumerUuid(2), { VCPU: 5, MEMORY_MB: 8 }, {}, { VCPU: 0, MEMORY_MB: 0 }],
      [CONSUMER, { VCPU: 2 }, {}, { VCPU: 5 }],
      ["provider", { aggregates: { added: [providerUuid(90)], removed: [] } }],
      ["provider", { traits: { added: vmx, removed: [] } }],
      [consumerUuid(2), {}, { VCPU: 5, MEMORY_MB: 8 }, { VCPU: 7, MEMORY_MB: 8 }],
      [CONSUMER, {}, { VCPU: 2 }, { VCPU: 2 }],
      ["provider", { name: [HOST, "cmp-1"], parent: [null, OTHER], root: [HOST, OTHER] }],
      ["provider", { inventories: { VCPU: [null, cpus], MEMORY_MB: [null, memory] } }],
      ["provider", { name: [null, HOST], root: [null, HOST] }],
    ]);
    const ofMemory = await read("providers", HOST, "?resource_class=MEMORY_MB");
    expect(ofMemory.history.map(({ id }) => id)).toEqual([0, 1, 5, 8].map((at) => history[at]!.id));
  });

  test("comes page by page, each entry once, though it goes from the feed to the table meanwhile", async () => {
    for (let count = 0; count < 12; count += 1) {
      const held = { [HOST]: { VCPU: 1 + (count % 5) }, [OTHER]: { VCPU: 1 } };
      await claim(held, { generation: count === 0 ? null : count });
      if (count === 4) await make();
    }
    for (const [what, uuid] of [
      ["consumers", CONSUMER],
      ["providers", HOST],
      ["providers", OTHER],
    ] as const) {
      const whole = await read(what, uuid);
      expect(whole.history.length).toBeGreaterThan(2);
      const found: Entry[] = [];
      let next: string | null = "";
      for (let pages = 0; next !== null; pages += 1) {
        const after: string = next === "" ? "" : `&after=${next}`;
        const page: Page = await read(what, uuid, `?limit=3${after}`);
        expect(page.history.length).toBeLessThanOrEqual(3);
        found.push(...page.history);
        next = page.next;
        if (pages === 0) {
          await claim({ [OTHER]: { VCPU: 2 } }, {}, consumerUuid(50 + found.length));
          await make();
          await send("DELETE", `/allocations/${consumerUuid(50 + found.length)}`);
        }
      }
      expect(found).toEqual(whole.history);
    }
    const { history } = await read("consumers", CONSUMER);
    const [third, seventh] = [history[8]!, history[4]!];
    const between = await read("consumers", CONSUMER, `?since=${third.at}&until=${seventh.at}`);
    expect(between.history.map(({ id }) => id)).toContain(third.id);
    expect(between.history.map(({ id }) => id)).not.toContain(seventh.id);
  });

  test("tells what was held at a time, of a provider and by a consumer", async () => {
    const at: { readonly time: string; readonly ofHost: Held; readonly byConsumer: Held }[] = [];
    const held = new Map<string, Held>();
    const keep = async () => {
      // The next change is later.
      await new Promise((resolve) => setTimeout(resolve, 3));
      const time = new Date().toISOString();
      const ofHost: Held = {};
      for (const [consumer, holdings] of held)
        if (holdings[HOST]) ofHost[consumer] = holdings[HOST];
      at.push({ time, ofHost, byConsumer: held.get(CONSUMER) ?? {} });
      await new Promise((resolve) => setTimeout(resolve, 3));
    };
    await keep();
    const generations = new Map<string, number>();
    for (let step = 0; step < 12; step += 1) {
      const consumer = consumerUuid(1 + (step % 3));
      if (step % 5 === 4) {
        await send("DELETE", `/allocations/${consumer}`);
        generations.delete(consumer);
        held.delete(consumer);
      } else {
        const holdings = {
          ...(step % 4 !== 3 && { [HOST]: { VCPU: 1 + step } }),
          [OTHER]: { MEMORY_MB: 1 + step },
        };
        const generation = generations.get(consumer) ?? null;
        await claim(holdings, { generation }, consumer);
        generations.set(consumer, (generation ?? 0) + 1);
        held.set(consumer, holdings);
      }
      await keep();
      if (step === 6) await make();
    }
    for (const { time, ofHost, byConsumer } of at) {
      expect(await read("providers", HOST, `?at=${time}`)).toMatchObject({
        held: ofHost,
        is_exact: true,
        next: null,
      });
      expect((await read("consumers", CONSUMER, `?at=${time}`)) as object).toMatchObject({
        held: byConsumer,
        is_exact: true,
      });
    }
    const ofTwo = at.find(({ ofHost }) => Object.keys(ofHost).length > 1)!;
    const first = await read("providers", HOST, `?at=${ofTwo.time}&limit=1`);
    const second = await read(
      "providers",
      HOST,
      `?at=${ofTwo.time}&limit=1000&after=${first.next}`,
    );
    const joined = [first, second].map((page) => (page as unknown as { held: Held }).held);
    expect(Object.assign({}, ...joined)).toEqual(ofTwo.ofHost);
    const early = await stowage.client.get(
      `/stowage/v1/providers/${HOST}/history?at=2020-01-01T00:00:00Z`,
    );
    expect([early.status, early.json<object>()]).toMatchObject([
      410,
      { errors: [{ code: "stowage.history_gone", data: { kept_since: expect.any(String) } }] },
    ]);
  });

  test("is told without what cannot be known, where another program has written", async () => {
    await claim({ [HOST]: { VCPU: 2 } });
    const { service } = stowage;
    const context = { requestId: "trigger", userId: undefined, projectId: undefined };
    await new Promise((resolve) => setTimeout(resolve, 3));
    const time = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 3));
    const { id } = (await service.freshIndex(context)).get(HOST)!;
    await service.write(context, (tx) => {
      tx.recordChange({ kind: "provider", providerId: id, subject: "" });
      return Promise.resolve();
    });
    await claim({ [HOST]: { VCPU: 3 } }, {}, consumerUuid(2));
    const { history } = await readTwice("providers", HOST);
    expect(history.slice(0, 3)).toMatchObject([
      { consumer: consumerUuid(2), used: { VCPU: 5 } },
      { kind: "provider", changed: null, request_id: "trigger" },
      { consumer: CONSUMER, now: { VCPU: 2 } },
    ]);
    expect(history[2]!.used).toBeUndefined();
    expect(await read("providers", HOST, `?at=${time}`)).toMatchObject({ is_exact: false });
  });
});
