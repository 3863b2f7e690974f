import { CompiledQuery, sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database, type DatabaseOptions } from "../../src/db/database.ts";
import {
  CommitOutcomeUnknown,
  DatabaseUnavailable,
  UnstorableValue,
} from "../../src/domain/errors.ts";
import { DatabaseMisconfigured } from "../../src/db/errors.ts";
import { currentRevision, migrate } from "../../src/db/migrations/migrate.ts";
import { ensureStandardNames } from "../../src/db/standard-names.ts";
import type { ReadTransaction, WriteTransaction } from "../../src/db/transaction.ts";
import { CommitProxy, type Meeting } from "../support/commit-proxy.ts";
import type { TestDatabase } from "../support/engines.ts";
import { SERVER_ENGINES } from "./server-engines.ts";
import { schemaFacts, upstreamFacts } from "./schema-facts.ts";

const HEAD = "a082b8bb98d0";
const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

/** How it can remain open what became of a commit. */
const LOSSES: Readonly<Record<string, readonly Meeting[]>> = {
  PostgreSQL: ["cut before", "cut after"],
  MySQL: ["cut before", "cut after", "denied before", "denied after"],
};

interface Mistake {
  readonly what: string;
  /** What is different in the URL. */
  readonly url?: Partial<Pick<URL, "username" | "password" | "pathname" | "search">>;
  readonly options?: DatabaseOptions;
}

/** What stays wrong, however long it is waited for. */
const MISTAKES: Readonly<Record<string, readonly Mistake[]>> = {
  PostgreSQL: [
    { what: "unknown user", url: { username: "stowage_test_nobody" } },
    { what: "unknown database", url: { pathname: "/stowage_test_none" } },
    { what: "certificate that is missing", url: { search: "?sslmode=require&sslrootcert=/none" } },
    { what: "unknown parameter", url: { search: "?options=-c%20none%3D1" } },
  ],
  MySQL: [
    { what: "wrong password", url: { password: "wrong" } },
    { what: "unknown database", url: { pathname: "/stowage_test_none" } },
    { what: "certificate that is missing", url: { search: "?ssl_ca=/none" } },
    { what: "certificate that is a folder", url: { search: "?ssl_ca=/" } },
    { what: "unknown SQL mode", options: { mysqlSqlMode: "BOGUS" } },
  ],
};

describe.each(SERVER_ENGINES)("on $name", (engine) => {
  let place: TestDatabase;
  const opened: Database[] = [];

  beforeEach(async () => {
    place = await engine.borrowDatabase();
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
    await place.remove();
  });

  async function open(options: DatabaseOptions = {}, port?: number): Promise<Database> {
    const url = new URL(place.connection);
    if (port !== undefined) url.port = String(port);
    const database = await Database.open(parseConnectionUrl(url.href), options);
    opened.push(database);
    return database;
  }

  async function takeEmptyDatabase(): Promise<void> {
    await place.remove();
    place = await engine.createDatabase();
  }

  it("the schema is the one that upstream makes", async () => {
    await takeEmptyDatabase();
    const database = await open();
    await migrate(database);
    expect(await schemaFacts(database)).toEqual(await upstreamFacts(database));
    expect(await currentRevision(database)).toBe(HEAD);
  });

  it("several processes migrate and start at once", async () => {
    await takeEmptyDatabase();
    const databases = await Promise.all([open(), open(), open(), open()]);
    await Promise.all(databases.map(migrate));
    await Promise.all(databases.map((database) => database.writer(CONTEXT, ensureStandardNames)));
    const classes = await databases[0]?.reader(CONTEXT, (tx) =>
      tx.query
        .selectFrom("resource_classes")
        .select(["id", "name"])
        .orderBy("id")
        .limit(2)
        .execute(),
    );
    expect(classes).toEqual([
      { id: 0, name: "VCPU" },
      { id: 1, name: "MEMORY_MB" },
    ]);
  });

  it("numbers are numbers, and dates keep their milliseconds as far as the column does", async () => {
    const database = await open();
    const inventory = await database.writer(CONTEXT, async (tx) => {
      await tx.query
        .insertInto("inventories")
        .values({
          resource_provider_id: 1,
          resource_class_id: 0,
          total: 2_147_483_647,
          reserved: 0,
          min_unit: 1,
          max_unit: 1,
          step_size: 1,
          allocation_ratio: 1.1,
          created_at: tx.adapter.encodeDate(new Date("2026-11-23T10:00:00.000Z")),
        })
        .execute();
      return tx.query
        .selectFrom("inventories")
        .select((eb) => ["allocation_ratio", "created_at", eb.fn.sum("total").as("sum")])
        .where("resource_provider_id", "=", 1)
        .groupBy(["allocation_ratio", "created_at"])
        .executeTakeFirstOrThrow();
    });
    expect(inventory).toMatchObject({ allocation_ratio: 1.1, sum: 2_147_483_647 });
    expect(database.adapter.decodeDate(inventory.created_at)?.toISOString()).toBe(
      "2026-11-23T10:00:00.000Z",
    );
    await expectChangeToHaveMilliseconds(database);
  });

  it("a writer goes on when its connection is lost before the commit", async () => {
    const database = await open();
    let attempts = 0;
    await database.writer(CONTEXT, async (tx) => {
      attempts += 1;
      await insertTrait(tx, "A");
      if (attempts === 1) await killSession(tx);
      await insertTrait(tx, "B");
    });
    expect(attempts).toBe(2);
    expect(await readTraits(database)).toEqual(["A", "B"]);
  });

  it("two writers that wait for each other's rows both get through", async () => {
    const left = await open();
    const right = await open();
    await left.writer(CONTEXT, async (tx) => {
      await tx.query
        .insertInto("traits")
        .values([
          { id: 1, name: "A" },
          { id: 2, name: "B" },
        ])
        .execute();
    });
    let attempts = 0;
    let locked = 0;
    const bothHaveOne = Promise.withResolvers<void>();
    const rename = (database: Database, ids: readonly number[]) =>
      database.writer(CONTEXT, async (tx) => {
        attempts += 1;
        for (const id of ids) {
          await tx.query
            .updateTable("traits")
            .set((columns) => ({ name: sql<string>`concat(${columns.ref("name")}, 'x')` }))
            .where("id", "=", id)
            .execute();
          locked += 1;
          if (locked === 2) bothHaveOne.resolve();
          await bothHaveOne.promise;
        }
      });
    await Promise.all([rename(left, [1, 2]), rename(right, [2, 1])]);
    // The one that gave way may be back before the other has noticed.
    expect(attempts).toBeGreaterThan(2);
    expect(await readTraits(left)).toEqual(["Axx", "Bxx"]);
  });

  it.runIf(engine.name === "MySQL").each(["utf8", "latin1", "binary"])(
    "a text is stored as it is or not at all, though the URL says charset=%s",
    async (charset) => {
      place = { ...place, connection: `${place.connection}?charset=${charset}` };
      const database = await open();
      const store = (name: string) => database.writer(CONTEXT, (tx) => insertTrait(tx, name));
      await store("日本é");
      expect(await readTraits(database)).toEqual(["日本é"]);
      await expect(store("💩")).rejects.toThrow(UnstorableValue);
    },
  );

  it("no more connections are opened than the pool may have, and who gets none is told", async () => {
    const database = await open({ maxPoolSize: 2, maxOverflow: 1, poolTimeout: 1 });
    const { promise, resolve } = Promise.withResolvers<void>();
    const readers = Array.from({ length: 2 }, () => database.reader(CONTEXT, () => promise));
    await expect(database.reader(CONTEXT, () => promise)).rejects.toThrow(DatabaseUnavailable);
    resolve();
    await Promise.all(readers);
    expect(await database.reader(CONTEXT, () => Promise.resolve("served"))).toBe("served");
  });

  it.each([0, -1])(
    "opening a connection is no wait for a free one (poolTimeout: %i)",
    async (poolTimeout) => {
      const database = await open({ maxPoolSize: 2, maxOverflow: 0, poolTimeout });
      const { promise, resolve } = Promise.withResolvers<void>();
      const reading = database.reader(CONTEXT, () => promise);
      await expect(database.reader(CONTEXT, () => promise)).rejects.toThrow(/became free in time/);
      const closing = database.close();
      resolve();
      await Promise.all([reading, closing]);
    },
  );

  it("a server that is not there is unavailable, after as many attempts as are asked for", async () => {
    const start = performance.now();
    const opening = open({ maxRetries: 2, retryInterval: 0.1 }, 1);
    await expect(opening).rejects.toThrow(DatabaseUnavailable);
    expect(performance.now() - start).toBeGreaterThan(200);
  });

  it("that a server is waited for is told once, and why", async () => {
    const reasons: string[] = [];
    const onAway = ({ message }: DatabaseUnavailable) => reasons.push(message);
    const opening = open({ maxRetries: 2, retryInterval: 0.1, onAway }, 1);
    await expect(opening).rejects.toThrow(DatabaseUnavailable);
    expect(reasons).toEqual([expect.stringContaining("ECONNREFUSED")]);
  });

  it.each(MISTAKES[engine.name] ?? [])(
    "a start does not wait for the end of: $what",
    async (mistake) => {
      const url = Object.assign(new URL(place.connection), mistake.url);
      const onAway = vi.fn();
      const options = { maxRetries: 1, retryInterval: 0.1, onAway, ...mistake.options };
      const opening = Database.open(parseConnectionUrl(url.href), options);
      await expect(opening).rejects.toThrow(DatabaseMisconfigured);
      expect(onAway).not.toHaveBeenCalled();
    },
  );

  it("a database that is dropped after the start is unavailable", async () => {
    await takeEmptyDatabase();
    const database = await open();
    await place.remove();
    place = await engine.createDatabase();
    await expect(readTraits(database)).rejects.toThrow(DatabaseUnavailable);
  });

  describe("a commit whose answer is lost", () => {
    let proxy: CommitProxy;

    beforeEach(async () => {
      const { hostname, port } = new URL(place.connection);
      proxy = await CommitProxy.start(hostname, Number(port));
    });

    afterEach(async () => {
      await proxy.stop();
    });

    it.each(LOSSES[engine.name] ?? [])(
      "is made once when it is %s the server has done it",
      async (moment) => {
        const database = await open({}, proxy.port);
        const committed: number[] = [];
        let attempts = 0;
        await database.writer(CONTEXT, async (tx) => {
          attempts += 1;
          const attempt = attempts;
          await insertTrait(tx, `attempt ${attempt}`);
          tx.recordChange({ kind: "trait", subject: `attempt ${attempt}` });
          tx.afterCommit(() => committed.push(attempt));
          if (attempt === 1) void proxy.meetCommit(moment);
        });
        const last = moment.endsWith("before") ? 2 : 1;
        expect(committed).toEqual([last]);
        expect(await readTraits(database)).toEqual([`attempt ${last}`]);
      },
    );

    it("is not missed where nothing was to be committed", async () => {
      const database = await open({}, proxy.port);
      let attempts = 0;
      await database.writer(CONTEXT, async (tx) => {
        attempts += 1;
        if (attempts === 1) void proxy.meetCommit("cut before");
        await tx.query.selectFrom("traits").select("name").execute();
      });
      expect(attempts).toBe(2);
    });

    it("is made again where a crash made the server give the id of its change to another", async () => {
      const database = await open({}, proxy.port);
      const other = await open();
      const isCut = Promise.withResolvers<void>();
      let attempts = 0;
      await database.writer(CONTEXT, async (tx) => {
        attempts += 1;
        await insertTrait(tx, `attempt ${attempts}`);
        tx.recordChange({ kind: "trait", subject: "A" });
        if (attempts > 1) return;
        void proxy.meetCommit("cut before").then(isCut.resolve);
        const reused = isCut.promise.then(() => insertChange(other, 1, "another request"));
        proxy.redirect(Number(new URL(place.connection).port), reused);
      });
      expect(await readTraits(database)).toEqual(["attempt 2"]);
    });

    it("is not made again while the server itself does not know", async () => {
      const database = await open({}, proxy.port);
      let attempts = 0;
      const context = { ...CONTEXT, deadlineMs: performance.now() + 2000 };
      const writing = database.writer(context, async (tx) => {
        attempts += 1;
        await insertTrait(tx, `attempt ${attempts}`);
        tx.recordChange({ kind: "trait", subject: "A" });
        void proxy.meetCommit("strand");
      });
      await expect(writing).rejects.toThrow(CommitOutcomeUnknown);
      proxy.release();
      await vi.waitFor(async () => expect(await readTraits(database)).toEqual(["attempt 1"]), {
        timeout: 60_000,
      });
      expect(attempts).toBe(1);
    });
  });
});

/** Ends the transaction's own connection, as an administrator or a restart of the server would. */
async function killSession(tx: WriteTransaction): Promise<void> {
  const kill =
    tx.adapter.engine === "postgres"
      ? "select pg_terminate_backend(pg_backend_pid())"
      : "kill connection_id()";
  await tx.query.executeQuery(CompiledQuery.raw(kill));
}

async function expectChangeToHaveMilliseconds(database: Database): Promise<void> {
  await database.writer(CONTEXT, async (tx) => tx.recordChange({ kind: "trait", subject: "A" }));
  const change = await database.reader(CONTEXT, (tx) =>
    tx.query.selectFrom("stowage_changes").select(["id", "created_at"]).executeTakeFirstOrThrow(),
  );
  expect(change.id).toBe(1);
  const madeAt = database.adapter.decodeDate(change.created_at)?.getTime() ?? 0;
  expect(Math.abs(Date.now() - madeAt)).toBeLessThan(10_000);
}

/** Under an id that has been given out already. */
async function insertChange(database: Database, id: number, requestId: string): Promise<void> {
  await database.writer(CONTEXT, async (tx) => {
    const created_at = tx.adapter.encodeDate(tx.now);
    await tx.query
      .insertInto("stowage_changes")
      .values({ id, created_at, kind: "trait", subject: "A", request_id: requestId })
      .execute();
  });
}

async function insertTrait(tx: WriteTransaction, name: string): Promise<void> {
  await tx.query.insertInto("traits").values({ name }).execute();
}

async function readTraits(database: Database): Promise<string[]> {
  const select = (tx: ReadTransaction) =>
    tx.query.selectFrom("traits").select("name").orderBy("name").execute();
  return (await database.reader(CONTEXT, select)).map((row) => row.name);
}
