import { setImmediate } from "node:timers";
import { expect, test } from "vitest";

import { eachPausing, Pace, portionsOf, SLICE_MS, sorted } from "./pace.ts";

/** Work of which each step is a slice of its own. */
function* slowWork(steps: number): Generator<void, string> {
  for (let step = 0; step < steps; step += 1) {
    const endsAtMs = performance.now() + SLICE_MS;
    while (performance.now() < endsAtMs);
    yield;
  }
  return "done";
}

async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isOver = true;
  return turns;
}

test("long work lets others have a turn after each slice", async () => {
  const turns = await turnsDuring(async () => {
    await expect(new Pace(10_000).run(slowWork(5))).resolves.toBe("done");
  });
  expect(turns).toBeGreaterThanOrEqual(5);
});

test("short work is done in one piece", async () => {
  const turns = await turnsDuring(() => new Pace(100).run(slowWork(5)));
  expect(turns).toBe(0);
});

test("a sort that pauses sorts as that of an array does", () => {
  for (const length of [0, 1, 255, 256, 257, 1000, 3001]) {
    const numbers = Array.from({ length }, (_, at) => (at * 7919) % 1009);
    const sorting = sorted(numbers, (left, right) => left - right);
    let step = sorting.next();
    let pauses = 0;
    for (; !step.done; step = sorting.next()) pauses += 1;
    expect(step.value).toEqual(numbers.toSorted((left, right) => left - right));
    expect(pauses).toBeGreaterThanOrEqual(Math.floor((length - 1) / 256));
  }
});

test("something is made of each item, with pauses", () => {
  const making = eachPausing([...Array(100).keys()], (item) => 2 * item);
  let pauses = 0;
  let step = making.next();
  for (; !step.done; step = making.next()) pauses += 1;
  expect(step.value).toEqual(Array.from({ length: 100 }, (_, item) => 2 * item));
  expect(pauses).toBeGreaterThan(5);
});

test("portions hold everything, in order", () => {
  expect([...portionsOf([1, 2, 3, 4, 5], 2)]).toEqual([[1, 2], [3, 4], [5]]);
  expect([...portionsOf([], 2)]).toEqual([]);
});
