import { expect, test } from "vitest";
import { parseQuery } from "./query-string.ts";

test("a query string is pairs, with the last and with all values of a name", () => {
  const query = parseQuery("a=1;b=2&&a=3&c");
  expect(query.pairs).toEqual([
    ["a", "1"],
    ["b", "2"],
    ["a", "3"],
    ["c", ""],
  ]);
  expect([query.get("a"), query.get("c"), query.get("d")]).toEqual(["3", "", undefined]);
  expect([query.getAll("a"), query.getAll("d")]).toEqual([["1", "3"], []]);
  expect([query.has("c"), query.has("constructor")]).toEqual([true, false]);
});

test("a query string has a limit on its parameters", () => {
  expect(parseQuery("a&".repeat(1024)).getAll("a")).toHaveLength(1024);
  expect(() => parseQuery("a&".repeat(1025))).toThrow(
    "A query may have at most 1024 parameters. Got: 1025.",
  );
});
