import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import type { DatabaseContext } from "../../src/db/change.ts";
import { IndexKeeper } from "../../src/read-model/index-keeper.ts";
import type { TestDatabase } from "../support/engines.ts";
import { openOtherProgram, type OtherProgram } from "../support/other-program.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

const CONTEXT: DatabaseContext = { requestId: "req-1", userId: undefined, projectId: undefined };

describe.for(SERVER_ENGINES)("a read model on $name", (engine) => {
  let place: TestDatabase;
  let database: Database;
  let other: OtherProgram;
  let keeper: IndexKeeper;
  let statements: string[];

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    statements = [];
    database = await Database.open(parseConnectionUrl(place.connection), {
      onStatement: (text) => statements.push(text),
    });
    other = await openOtherProgram(place.connection);
    for (const statement of PROVIDER_IN_USE) await other.run(statement);
    keeper = new IndexKeeper(database);
    await keeper.build();
  });

  afterEach(async () => {
    await other.close();
    await database.close();
    await place.remove();
  });

  const used = () => keeper.current.getById(1)?.inventories[0]?.used;
  const giveBack = async () => {
    for (const statement of GIVEN_BACK) await other.run(statement);
  };

  test("sees the first change in a feed that was empty when it was built", async () => {
    expect(used()).toBe(3);
    await giveBack();
    await keeper.fresh(CONTEXT);
    expect(used()).toBe(0);
  });

  test("keeps what the feed told while a transaction that knew less was under way", async () => {
    const hasRead = Promise.withResolvers<void>();
    const isOvertaken = Promise.withResolvers<void>();
    const writing = database.writer(CONTEXT, async (tx) => {
      tx.recordChange({ kind: "provider", providerId: 1, subject: "u" });
      await keeper.followAfterCommit(tx);
      hasRead.resolve();
      await isOvertaken.promise;
    });
    await hasRead.promise;
    await giveBack();
    await keeper.fresh(CONTEXT);
    isOvertaken.resolve();
    await writing;
    expect(used()).toBe(0);
  });

  test("does not lose what was committed here while it was reading what came before", async () => {
    await giveBack();
    const isMysql = place.connection.startsWith("mysql");
    await other.run(isMysql ? "LOCK TABLES inventories WRITE" : "BEGIN");
    if (!isMysql) await other.run("LOCK TABLE inventories IN ACCESS EXCLUSIVE MODE");
    const reading = keeper.fresh(CONTEXT);
    await vi.waitUntil(() => statements.some((text) => /from .resource_providers/.test(text)), {
      timeout: 60_000,
    });
    await sleep(200);
    await database.writer(CONTEXT, async (tx) => {
      const follow = keeper.beginToFollow(tx);
      await tx.query.updateTable("resource_providers").set({ generation: 5 }).execute();
      tx.recordChange({ kind: "provider", providerId: 1, subject: "u" });
      follow((index) => index.applyUsage(1, 5, new Map([[0, 0]])));
    });
    await other.run(isMysql ? "UNLOCK TABLES" : "COMMIT");
    await reading;
    await keeper.fresh(CONTEXT);
    expect(keeper.current.getById(1)?.generation).toBe(5);
  });

  /** Takes two more, as a claim does: without reading again what it has changed. */
  const take = (meanwhile: () => Promise<void> = () => Promise.resolve()) =>
    database.writer(CONTEXT, async (tx) => {
      const follow = keeper.beginToFollow(tx);
      await tx.query.updateTable("allocations").set({ used: 5 }).execute();
      tx.recordChange({ kind: "provider", providerId: 1, subject: "u" });
      follow((index) => index.applyUsage(1, 1, new Map([[0, 5]])));
      await meanwhile();
    });

  test("reads nothing again that this process has put there itself", async () => {
    await take();
    expect(used()).toBe(5);
    statements.length = 0;
    await keeper.fresh(CONTEXT);
    await keeper.fresh(CONTEXT);
    expect(statements.filter((text) => /inventories|resource_providers/.test(text))).toEqual([]);
    expect(used()).toBe(5);
  });

  test("reads again what others have changed after this process", async () => {
    await take();
    await giveBack();
    await keeper.fresh(CONTEXT);
    expect(used()).toBe(0);
  });

  test("misses nothing that was being written while it was built anew", async () => {
    await take(() => outside(() => keeper.build()));
    await keeper.fresh(CONTEXT);
    expect(used()).toBe(5);
  });
});

/** Runs as if begun by someone else, who is not inside of a transaction. */
const outside = AsyncLocalStorage.snapshot();

const PROVIDER_IN_USE = [
  "INSERT INTO resource_providers (id, uuid, name, generation) VALUES (1, 'u', 'n', 0)",
  "INSERT INTO inventories (resource_provider_id, resource_class_id, total, reserved, min_unit, " +
    "max_unit, step_size, allocation_ratio) VALUES (1, 0, 8, 0, 1, 8, 1, 1)",
  "INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used) " +
    "VALUES (1, 'c', 0, 3)",
];

const GIVEN_BACK = [
  "DELETE FROM allocations",
  "INSERT INTO stowage_changes (created_at, kind, resource_provider_id, subject, request_id) " +
    "VALUES ('2026-01-01 00:00:00', 'provider', 1, 'u', 'req-2')",
];
