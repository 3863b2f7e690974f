import { expect, test } from "vitest";

import { sortById } from "./sort-rows.ts";

test("rows come in the order of ids of any size, and others have their turn meanwhile", () => {
  for (const spread of [1, 97, 7919, 42_001]) {
    const count = 50_000;
    const idOf = (row: number) => ((row * 48_271) % 50_021) * spread;
    const sorting = sortById(
      Int32Array.from({ length: count }, (_, row) => row),
      idOf,
    );
    let pauses = 0;
    let step = sorting.next();
    for (; !step.done; step = sorting.next()) pauses += 1;
    const ids = Array.from(step.value, idOf);
    expect(ids).toEqual(ids.toSorted((left, right) => left - right));
    expect(new Set(step.value).size).toBe(count);
    expect(pauses).toBeGreaterThan(5);
  }
});

test("nothing, and a single row of id zero, are in order", () => {
  expect([...sortById(new Int32Array(0), Number)]).toEqual([]);
  expect(sortById(Int32Array.of(0), Number).next().value).toEqual(Int32Array.of(0));
});
