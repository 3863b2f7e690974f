import { deflateRawSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { FeedMark } from "./feed-continuity.ts";
import { InvalidPosition } from "../domain/errors.ts";
import {
  hasRead,
  markNewest,
  readPosition,
  whyGone,
  writePosition,
  type Position,
} from "./written-position.ts";

const EPOCH = "0123456789abcdef";

function change(id: number, more: Partial<FeedMark> = {}): FeedMark {
  return { id, kind: "consumer", subject: "a", providerId: null, requestId: "req-1", ...more };
}

function position(floor: number, seen: readonly number[] = [], newest?: FeedMark): Position {
  return {
    epoch: EPOCH,
    floor,
    seen: new Set(seen),
    newest: newest && markNewest(newest),
  };
}

describe("a position that is written", () => {
  test("begins with the floor, and is short where nothing is open", () => {
    expect(writePosition(position(81_240))).toBe(`1.81240.${EPOCH}`);
    expect(writePosition(position(81_240, [], change(81_240)))).toMatch(
      new RegExp(`^1\\.81240\\.${EPOCH}\\.81240\\.[0-9a-f]{8}$`),
    );
    expect(writePosition({ ...position(0), epoch: undefined })).toBe("1.0.");
  });

  test("is read as it was, whatever was open", () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 2000 }), { maxLength: 300 });
    fc.assert(
      fc.property(fc.nat(2 ** 40), ids, fc.boolean(), (floor, above, hasNewest) => {
        const seen = above.map((distance) => floor + distance);
        const written = position(floor, seen, hasNewest ? change(floor + 2000) : undefined);
        expect(readPosition(writePosition(written))).toEqual(written);
      }),
    );
  });

  test("stays within a header, and leaves out only what was read last", () => {
    const floor = 1000;
    // As chance has it, so that it cannot be packed.
    let state = 12_345;
    const seen: number[] = [];
    for (let id = floor + 2; id < floor + 60_000; id += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      if (state >>> 31) seen.push(id);
    }
    const text = writePosition(position(floor, seen));
    expect(text.length).toBeLessThanOrEqual(1100);
    const kept = readPosition(text).seen;
    expect(kept.size).toBeGreaterThan(1000);
    expect([...kept]).toEqual(seen.slice(0, kept.size));
  });

  test("leaves out what is too far away to be noted", () => {
    const text = writePosition(position(0, [3, 10_000_000]));
    expect([...readPosition(text).seen]).toEqual([3]);
  });
});

test.each([
  "",
  "1",
  "1.",
  "2.5.ab",
  "1.-5.ab",
  "1.5",
  "1.5.zz",
  "1.99999999999999999.ab",
  "1.9999999999999999.ab",
  "1.5~.ab",
  "1.5~!!.ab",
  "1.5~AAAA.ab",
  "1.5.ab.7",
  "1.5.ab.7.xyz",
  "1.5.ab.7.12345678 ",
  `1.5.${"a".repeat(3000)}`,
  // Small, and without end once it is unpacked.
  `1.5~${deflateRawSync(Buffer.alloc(1_000_000)).toString("base64url")}.ab`,
])("%s is no position", (text) => {
  expect(() => readPosition(text)).toThrow(InvalidPosition);
});

test("what becomes visible late was not read before", () => {
  const before = readPosition(writePosition(position(10, [12, 13])));
  expect([9, 10, 11, 12, 13, 14].map((id) => hasRead(before, id))).toEqual([
    true,
    true,
    false,
    true,
    true,
    false,
  ]);
});

describe("what follows a position", () => {
  const now = { epoch: EPOCH, collectedUpTo: 5, lastId: 100, found: undefined };

  test("can be told of the feed that it is of", () => {
    expect(whyGone(position(20), now)).toBeUndefined();
    expect(whyGone(position(5), now)).toBeUndefined();
    expect(whyGone(position(20, [22], change(22)), { ...now, found: change(22) })).toBeUndefined();
  });

  test("is gone with what was collected", () => {
    expect(whyGone(position(4), now)).toBe("too old");
    expect(whyGone(position(5, [], change(5)), now)).toBeUndefined();
  });

  test("is gone with the feed, where the database was made anew", () => {
    expect(whyGone({ ...position(20), epoch: "ff" }, now)).toBe("another feed");
    expect(whyGone({ ...position(20), epoch: undefined }, now)).toBe("another feed");
  });

  test("is gone where a backup was restored that gives the same ids out again", () => {
    const read = position(20, [22], change(22));
    for (const found of [
      change(22, { requestId: "req-2" }),
      change(22, { subject: "b" }),
      change(22, { kind: "provider" }),
      change(22, { providerId: 3 }),
    ]) {
      expect(whyGone(read, { ...now, found })).toBe("another feed");
    }
    expect(whyGone(read, { ...now, found: undefined })).toBe("another feed");
    expect(whyGone(read, { ...now, lastId: 21 })).toBe("another feed");
    expect(whyGone(position(200), now)).toBe("another feed");
  });
});
