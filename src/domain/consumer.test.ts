import { beforeEach, expect, test } from "vitest";

import { Consumer } from "./consumer.ts";

const LAB = { id: 1, externalId: "lab" };
const SHOP = { id: 2, externalId: "shop" };
const ANN = { id: 3, externalId: "ann" };
const BOB = { id: 4, externalId: "bob" };

let consumer: Consumer;

beforeEach(() => {
  consumer = new Consumer(7, "c0000000-0000-4000-8000-000000000001", 5, {
    project: LAB,
    user: ANN,
    consumerTypeId: null,
  });
});

test("A consumer that was loaded has no changes", () => {
  expect(consumer.changedFields).toEqual(new Set());
});

test("A consumer knows which of its fields were changed", () => {
  consumer.change({ project: SHOP, consumerTypeId: 9 });

  expect(consumer.changedFields).toEqual(new Set(["project", "consumerTypeId"]));
  expect(consumer).toMatchObject({ project: SHOP, user: ANN, consumerTypeId: 9 });
});

test("A field that is given the value that it has does not count as changed", () => {
  consumer.change({ project: { ...LAB }, user: { ...ANN }, consumerTypeId: null });

  expect(consumer.changedFields).toEqual(new Set());
});

test("The type of a consumer may be taken away", () => {
  consumer.change({ consumerTypeId: 9 });
  consumer.markSaved();
  consumer.change({ consumerTypeId: null });

  expect(consumer.changedFields).toEqual(new Set(["consumerTypeId"]));
  expect(consumer.consumerTypeId).toBeNull();
});

test("What was saved is no longer a change, and what follows is one again", () => {
  consumer.change({ user: BOB });
  consumer.markSaved();
  expect(consumer.changedFields).toEqual(new Set());

  consumer.change({ user: ANN });
  expect(consumer.changedFields).toEqual(new Set(["user"]));
});

test("The attributes that a consumer was made from are not changed with it", () => {
  const attributes = { project: LAB, user: ANN, consumerTypeId: null };
  new Consumer(7, "c0000000-0000-4000-8000-000000000001", 5, attributes).change({ project: SHOP });

  expect(attributes.project).toBe(LAB);
});
