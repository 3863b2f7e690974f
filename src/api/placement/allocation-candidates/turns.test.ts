import { setImmediate as nextRound } from "node:timers/promises";

import { expect, test } from "vitest";

import { nextTurn } from "./turns.ts";

test("one turn is given in each round of the event loop, in the order in which they are asked for", async () => {
  const given: number[] = [];
  const all = [1, 2, 3].map(async (number) => {
    await nextTurn();
    given.push(number);
  });
  const seen: number[][] = [];
  while (given.length < 3) {
    await nextRound();
    seen.push([...given]);
  }
  await Promise.all(all);
  expect(seen).toEqual([[1], [1, 2], [1, 2, 3]]);
});
