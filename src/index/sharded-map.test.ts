import * as fc from "fast-check";
import { expect, test } from "vitest";

import { ShardedMap } from "./sharded-map.ts";

test("a map in parts has what a map has, whatever is put in and taken out", () => {
  const change = fc.record({
    key: fc.nat(200),
    value: fc.option(fc.nat(), { nil: undefined, freq: 3 }),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 400 }), (changes) => {
      const plain = new Map<number, number>();
      const sharded = new ShardedMap<number, number>((key) => key);
      for (const { key, value } of changes) {
        if (value === undefined) {
          plain.delete(key);
          sharded.delete(key);
        } else {
          plain.set(key, value);
          sharded.set(key, value);
        }
        expect(sharded.size).toBe(plain.size);
        expect(sharded.get(key)).toBe(plain.get(key));
      }
      for (let key = 0; key <= 200; key++) expect(sharded.get(key)).toBe(plain.get(key));
    }),
  );
});
