import { setImmediate as nextRound } from "node:timers/promises";

import { expect, test } from "vitest";

import { TooManySearches } from "../domain/errors.ts";
import { enterSearch, searchesUnderWay, turns } from "./turns.ts";

test("one slice of work that goes on is run in each round of the event loop", async () => {
  const run: number[] = [];
  const all = [1, 2, 3].map((number) => turns.goOn("one", () => run.push(number)));
  const seen: number[][] = [];
  while (run.length < 3) {
    await nextRound();
    seen.push([...run]);
  }
  await Promise.all(all);
  expect(seen).toEqual([[1], [1, 2], [1, 2, 3]]);
});

test("clients take turns, however much work one of them has", async () => {
  const run: string[] = [];
  const work = (client: string) => turns.goOn(client, () => run.push(client));
  await Promise.all([
    ...Array.from({ length: 50 }, () => work("greedy")),
    work("modest"),
    work("modest"),
  ]);
  expect(run.indexOf("modest")).toBe(1);
  expect(run.lastIndexOf("modest")).toBe(3);
});

test("many who come at once do not all begin in one round", async () => {
  const takeLong = () => {
    const endsAtMs = performance.now() + 4;
    while (performance.now() < endsAtMs);
  };
  for (let time = 0; time < 20; time++) turns.begin(takeLong);
  expect(turns.canBegin()).toBe(false);
  let begun = 0;
  const all = Array.from({ length: 10 }, async () => {
    await turns.waitToBegin("one");
    begun += 1;
    turns.begin(takeLong);
  });
  await nextRound();
  await nextRound();
  expect(begun).toBeLessThan(5);
  await Promise.all(all);
  expect(begun).toBe(10);
});

test("how many begin in one round depends on how long they take, not on how long others took", async () => {
  const takeLong = () => {
    const endsAtMs = performance.now() + 4;
    while (performance.now() < endsAtMs);
  };
  await nextRound();
  for (let time = 0; time < 200; time++) turns.begin(() => {});
  let round = 0;
  let isOver = false;
  const count = () => {
    round += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const rounds = await Promise.all(
    Array.from({ length: 10 }, async () => {
      await turns.waitToBegin("one");
      turns.begin(takeLong);
      return round;
    }),
  );
  isOver = true;
  // Each takes more than what a round has time for.
  expect(new Set(rounds).size).toBe(10);
});

test("what a slice throws is thrown to who waits for it, and the next ones run", async () => {
  const fails = turns.goOn("one", () => {
    throw new Error("of the slice");
  });
  const works = turns.goOn("one", () => "done");
  await expect(fails).rejects.toThrow("of the slice");
  await expect(works).resolves.toBe("done");
});

test("searches under way are bounded, and nobody can have all of them", () => {
  const ends: (() => void)[] = [];
  const fill = (client: string) => {
    const before = ends.length;
    expect(() => {
      for (;;) ends.push(enterSearch(client));
    }).toThrow(TooManySearches);
    return ends.length - before;
  };
  const greedy = fill("greedy");
  const others = fill("other");
  expect(greedy).toBeGreaterThan(others);
  expect(others).toBeGreaterThan(0);
  for (const end of [...ends, ...ends]) end();
  expect(searchesUnderWay()).toBe(0);
  expect(fill("greedy")).toBe(greedy);
  for (const end of ends) end();
});
