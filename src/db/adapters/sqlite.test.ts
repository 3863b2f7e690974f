import { AsyncLocalStorage } from "node:async_hooks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { parseConnectionUrl } from "../../config/connection-url.ts";
import { Database } from "../database.ts";
import { DatabaseUnavailable } from "../../domain/errors.ts";
import { migrate } from "../migrations/migrate.ts";
import type { DatabaseContext } from "../change.ts";
import type { WriteTransaction } from "../transaction.ts";

const CONTEXT: DatabaseContext = { requestId: "req-1", userId: "ann", projectId: "lab" };

describe("a database file", () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "stowage-"));
    file = path.join(folder, "stowage.sqlite");
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it("is said to be unavailable when another process does not stop writing", async () => {
    const database = await openMigrated(file);
    const impatient = await Database.open(parseConnectionUrl(`sqlite:///${file}?timeout=0`));
    const write = (tx: WriteTransaction) =>
      tx.query.insertInto("traits").values({ name: "CUSTOM_A" }).execute();
    await database.writer(CONTEXT, async (tx) => {
      await write(tx);
      const writing = outside(() => impatient.writer(CONTEXT, write));
      await expect(writing).rejects.toThrow(DatabaseUnavailable);
    });
    await Promise.all([database.close(), impatient.close()]);
  });

  it("commits to the disk unless it is told not to", async () => {
    for (const [sqliteSynchronous, expected] of [
      [undefined, 2],
      [false, 0],
    ] as const) {
      const database = await Database.open(
        sqlite(file),
        sqliteSynchronous === undefined ? {} : { sqliteSynchronous },
      );
      const setting = await database.writer(CONTEXT, (tx) =>
        sql<{ synchronous: number }>`pragma synchronous`.execute(tx.query),
      );
      expect(setting.rows[0]?.synchronous).toBe(expected);
      await database.close();
    }
  });

  it("is said to be unavailable when it cannot be opened", async () => {
    const opening = Database.open(sqlite(path.join(folder, "none", "x")));
    await expect(opening).rejects.toThrow(DatabaseUnavailable);
  });
});

function sqlite(file: string) {
  return parseConnectionUrl(`sqlite:///${file}`);
}

async function openMigrated(file: string): Promise<Database> {
  const database = await Database.open(sqlite(file));
  await migrate(database);
  return database;
}

/** Runs as if begun by someone else, who is not inside of a transaction. */
const outside = AsyncLocalStorage.snapshot();
