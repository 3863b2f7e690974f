import { expect, test } from "vitest";
import { explain } from "./explain.ts";

const UUIDS = { type: "array", items: { type: "string", format: "uuid" } };

test("Of very many items the first ones are looked at, and the one that is known to be wrong", () => {
  const items = Array<string>(100_000).fill("fine").with(90_000, "wrong");
  let looks = 0;
  const formats = {
    uuid: (value: unknown) => {
      looks++;
      return value === "fine";
    },
  };
  const text = explain(UUIDS, items, formats, "/90000");
  expect(text).toMatch(/^'wrong' is not a 'uuid'\n[^]*On instance\[90000\]:\n {4}'wrong'$/);
  expect(looks).toBeLessThan(2000);
});

test("Of very many keys that are too many, those are named that come first in order", () => {
  const keys = Array.from({ length: 100_000 }, (_, at) => `key${String(at).padStart(6, "0")}`);
  const value = Object.fromEntries(keys.toReversed().map((key) => [key, 1]));
  const text = explain({ type: "object", additionalProperties: false }, value, {}) ?? "";
  expect(text).toMatch(
    /^Additional properties are not allowed \('key000000', 'key000001', 'key000002', /,
  );
  expect(text).toContain("{'key000000': 1, 'key000001': 1,");
  expect(text.length).toBeLessThan(2000);
});

test("A long text behind a long key is cut as well", () => {
  const value = { [`a${"k".repeat(400)}`]: "x".repeat(1_000_000) };
  const text = explain({ type: "object", additionalProperties: false }, value, {}) ?? "";
  expect(text.length).toBeLessThan(2000);
});
