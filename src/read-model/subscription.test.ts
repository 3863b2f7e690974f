import { getEventListeners } from "node:events";
import { beforeEach, expect, test } from "vitest";

import type { ChangeRow } from "../domain/change-row.ts";
import { FeedEvent } from "./feed-event.ts";
import { Subscription } from "./subscription.ts";

const LONG_MS = 600_000;
const ROW: ChangeRow = {
  id: 1,
  createdAt: null,
  kind: "trait",
  providerId: null,
  subject: "CUSTOM_GOLD",
  requestId: "req-1",
  userId: null,
  projectId: null,
  details: null,
};
const START = { epoch: "e", floor: 0, seen: new Set<number>(), newest: undefined };

let subscription: Subscription;
let controller: AbortController;

beforeEach(() => {
  subscription = new Subscription(START, { wants: () => true }, () => {});
  controller = new AbortController();
});

test.for([
  ["something comes", () => subscription.push(new FeedEvent(ROW))],
  ["nothing will ever come", () => subscription.lose()],
  ["nobody wants it any more", () => controller.abort()],
] as const)("who waits for news is woken when %s", async ([, happen]) => {
  const waiting = subscription.waitForNews(LONG_MS, controller.signal);
  happen();
  await waiting;
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
});

test("who has waited long enough may wait again, and leaves nothing behind", async () => {
  for (let time = 0; time < 3; time += 1) await subscription.waitForNews(1, controller.signal);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  const waiting = subscription.waitForNews(LONG_MS, controller.signal);
  subscription.push(new FeedEvent(ROW));
  await waiting;
  expect(subscription.take(10)).toHaveLength(1);
});

test("what came already is not waited for, nor is what nobody has time for", async () => {
  await subscription.waitForNews(0, controller.signal);
  subscription.push(new FeedEvent(ROW));
  await subscription.waitForNews(LONG_MS, controller.signal);
  expect(subscription.untaken).toBe(1);
});
