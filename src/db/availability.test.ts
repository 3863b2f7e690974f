import { describe, expect, test, vi } from "vitest";

import { Availability, type Access } from "./availability.ts";
import { DatabaseUnavailable, TransactionConflict } from "../domain/errors.ts";
import { DatabaseBusy, DatabaseReadOnly } from "./errors.ts";

const AWAY = "The database is away: gone; requests are answered with 503";

describe("the log", () => {
  test("says once that the database is away, and once that it is back", async () => {
    const { lines, availability } = watch((access) => availability.succeeded(access));
    for (let count = 0; count < 1000; count += 1) {
      availability.failed(count % 2 ? "read" : "write", new DatabaseUnavailable("gone"), 0);
    }
    await vi.waitUntil(() => lines.length === 2, { timeout: 60_000 });
    expect(lines).toEqual([AWAY, expect.stringMatching(/^The database is back after \d\.\d s$/)]);
    availability.stop();
  });

  test("does not say that it is back while some still fail", () => {
    const { lines, availability } = watch(() => {});
    for (let count = 0; count < 100; count += 1) {
      availability.failed("write", new DatabaseUnavailable("gone"), 0);
      availability.succeeded("write");
      availability.succeeded("read");
    }
    expect(lines).toEqual([AWAY]);
    availability.stop();
  });

  test("tells a database that takes no writes, or is blocked, from one that is away", () => {
    for (const [error, line] of [
      [new DatabaseReadOnly("standby"), "The database takes no writes: standby"],
      [new DatabaseBusy("locked"), "The database is blocked: locked"],
    ] as const) {
      const { lines, availability } = watch(() => {});
      availability.failed("write", error, 0);
      expect(lines).toEqual([`${line}; requests are answered with 503`]);
      availability.stop();
    }
  });

  test("tells once that a database that was away takes no writes", () => {
    const { lines, availability } = watch(() => {});
    availability.failed("write", new DatabaseUnavailable("gone"), 0);
    for (let count = 0; count < 100; count += 1) {
      availability.failed("write", new DatabaseReadOnly("standby"), 0);
      availability.failed("read", new DatabaseUnavailable("gone"), 0);
    }
    expect(lines).toEqual([
      AWAY,
      "The database takes no writes: standby; requests are answered with 503",
    ]);
    availability.stop();
  });

  test("says nothing of what is no fault of the database", () => {
    const { lines, availability } = watch(() => {});
    availability.failed("write", new TransactionConflict("another one was first"), 0);
    availability.failed("read", new Error("a defect"), 0);
    availability.succeeded("read");
    expect(lines).toEqual([]);
  });
});

function watch(probe: (access: Access) => void) {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const logger = { error: log, info: log } as ConstructorParameters<typeof Availability>[0];
  return { lines, availability: new Availability(logger, async (access) => probe(access)) };
}
