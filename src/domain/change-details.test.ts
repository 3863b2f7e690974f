import { describe, expect, test } from "vitest";

import {
  compareInventories,
  MAX_DETAILS_LENGTH,
  readDetails,
  writeDetails,
  type ChangeDetails,
  type ConsumerDetails,
} from "./change-details.ts";

const UUID = "a0000000-0000-4000-8000-000000000001";
const INVENTORY = {
  total: 8,
  reserved: 1,
  minUnit: 1,
  maxUnit: 8,
  stepSize: 1,
  allocationRatio: 1.5,
};

const CONSUMER: ConsumerDetails = {
  of: "consumer",
  generation: 2,
  projectId: "lab",
  userId: "ann",
  consumerType: "INSTANCE",
  was: {},
  now: { [UUID]: { VCPU: 2, CUSTOM_GPU: 1 } },
};

describe("the details of a change", () => {
  test.for<readonly [string, ChangeDetails]>([
    ["consumer", CONSUMER],
    ["consumer", { ...CONSUMER, formerly: { projectId: "shop", consumerType: null } }],
    [
      "consumer_deleted",
      { ...CONSUMER, generation: undefined, consumerType: undefined, was: CONSUMER.now!, now: {} },
    ],
    [
      "provider",
      {
        of: "provider",
        generation: 4,
        name: ["a", "b"],
        parent: [UUID, null],
        root: [null, UUID],
        inventories: { VCPU: [null, INVENTORY], DISK_GB: [INVENTORY, null] },
        traits: { added: ["CUSTOM_A"], removed: [] },
        aggregates: { added: [], removed: [UUID] },
      },
    ],
    ["provider_deleted", { of: "provider", name: ["a", null] }],
    ["resource_class", { of: "name", name: ["CUSTOM_A", "CUSTOM_B"] }],
    ["consumer_type", { of: "name", name: [null, "INSTANCE"] }],
  ])("are read as they were written: %j", ([kind, details]) => {
    const origin = { globalRequestId: "req-1", cause: "PUT /allocations" };
    const told = readDetails(kind, writeDetails(details, origin));
    expect(told).toEqual({ details, ...origin });
  });

  test("are a text of ASCII, whatever the names are", () => {
    const details: ConsumerDetails = { ...CONSUMER, projectId: 'Straße "\u{1F600}" \u0000' };
    const text = writeDetails(details, {});
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    expect(readDetails("consumer", text)?.details).toEqual(details);
  });

  test("tell no amounts where those are too long, and say so", () => {
    const now = Object.fromEntries(
      Array.from({ length: 2000 }, (_, number) => [`${UUID}${number}`, { VCPU: 1 }]),
    );
    const text = writeDetails({ ...CONSUMER, now }, { globalRequestId: "req-1" });
    expect(text?.length).toBeLessThan(MAX_DETAILS_LENGTH);
    const { was: _was, now: _now, ...rest } = CONSUMER;
    expect(readDetails("consumer", text)).toEqual({
      details: { ...rest, isCut: true },
      globalRequestId: "req-1",
    });
    const traits = { added: Array.from({ length: 9000 }, (_, n) => `CUSTOM_${n}`), removed: [] };
    const provider = writeDetails({ of: "provider", generation: 1, traits }, {});
    expect(readDetails("provider", provider)?.details).toEqual({
      of: "provider",
      generation: 1,
      isCut: true,
    });
  });

  test("of a later form, of another program, or of nobody are none", () => {
    for (const text of [null, "", "{", "null", '"a"', '{"v":2,"g":1}', '{"inventories":{"A":1}}']) {
      expect(readDetails("provider", text)).toBeUndefined();
    }
    expect(writeDetails(undefined, { globalRequestId: "req-1" })).toBeNull();
  });

  test("may have members that a later release adds", () => {
    const text = JSON.stringify({ ...JSON.parse(writeDetails(CONSUMER, {})!), later: [1] });
    expect(readDetails("consumer", text)?.details).toEqual(CONSUMER);
  });
});

test("inventories of which no number has changed are not told", () => {
  const was = new Map([
    [0, INVENTORY],
    [1, INVENTORY],
    [2, INVENTORY],
  ]);
  const less = { ...INVENTORY, total: 4 };
  const now = new Map([
    [0, { ...INVENTORY }],
    [1, less],
    [3, INVENTORY],
  ]);
  expect(compareInventories(was, now, (id) => `CLASS_${id}`)).toEqual({
    CLASS_1: [INVENTORY, less],
    CLASS_2: [INVENTORY, null],
    CLASS_3: [null, INVENTORY],
  });
});
