import { expect, test } from "vitest";

import { defaultConfig } from "../config/config.ts";
import { listChangesAfter } from "../db/change-feed.ts";
import type { DatabaseContext } from "../db/transaction.ts";
import { deleteOldChanges } from "./housekeeping.ts";
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
