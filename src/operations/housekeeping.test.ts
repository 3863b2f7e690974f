import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect, onTestFinished, test } from "vitest";

import { defaultConfig } from "../config/config.ts";
import { listChangesAfter } from "../db/change-feed.ts";
import type { DatabaseContext } from "../db/change.ts";
import { deleteOldChanges, keepHouse } from "./housekeeping.ts";
import { openService } from "./open-service.ts";

const CONTEXT: DatabaseContext = { requestId: "req-1", userId: "admin", projectId: undefined };
const HOUR_MS = 3_600_000;

test("changes but the newest are deleted when they have passed their retention, and no sooner", async () => {
  const config = defaultConfig({ stowage: { changeRetention: 3600 } });
  const service = await openService(config, { mayMigrate: true });
  const countChanges = () =>
    service.read(CONTEXT, async (tx) => (await listChangesAfter(tx, 0)).length);
  const before = await countChanges();
  expect(before).toBeGreaterThan(0);

  const now = Date.now();
  await expect(deleteOldChanges(service, new Date(now + HOUR_MS / 2))).resolves.toBe(0);
  await expect(countChanges()).resolves.toBe(before);

  await expect(deleteOldChanges(service, new Date(now + 2 * HOUR_MS))).resolves.toBe(before - 1);
  await expect(countChanges()).resolves.toBe(1);
  await service.close();
});

test("a database that is away is not reported here, and a defect is", async () => {
  const folder = await mkdtemp(join(tmpdir(), "stowage-"));
  const file = join(folder, "placement.sqlite");
  const config = defaultConfig({
    placementDatabase: { connection: `sqlite:///${file}?timeout=0` },
  });
  const service = await openService(config, { mayMigrate: true });
  const other = new DatabaseSync(file);
  onTestFinished(async () => {
    other.close();
    await service.close();
    await rm(folder, { recursive: true });
  });
  const reports = async () => {
    const reported: unknown[] = [];
    const controller = new AbortController();
    const keeping = keepHouse(service, controller.signal, (error) => reported.push(error));
    controller.abort();
    await keeping;
    return reported;
  };

  other.exec("begin immediate");
  expect(await reports()).toEqual([]);
  other.exec("rollback");
  other.exec("drop table stowage_changes");
  expect(await reports()).toEqual([
    expect.objectContaining({ message: expect.stringContaining("no such table") }),
  ]);
});
