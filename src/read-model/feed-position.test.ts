import { expect, test } from "vitest";

import { FeedPosition } from "./feed-position.ts";

test("ids without gaps settle at once", () => {
  const position = new FeedPosition(10);
  for (const id of [12, 11, 13]) position.add(id);
  position.settle(0);

  expect(position).toMatchObject({ floor: 13, count: 0, lastId: 13 });
});

test("an id that becomes visible late is new, however late it is, and closes its gap", () => {
  const position = new FeedPosition(10);
  position.add(12);
  watch(position, 3600);

  expect(position).toMatchObject({ floor: 10, count: 1 });
  expect(position.has(11)).toBe(false);
  position.add(11);
  watch(position, 1);
  expect(position).toMatchObject({ floor: 12, count: 0 });
});

test("gaps are to be closed when many entries have waited behind them for a while", () => {
  const position = new FeedPosition(10);
  addEvery(3, position, 13, 1000);
  watch(position, 3);
  expect(position.takeGaps()).toBeUndefined();
  watch(position, 10);
  const gaps = position.takeGaps();
  expect(gaps?.missing.slice(0, 4)).toEqual([11, 12, 14, 15]);
  expect(gaps?.upTo).toBe(1000);
  expect(position.takeGaps(), "it is given out once").toBeUndefined();

  expect(position.floor, "that it was done is not known yet").toBe(10);
  position.add(14);
  position.close(1000);
  watch(position, 1);
  expect(position).toMatchObject({ floor: 1000, count: 0 });
});

test("few entries behind a gap are no reason to write", () => {
  const position = new FeedPosition(10);
  addEvery(3, position, 13, 100);
  watch(position, 3600);
  expect(position.takeGaps()).toBeUndefined();
});

test("a time in which nobody looked, or the server stood still, is no time to commit in", () => {
  const position = new FeedPosition(10);
  addEvery(3, position, 13, 1000);
  position.settle(0);
  position.settle(3_600_000);
  expect(position.takeGaps()).toBeUndefined();
});

test("a gap without end is closed in parts", () => {
  const position = new FeedPosition(0);
  for (let id = 5001; id <= 6000; id += 1) position.add(id);
  watch(position, 30);
  for (const upTo of [2000, 4000, 6000]) {
    expect(position.takeGaps()?.upTo).toBe(upTo);
    position.close(upTo);
    watch(position, 1);
  }
  expect(position.floor).toBe(6000);
});

test("without gaps, it is told now and then how far all is settled", () => {
  const position = new FeedPosition(0);
  for (let id = 1; id <= 10_000; id += 1) position.add(id);
  position.settle(0);
  expect(position.takeGaps()).toEqual({ missing: [], upTo: 10_000 });
  position.close(10_000);
  expect(position.takeGaps()).toBeUndefined();
});

/** As if the feed were looked at each second. */
function watch(position: FeedPosition, seconds: number): void {
  for (let second = 0; second <= seconds; second += 1) {
    now += 1000;
    position.settle(now);
  }
}

let now = 0;

function addEvery(step: number, position: FeedPosition, from: number, to: number): void {
  for (let id = from; id <= to; id += step) position.add(id);
}
