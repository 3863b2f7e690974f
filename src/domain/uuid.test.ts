import { describe, expect, test } from "vitest";
import { isUuidLike, normalizeUuid } from "./uuid.ts";

const CANONICAL = "12345678-1234-5678-1234-56781234abcd";

describe("a UUID", () => {
  test.each([
    CANONICAL,
    CANONICAL.toUpperCase(),
    "12345678123456781234567812 34abcd".replace(" ", ""),
    "{12345678-1234-5678-1234-56781234abcd}",
    "urn:uuid:12345678-1234-5678-1234-56781234abcd",
    "uuid:12345678-1234-5678-1234-56781234abcd",
    "1-2345678123456781234567812 34abcd".replace(" ", ""),
  ])("may be spelled %s, and is stored in one spelling", (text) => {
    expect(isUuidLike(text)).toBe(true);
    expect(normalizeUuid(text)).toBe(CANONICAL);
  });

  test.each([
    "",
    "foo",
    CANONICAL.slice(1),
    `${CANONICAL}0`,
    "1234_678123456781234567812345678a",
    "0x345678123456781234567812345678a0",
    " 2345678123456781234567812345678 ",
    "１2345678123456781234567812345678",
    "+2345678123456781234567812345678a",
    "URN:UUID:12345678-1234-5678-1234-56781234abcd",
    "-".repeat(100_000),
  ])("is not %s", (text) => {
    expect(isUuidLike(text)).toBe(false);
    expect(normalizeUuid(text)).toBeUndefined();
  });
});
