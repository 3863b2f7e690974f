import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { claimBody, consumerUuid, providerUuid } from "../support/fleet.ts";
import { startHere, type LocalStowage } from "../support/stowage.ts";

const PATH = "/stowage/v1/fit";
const [ONE, TWO] = ["91", "92"].map((end) => `00000000-0000-4000-8000-0000000000${end}`) as [
  string,
  string,
];

let stowage: LocalStowage;
beforeAll(async () => {
  stowage = await startHere();
  const { client } = stowage;
  await client.put("/traits/CUSTOM_GOLD", undefined);
  for (const [number, vcpus] of [8, 16, 4].entries()) {
    const uuid = providerUuid(number + 1);
    await client.post("/resource_providers", { name: `host-${number + 1}`, uuid });
    await client.put(`/resource_providers/${uuid}/inventories`, {
      resource_provider_generation: 0,
      inventories: {
        VCPU: { total: vcpus, allocation_ratio: 2, reserved: 2 },
        DISK_GB: { total: 100, reserved: 10 },
      },
    });
    await client.put(`/resource_providers/${uuid}/aggregates`, {
      resource_provider_generation: 1,
      aggregates: number === 0 ? [ONE] : [ONE, TWO],
    });
  }
  await client.put(`/resource_providers/${providerUuid(3)}/traits`, {
    resource_provider_generation: 2,
    traits: ["CUSTOM_GOLD"],
  });
  // Of host-1 (12 VCPU, 90 DISK_GB), host-2 (28 and 90), host-3 (4 and 90).
  await claim(1, { [providerUuid(2)]: { VCPU: 10, DISK_GB: 20 } });
  await claim(2, { [providerUuid(2)]: { VCPU: 2 } });
});
afterAll(() => stowage.stop());

function claim(
  number: number,
  allocations: Parameters<typeof claimBody>[0],
  generation: number | null = null,
) {
  return stowage.client.put(
    `/allocations/${consumerUuid(number)}`,
    claimBody(allocations, { generation }),
  );
}

describe("what fits", () => {
  test("is told of one query, host by host", async () => {
    const reply = await stowage.client.get(`${PATH}?resources=VCPU:4,DISK_GB:25&limit=1`);
    expect([reply.status, reply.json()]).toEqual([
      200,
      {
        flavors: {
          request: {
            total: 6,
            at_most: 6,
            hosts_with_room: 3,
            of_hosts: 3,
            if_empty: { total: 7, hosts_with_room: 3 },
            bounded_by: { VCPU: 2, DISK_GB: 1 },
            per_host: { "0": 0, "1-4": 3, "5-16": 0, "17-": 0 },
            hosts: [
              { root: { uuid: providerUuid(1), name: "host-1" }, count: 3, bounded_by: "VCPU" },
              { root: { uuid: providerUuid(2), name: "host-2" }, count: 2, bounded_by: "DISK_GB" },
              { root: { uuid: providerUuid(3), name: "host-3" }, count: 1, bounded_by: "VCPU" },
            ],
          },
        },
        position: reply.headers["stowage-position"],
      },
    ]);
  });

  test("is what can be claimed until nothing is found", async () => {
    const query = "resources=VCPU:3,DISK_GB:20";
    const { total } = (await fit({ flavors: { it: query } })).flavors["it"]!;
    let claims = 0;
    for (;;) {
      const reply = await stowage.client.get(`/allocation_candidates?${query}&limit=1`);
      const [request] = reply.json<{ allocation_requests: object[] }>().allocation_requests;
      if (request === undefined) break;
      const body = { ...claimBody({}), ...request, mappings: undefined };
      const put = await stowage.client.put(`/allocations/${consumerUuid(100 + claims)}`, body);
      expect(put.status, put.text).toBe(204);
      claims += 1;
    }
    for (let number = 0; number < claims; number++) {
      await stowage.client.delete(`/allocations/${consumerUuid(100 + number)}`);
    }
    expect(claims).toBe(total);
  });

  test("is told of several queries, within limits, and for aggregates", async () => {
    const { flavors } = await fit({
      flavors: { small: "resources=VCPU:1", gold: "resources=VCPU:1&required=CUSTOM_GOLD" },
      spread: { max_per_host: 5, max_per_aggregate: { aggregates: [TWO], max: 6 } },
      by_aggregate: [ONE, TWO.toUpperCase()],
      hosts: 1,
    });
    expect(flavors).toMatchObject({
      small: {
        total: 11,
        at_most: 11,
        bounded_by: { max_per_host: 2, VCPU: 1 },
        hosts: [{ root: { name: "host-1" }, count: 5, bounded_by: "max_per_host" }],
        by_aggregate: { [ONE]: 11, [TWO]: 6 },
      },
      gold: { total: 4, at_most: 4, hosts_with_room: 1, hosts: [{ count: 4 }] },
    });
  });

  test.each([
    ["a host is not there", [{ without: "host-1" }], { total: 20, of_hosts: 2 }],
    ["nothing is claimed from a host", [{ empty: providerUuid(2) }], { total: 44 }],
    [
      "there are more such hosts",
      [{ add: { like: "host-2", count: 3 } }],
      { total: 32 + 3 * 28, of_hosts: 6 },
    ],
    [
      "an inventory is another one",
      [{ set: { provider: "host-1", resource_class: "VCPU", total: 10, reserved: 0 } }],
      { total: 20 + 20 },
    ],
    [
      "all inventories of a class have another ratio",
      [{ set: { provider: "*", resource_class: "VCPU", allocation_ratio: 1 } }],
      { total: 6 + 2 + 2 },
    ],
    [
      "one thing comes after the other",
      [
        { set: { provider: "host-3", resource_class: "VCPU", reserved: 0 } },
        { add: { like: "host-3", count: 1 } },
        { without: "host-3" },
      ],
      { total: 28 + 8, of_hosts: 3 },
    ],
  ])("is told as if %s", async (_what, suppose, expected) => {
    const { flavors } = await fit({ flavors: { it: "resources=VCPU:1" }, suppose });
    expect(flavors["it"]).toMatchObject(expected);
    const { flavors: unchanged } = await fit({ flavors: { it: "resources=VCPU:1" } });
    expect(unchanged["it"]!.total).toBe(32);
  });
});

describe("a host that is to be drained", () => {
  test("has its consumers moved to where they can be claimed, the largest first", async () => {
    const { drained, flavors } = await fit({
      flavors: { it: "resources=VCPU:1" },
      suppose: [{ drain: "host-2" }],
    });
    const { moves, ...told } = drained["host-2"]!;
    expect(told).toEqual({ consumers: 2, placed: 2, not_placed: [], is_exact: false });
    expect(moves.map(({ consumer_uuid: uuid, to }) => [uuid, to.name])).toEqual([
      [consumerUuid(1), "host-1"],
      [consumerUuid(2), "host-1"],
    ]);
    expect(flavors["it"]).toMatchObject({ total: 4, of_hosts: 2 });
    for (const [number, { allocations }] of moves.entries()) {
      const amounts = Object.entries(allocations).map(([uuid, { resources }]) => [uuid, resources]);
      const reply = await claim(number + 1, Object.fromEntries(amounts), 1);
      expect(reply.status, reply.text).toBe(204);
    }
    await claim(1, { [providerUuid(2)]: { VCPU: 10, DISK_GB: 20 } }, 2);
    await claim(2, { [providerUuid(2)]: { VCPU: 2 } }, 2);
  });

  test("keeps those that fit nowhere, and needs no query", async () => {
    const { drained, flavors } = await fit({
      suppose: [{ drain: "host-2", required: "CUSTOM_GOLD" }],
    });
    expect(flavors).toEqual({});
    expect(drained["host-2"]).toMatchObject({
      consumers: 2,
      placed: 1,
      not_placed: [{ consumer_uuid: consumerUuid(1), resources: { VCPU: 10, DISK_GB: 20 } }],
      moves: [{ consumer_uuid: consumerUuid(2), to: { name: "host-3" } }],
    });
  });
});

describe("what cannot be counted is refused with the place that is wrong", () => {
  const it = { flavors: { "m1.large": "resources=VCPU:1" } };
  test.each([
    ["no question", {}, "'flavors'"],
    ["a query that Placement refuses", { flavors: { a: "resources=VCPU" } }, "flavors.a: "],
    [
      "an unknown class",
      { flavors: { a: "resources=VCPUS:1" } },
      "flavors.a: There is no resource class VCPUS. Did you mean",
    ],
    ["an unknown member", { ...it, spraed: {} }, "spraed"],
    ["a member of a later version", { ...it, microversion: "1.99" }, "1.99"],
    [
      "an unknown aggregate to tell of",
      { ...it, by_aggregate: [consumerUuid(1)] },
      "by_aggregate: ",
    ],
    [
      "an unknown aggregate with a limit",
      { ...it, spread: { max_per_aggregate: { aggregates: [consumerUuid(1)], max: 1 } } },
      "spread.max_per_aggregate: ",
    ],
    ["an unknown host", { ...it, suppose: [{ without: "nowhere" }] }, "suppose[0]: "],
    ["two things in one", { ...it, suppose: [{ without: "host-1", empty: "host-2" }] }, "One of"],
    [
      "an unknown class of an inventory",
      {
        ...it,
        suppose: [{ empty: "host-1" }, { set: { provider: "*", resource_class: "X", total: 1 } }],
      },
      "suppose[1]: ",
    ],
    [
      "an inventory that is not there",
      { ...it, suppose: [{ set: { provider: "host-1", resource_class: "PGPU", reserved: 1 } }] },
      "suppose[0]: The provider",
    ],
    [
      "more reserved than there is",
      { ...it, suppose: [{ set: { provider: "*", resource_class: "VCPU", reserved: 5 } }] },
      "would be reserved",
    ],
    [
      "a host that is taken out before",
      { ...it, suppose: [{ without: "host-1" }, { empty: "host-1" }] },
      "suppose[1]: ",
    ],
    ["traits without a drain", { ...it, suppose: [{ empty: "host-1", required: "X" }] }, "'drain'"],
    [
      "an unknown trait to drain to",
      { ...it, suppose: [{ drain: "host-1", required: "CUSTOM_NONE" }] },
      "suppose[0]: No such trait(s): CUSTOM_NONE.",
    ],
    [
      "more hosts than can be added",
      {
        ...it,
        suppose: [
          { add: { like: "host-1", count: 100_000 } },
          { add: { like: "host-1", count: 1 } },
        ],
      },
      "suppose[1]: At most 100000 providers",
    ],
  ])("%s", async (_what, body, detail) => {
    const reply = await stowage.client.post(PATH, body);
    expect([reply.status, reply.text]).toEqual([400, expect.stringContaining(detail)]);
  });

  test("more queries than one call may have", async () => {
    const names = Array.from({ length: 501 }, (_, number) => [`f${number}`, "resources=VCPU:1"]);
    const reply = await stowage.client.post(PATH, { flavors: Object.fromEntries(names) });
    expect([reply.status, reply.text]).toEqual([
      400,
      expect.stringContaining("at most 500 flavors. Got: 501"),
    ]);
  });
});

interface Answer {
  readonly flavors: Readonly<Record<string, { readonly total: number }>>;
  readonly drained: Readonly<
    Record<
      string,
      {
        readonly moves: readonly {
          readonly consumer_uuid: string;
          readonly to: { readonly name: string };
          readonly allocations: Readonly<
            Record<string, { readonly resources: Readonly<Record<string, number>> }>
          >;
        }[];
      }
    >
  >;
}

async function fit(body: object): Promise<Answer> {
  const reply = await stowage.client.post(PATH, body);
  expect(reply.status, reply.text).toBe(200);
  return reply.json<Answer>();
}
