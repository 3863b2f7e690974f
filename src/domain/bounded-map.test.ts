import { expect, test } from "vitest";

import { BoundedMap } from "./bounded-map.ts";

function keysOf(map: Pick<BoundedMap<string, never>, "has">): string {
  return ["a", "b", "c", "d", "e"].filter((key) => map.has(key)).join("");
}

test("beyond its number of entries, the one that came first goes first", () => {
  const map = new BoundedMap<string, number>({ entries: 3 });
  expect(["a", "b", "c"].flatMap((key, place) => map.set(key, place))).toEqual([]);
  map.get("a");
  expect(map.set("d", 3)).toEqual([0]);
  expect(map.set("b", 4)).toEqual([]);
  expect(map.set("e", 5)).toEqual([2]);
  expect(keysOf(map)).toBe("bde");
});

test("what is used stays longer", () => {
  const map = new BoundedMap<string, string>({ entries: 2 });
  map.set("a", "first");
  map.set("b", "second");
  expect([map.use("a"), map.use("c")]).toEqual(["first", undefined]);
  expect(map.set("c", "third")).toEqual(["second"]);
  expect(keysOf(map)).toBe("ac");
});

test("what is used again and again stays, however many others come and go", () => {
  const map = new BoundedMap<string, number>({ entries: 4 });
  map.set("a", 0);
  for (let number = 1; number < 50; number += 1) {
    expect(map.use("a")).toBe(0);
    map.set(`other ${number}`, number);
  }
  expect(map.has("a")).toBe(true);
});

test("beyond its weight, as many go as have to, even the newest", () => {
  const map = new BoundedMap<string, number>({ weight: 10, weightOf: (value) => value });
  map.set("a", 4);
  map.set("b", 4);
  map.set("a", 1);
  expect([map.set("c", 6), map.weight]).toEqual([[4], 7]);
  map.delete("a");
  map.delete("a");
  expect([map.weight, keysOf(map)]).toEqual([6, "c"]);
  expect([map.set("d", 11), map.weight]).toEqual([[6, 11], 0]);
});

test("entries that have had their time are forgotten from the oldest on", () => {
  const map = new BoundedMap<string, number>({});
  for (const [key, value] of [
    ["a", 1],
    ["b", 2],
    ["c", 9],
    ["d", 1],
  ] as const) {
    map.set(key, value);
  }
  expect(map.forgetWhile((value) => value < 5)).toEqual([1, 2]);
  expect(keysOf(map)).toBe("cd");
});
