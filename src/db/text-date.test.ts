import { assert, date, property } from "fast-check";
import { expect, it } from "vitest";

import { decodeTextDate, encodeTextDate } from "./text-date.ts";

it("writes a date as SQLAlchemy does", () => {
  const tenOClock = new Date(Date.UTC(2026, 10, 23, 10, 0, 0));
  expect(encodeTextDate(tenOClock)).toBe("2026-11-23 10:00:00.000000");
});

it("reads what SQLAlchemy has written, to the millisecond", () => {
  expect(decodeTextDate("2026-11-23 23:29:05.802999")?.toISOString()).toBe(
    "2026-11-23T23:29:05.802Z",
  );
  expect(decodeTextDate("2026-11-23 23:29:05")?.toISOString()).toBe("2026-11-23T23:29:05.000Z");
});

it("knows nothing of a date that cannot be read", () => {
  for (const text of ["0000-00-00 00:00:00", "Sat Nov 28 10:00:00 2026 UTC", "28.11.2026", ""]) {
    expect(decodeTextDate(text)).toBeNull();
  }
});

it("reads back what it has written", () => {
  const years0To9999 = date({
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });
  assert(
    property(years0To9999, (original) => {
      expect(decodeTextDate(encodeTextDate(original))).toEqual(original);
    }),
  );
});
