import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";

import { UuidSet } from "./uuid-set.ts";

function setOf(texts: readonly string[], most = texts.length): UuidSet {
  const set = new UuidSet(most, 12_345);
  for (const text of texts) {
    const bytes = Buffer.from(text);
    expect(set.addText(bytes, 0, bytes.length)).toBe(true);
  }
  return set;
}

test("has each UUID once, whatever its spelling, and tells which were not asked for", () => {
  const uuids = Array.from({ length: 5000 }, () => randomUUID());
  const set = setOf([...uuids, uuids[0]!.toUpperCase(), uuids[1]!.replaceAll("-", "")]);
  expect(set.size).toBe(5000);
  for (const uuid of uuids.slice(0, 4990)) expect(set.mark(uuid)).toBe(true);
  for (let i = 0; i < 1000; i += 1) expect(set.mark(randomUUID())).toBe(false);
  expect([...set.unmarked()]).toEqual(uuids.slice(4990));
});

test("tells UUIDs apart that differ in one digit, and takes nothing else for one", () => {
  const base = "00000000-0000-0000-0000-000000000000";
  const near = Array.from({ length: 36 }, (_, at) =>
    base[at] === "-" ? [] : [`${base.slice(0, at)}f${base.slice(at + 1)}`],
  ).flat();
  const set = setOf(near);
  expect(set.size).toBe(32);
  expect(set.mark(base)).toBe(false);
  for (const text of ["", "x", base.slice(1), `${base}0`, base.replace("0", "g"), "é".repeat(32)]) {
    const bytes = Buffer.from(text);
    expect(set.addText(bytes, 0, bytes.length)).toBe(false);
    expect(set.mark(text)).toBe(false);
  }
  expect(set.size).toBe(32);
});
