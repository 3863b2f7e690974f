import { AsyncLocalStorage } from "node:async_hooks";

import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import { Database } from "../../src/db/database.ts";
import { DuplicateEntry, TransactionConflict } from "../../src/domain/errors.ts";
import { DatabaseBusy } from "../../src/db/errors.ts";
import { migrate } from "../../src/db/migrations/migrate.ts";
import { deferForRows, deferInsertion } from "../../src/db/row-statements.ts";
import type { DatabaseContext } from "../../src/db/change.ts";
import type { ReadTransaction, WriteTransaction } from "../../src/db/transaction.ts";
import { ENGINES, type Engine, type TestDatabase } from "../support/engines.ts";
import { repeatAtOnce } from "../support/pauses.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

const CONTEXT: DatabaseContext = { requestId: "req-1", userId: "ann", projectId: "lab" };

const IN_MEMORY: Engine = {
  name: "SQLite in memory",
  createDatabase: inMemory,
  borrowDatabase: inMemory,
};

async function inMemory(): Promise<TestDatabase> {
  return { connection: "sqlite://", remove: () => Promise.resolve() };
}

describe.each([...ENGINES, IN_MEMORY, ...SERVER_ENGINES])("a database of $name", (engine) => {
  const isInMemory = engine === IN_MEMORY;
  let place: TestDatabase;
  let database: Database;
  let statements: string[];

  beforeEach(async () => {
    place = await engine.borrowDatabase();
    statements = [];
    database = await open();
    await migrate(database);
    statements.length = 0;
  });

  afterEach(async () => {
    await database.close();
    await place.remove();
  });

  async function open(): Promise<Database> {
    return Database.open(parseConnectionUrl(place.connection), {
      onStatement: (text) => statements.push(text),
    });
  }

  it("keeps what a writer wrote when it returns", async () => {
    const result = await database.writer(CONTEXT, async (tx) => {
      await insertTrait(tx, "CUSTOM_A");
      return "done";
    });
    expect(result).toBe("done");
    expect(await readTraits(database)).toEqual(["CUSTOM_A"]);
  });

  it("undoes what a writer wrote when it throws, whatever it throws", async () => {
    for (const thrown of [new Error("no"), "no", undefined]) {
      const writing = database.writer(CONTEXT, async (tx) => {
        await insertTrait(tx, "CUSTOM_A");
        // oxlint-disable-next-line typescript/only-throw-error -- what is not an error is thrown, too
        throw thrown;
      });
      // Rejecting with undefined is a rejection too.
      await expect(
        writing.then(
          () => "kept",
          (error: unknown) => error,
        ),
      ).resolves.toBe(thrown);
    }
    expect(await readTraits(database)).toEqual([]);
    expect(await readChanges(database)).toEqual([]);
  });

  // MySQL checks everything at once, so there is nothing that could make a commit fail.
  it.skipIf(engine.name === "MySQL")(
    "undoes what a writer wrote when the commit fails, and goes on working",
    async () => {
      const called: string[] = [];
      const writing = database.writer(CONTEXT, async (tx) => {
        await insertTrait(tx, "CUSTOM_A");
        await prepareFailingCommit(tx);
        tx.afterCommit(() => called.push("committed"));
      });
      await expect(writing).rejects.toThrow(/FOREIGN KEY|duplicate/);
      expect(await readTraits(database)).toEqual([]);
      expect(called).toEqual([]);
      await database.writer(CONTEXT, (tx) => insertTrait(tx, "CUSTOM_B"));
      expect(await readTraits(database)).toEqual(["CUSTOM_B"]);
    },
  );

  it("runs writers one after the other, in the order in which they came", async () => {
    const events: string[] = [];
    await Promise.all(
      ["A", "B", "C"].map((letter) =>
        database.writer(CONTEXT, async (tx) => {
          events.push(`${letter} begins`);
          await insertTrait(tx, `CUSTOM_${letter}`);
          await new Promise((resolve) => setTimeout(resolve, 1));
          tx.afterCommit(() => events.push(`${letter} committed`));
        }),
      ),
    );
    expect(events).toEqual([
      "A begins",
      "A committed",
      "B begins",
      "B committed",
      "C begins",
      "C committed",
    ]);
  });

  it("writes the recorded changes in one statement, with who made them", async () => {
    await database.writer(CONTEXT, async (tx) => {
      tx.recordChange({ kind: "trait", subject: "CUSTOM_A" });
      tx.recordChange({ kind: "provider", providerId: 7, subject: "some-uuid" });
      await insertTrait(tx, "CUSTOM_A");
    });
    expect(
      statements
        .map((text) => /[a-z]+ into .([a-z_]+)|[a-z]+/.exec(text))
        .map((match) => match?.[1] ?? match?.[0]),
    ).toEqual([expect.stringMatching(/^(begin|start)$/), "traits", "stowage_changes", "commit"]);
    expect(await readChanges(database)).toMatchObject([
      { id: 1, kind: "trait", resource_provider_id: null, subject: "CUSTOM_A" },
      {
        id: 2,
        kind: "provider",
        resource_provider_id: 7,
        subject: "some-uuid",
        request_id: "req-1",
        user_id: "ann",
        project_id: "lab",
      },
    ]);
  });

  it("writes whose change it was when a transaction serves several requests", async () => {
    await database.writer(CONTEXT, async (tx) => {
      const by = { requestId: "req-2", userId: "bob", projectId: undefined };
      tx.recordChange({ kind: "trait", subject: "A" }, by);
      tx.recordChange({ kind: "trait", subject: "B" });
    });
    expect(await readChanges(database)).toMatchObject([
      { subject: "A", request_id: "req-2", user_id: "bob", project_id: null },
      { subject: "B", request_id: "req-1" },
    ]);
  });

  it("writes more changes than fit into one statement", async () => {
    await database.writer(CONTEXT, async (tx) => {
      for (let i = 0; i < 10_000; i += 1) tx.recordChange({ kind: "trait", subject: `T${i}` });
    });
    expect(await readChanges(database)).toHaveLength(10_000);
  });

  it("runs a writer again after a conflict, and forgets what the failed attempt recorded", async () => {
    const called: number[] = [];
    let attempts = 0;
    await database.writer(CONTEXT, async (tx) => {
      attempts += 1;
      const attempt = attempts;
      tx.recordChange({ kind: "trait", subject: `attempt ${attempt}` });
      tx.afterCommit(() => called.push(attempt));
      await insertTrait(tx, "CUSTOM_A");
      if (attempt < 3) throw new TransactionConflict("deadlock");
    });
    expect(called).toEqual([3]);
    expect(await readTraits(database)).toEqual(["CUSTOM_A"]);
    expect(await readChanges(database)).toMatchObject([{ subject: "attempt 3" }]);
  });

  it("gives up on a conflict that does not go away", async () => {
    repeatAtOnce();
    let attempts = 0;
    const writing = database.writer(CONTEXT, () => {
      attempts += 1;
      return Promise.reject(new TransactionConflict("deadlock"));
    });
    await expect(writing).rejects.toThrow(TransactionConflict);
    expect(attempts).toBe(10);
  });

  it("says of a conflict of what only reads that the database is busy", async () => {
    repeatAtOnce();
    const reading = database.reader(CONTEXT, () =>
      Promise.reject(new TransactionConflict("always")),
    );
    await expect(reading).rejects.toThrow(DatabaseBusy);
  });

  it("sends what is deferred in order, with the next statement or with the commit", async () => {
    await database.writer(CONTEXT, async (tx) => {
      deferTraits(tx, "CUSTOM_A", "CUSTOM_B");
      expect(statements).toEqual([]);
      expect(await selectTraits(tx)).toEqual(["CUSTOM_A", "CUSTOM_B"]);
      deferTraits(tx, "CUSTOM_C");
      tx.recordChange({ kind: "trait", subject: "CUSTOM_C" });
    });
    expect(await readTraits(database)).toEqual(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]);
    expect(await readChanges(database)).toMatchObject([{ subject: "CUSTOM_C" }]);
  });

  it("sends what is deferred before all of several statements that are asked at once", async () => {
    await database.writer(CONTEXT, async (tx) => {
      deferTraits(tx, "CUSTOM_A");
      deferTraits(tx, "CUSTOM_B");
      const count = () =>
        tx.query
          .selectFrom("traits")
          .select((eb) => eb.fn.countAll<number>().as("count"))
          .executeTakeFirstOrThrow();
      const found = await Promise.all([count(), count(), count()]);
      expect(found.map((row) => row.count)).toEqual([2, 2, 2]);
    });
  });

  it("undoes everything when something deferred fails, and says what it meant", async () => {
    const called: string[] = [];
    const writing = database.writer(CONTEXT, async (tx) => {
      await insertTrait(tx, "CUSTOM_A");
      deferTraits(tx, "CUSTOM_B", "CUSTOM_A");
      tx.recordChange({ kind: "trait", subject: "CUSTOM_B" });
      tx.afterCommit(() => called.push("committed"));
    });
    await expect(writing).rejects.toThrow(DuplicateEntry);
    expect(called).toEqual([]);
    expect(await readTraits(database)).toEqual([]);
    expect(await readChanges(database)).toEqual([]);
  });

  it("undoes everything when a guarded statement does not affect all its rows", async () => {
    await database.writer(CONTEXT, (tx) => insertTrait(tx, "CUSTOM_A"));
    const renaming = database.writer(CONTEXT, (tx) => {
      deferForRows(tx, {
        name: "rename",
        rows: ["CUSTOM_A", "CUSTOM_B"],
        lead: ["CUSTOM_C"],
        parametersOf: (name) => [name],
        build: (names) =>
          tx.query.updateTable("traits").set({ name: "CUSTOM_C" }).where("name", "in", names),
        mustAffect: 1,
        explain: () => new Error("one is missing"),
      });
    });
    await expect(renaming).rejects.toThrow("one is missing");
    expect(await readTraits(database)).toEqual(["CUSTOM_A"]);
  });

  it("sends nothing at all for a transaction that does nothing", async () => {
    await database.writer(CONTEXT, () => "done");
    await database.reader(CONTEXT, () => Promise.resolve("done"));
    expect(statements).toEqual([]);
  });

  it("refuses a transaction inside another one instead of waiting for itself", async () => {
    const inner = () => Promise.resolve();
    const nested = [
      () => database.writer(CONTEXT, () => database.writer(CONTEXT, inner)),
      () => database.writer(CONTEXT, () => database.reader(CONTEXT, inner)),
      () => database.reader(CONTEXT, () => database.reader(CONTEXT, inner)),
    ];
    for (const run of nested) await expect(run()).rejects.toThrow("inside another one");
  });

  it("refuses a transaction that the query builder would begin", async () => {
    const writing = database.writer(CONTEXT, (tx) =>
      tx.query.transaction().execute(() => Promise.resolve()),
    );
    await expect(writing).rejects.toThrow("begun by Database.reader and Database.writer only");
  });

  it("allows a transaction to a callback that runs after the commit", async () => {
    let next: Promise<void> | undefined;
    await database.writer(CONTEXT, async (tx) => {
      tx.afterCommit(() => {
        next = database.writer(CONTEXT, (after) => insertTrait(after, "CUSTOM_A"));
      });
    });
    await next;
    expect(await readTraits(database)).toEqual(["CUSTOM_A"]);
  });

  it("refuses statements of a transaction that is over", async () => {
    let escaped: WriteTransaction | undefined;
    await database.writer(CONTEXT, async (tx) => {
      escaped = tx;
    });
    await expect(insertTrait(escaped as WriteTransaction, "CUSTOM_A")).rejects.toThrow("is over");
  });

  it("finishes what is under way before it closes", async () => {
    const writing = database.writer(CONTEXT, async (tx) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await insertTrait(tx, "CUSTOM_A");
      return "kept";
    });
    await database.close();
    await expect(writing).resolves.toBe("kept");
  });

  it("streams rows", async () => {
    await database.writer(CONTEXT, async (tx) => {
      for (const letter of "ABC") await insertTrait(tx, letter);
    });
    const names = await database.reader(CONTEXT, async (tx) => {
      const streamed: string[] = [];
      for await (const row of tx.query.selectFrom("traits").select("name").stream()) {
        streamed.push(row.name);
      }
      return streamed;
    });
    expect(names).toEqual(["A", "B", "C"]);
  });
  it.skipIf(isInMemory)(
    "shows a reader one snapshot, whatever is committed meanwhile",
    async () => {
      await database.reader(CONTEXT, async (tx) => {
        expect(await selectTraits(tx)).toEqual([]);
        await outside(() => database.writer(CONTEXT, (write) => insertTrait(write, "A")));
        expect(await selectTraits(tx)).toEqual([]);
      });
      expect(await readTraits(database)).toEqual(["A"]);
    },
  );

  it.skipIf(isInMemory)("does not let a reader write", async () => {
    const writing = database.reader(CONTEXT, (tx) =>
      insertTrait({ ...tx, now: new Date() } as WriteTransaction, "A"),
    );
    await expect(writing).rejects.toThrow(/read.?only/i);
  });

  it.skipIf(isInMemory)("serves more readers at a time than it has connections", async () => {
    const counts = await Promise.all(
      Array.from({ length: 40 }, () =>
        database.reader(CONTEXT, async (tx) => {
          await new Promise((resolve) => setTimeout(resolve, 1));
          return (await selectTraits(tx)).length;
        }),
      ),
    );
    expect(counts).toEqual(Array.from({ length: 40 }, () => 0));
  });

  it.skipIf(isInMemory)("is written to by two processes in turns", async () => {
    const other = await open();
    const databases = [database, other];
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        (databases[i % 2] as Database).writer(CONTEXT, async (tx) => {
          await insertTrait(tx, `T${i}`);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }),
      ),
    );
    expect(await readTraits(databases[0] as Database)).toHaveLength(50);
    await other.close();
  });
});

/** Runs as if begun by someone else, who is not inside of a transaction. */
const outside = AsyncLocalStorage.snapshot();

/** Leaves a row that a constraint refuses, but not before the commit. */
async function prepareFailingCommit(tx: WriteTransaction): Promise<void> {
  if (tx.adapter.engine === "sqlite") {
    await sql`pragma defer_foreign_keys = on`.execute(tx.query);
    await tx.query
      .insertInto("resource_provider_traits")
      .values({ resource_provider_id: 77, trait_id: 78 })
      .execute();
  }
  if (tx.adapter.engine === "postgres") {
    await sql`
      create temporary table late_check (id integer unique deferrable initially deferred)
      on commit drop
    `.execute(tx.query);
    await sql`insert into late_check values (1), (1)`.execute(tx.query);
  }
}

async function insertTrait(tx: WriteTransaction, name: string): Promise<void> {
  await tx.query
    .insertInto("traits")
    .values({ name, created_at: tx.adapter.encodeDate(tx.now), updated_at: null })
    .execute();
}

function deferTraits(tx: WriteTransaction, ...names: readonly string[]): void {
  deferInsertion(
    tx,
    "traits",
    names.map((name) => ({ name })),
  );
}

async function selectTraits(tx: ReadTransaction): Promise<string[]> {
  const rows = await tx.query.selectFrom("traits").select("name").orderBy("name").execute();
  return rows.map((row) => row.name);
}

async function readTraits(database: Database): Promise<string[]> {
  return database.reader(CONTEXT, selectTraits);
}

async function readChanges(database: Database): Promise<unknown[]> {
  return database.reader(CONTEXT, (tx) =>
    tx.query.selectFrom("stowage_changes").selectAll().orderBy("id").execute(),
  );
}
