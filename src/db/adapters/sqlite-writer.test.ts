import { mkdtemp, rm, stat } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Statement } from "./session.ts";
import { SqliteWriter, type SqliteWriterLimits } from "./sqlite-writer.ts";

let folder: string;
let file: string;
let writer: SqliteWriter | undefined;
/** Another process, as far as the database can tell. */
let outside: DatabaseSync;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "stowage-"));
  file = path.join(folder, "stowage.sqlite");
  outside = new DatabaseSync(file);
  outside.exec("PRAGMA journal_mode = WAL; CREATE TABLE things (name TEXT UNIQUE, size INTEGER)");
});

afterEach(async () => {
  outside.close();
  await writer?.close();
  writer = undefined;
  await rm(folder, { recursive: true });
});

describe("a short transaction", () => {
  test("is run in this thread once enough have been quick", async () => {
    const session = open({ quickOnesPerMs: 3 });
    const wereHere = [];
    for (let number = 0; number < 5; number += 1) wereHere.push(await isRunHere(session, number));

    expect(wereHere).toEqual([false, false, false, true, true]);
    expect(count()).toBe(5);
  });

  test("is run in the other thread after one that was slow", async () => {
    const session = open({ quickMs: 0, quickOnesPerMs: 0.001 });
    // One that takes up to a second has one follow that is to prove that it is quick, and none is.
    const wereHere = [];
    for (let number = 0; number < 5; number += 1) wereHere.push(await isRunHere(session, number));

    expect(wereHere).toEqual([false, false, false, false, false]);
  });

  test("is run in the other thread at the end of a turn, which looks after the log", async () => {
    const session = open({ quickMs: Infinity, quickOnesPerMs: 0, turn: 20 }, 50);
    for (let number = 0; number < 2000; number += 1) await isRunHere(session, number);

    expect(count()).toBe(2000);
    const { size } = await stat(`${file}-wal`);
    // Two pages for each transaction of some 4 KiB without it.
    expect(size).toBeLessThan(2 ** 20);
  });

  test("leaves nothing behind when a statement does not do what it must", async () => {
    const session = open({ quickMs: Infinity, quickOnesPerMs: 0 });
    const outcome = await session.runSeries(
      transaction(insertion(1), { ...insertion(2), mustAffect: 2 }),
    );

    expect(outcome).toMatchObject({ failure: { error: undefined } });
    expect(outcome.results).toHaveLength(2);
    expect(count()).toBe(0);
    expect(await isRunHere(session, 3)).toBe(true);
  });

  test("says what the database says when a statement fails", async () => {
    const session = open({ quickMs: Infinity, quickOnesPerMs: 0 });
    const outcome = await session.runSeries(transaction(insertion(1), insertion(1)));

    expect(outcome.failure?.error).toMatchObject({
      message: "UNIQUE constraint failed: things.name",
      errcode: 2067,
    });
    expect(count()).toBe(0);
  });

  test("waits in the other thread while another process has locked the database", async () => {
    const session = open({ quickMs: Infinity, quickOnesPerMs: 0 });
    expect(await isRunHere(session, 1)).toBe(true);
    outside.exec("BEGIN IMMEDIATE");
    const running = session.runSeries(transaction(insertion(2)));
    expect(running).toBeInstanceOf(Promise);
    outside.exec("ROLLBACK");

    expect((await running).failure).toBeUndefined();
    expect(count()).toBe(2);
  });
});

describe("whether another process has written", () => {
  const somebodyElse = (number: number) =>
    outside.prepare("INSERT INTO things VALUES (?, ?)").run(`outside ${number}`, number);

  test.each([
    ["in the other thread", { quickOnesPerMs: 1000 }],
    ["in this thread", { quickMs: Infinity, quickOnesPerMs: 0 }],
    ["now here and now there", { quickMs: Infinity, quickOnesPerMs: 0, turn: 2 }],
  ])("is told once, beside what is written %s", async (_, limits) => {
    const session = open(limits);
    for (let number = 0; number < 10; number += 1) {
      await session.runSeries(transaction(insertion(number)));
      expect(await session.wasOvertaken()).toBe(false);
    }
    somebodyElse(1);
    expect(await session.wasOvertaken()).toBe(true);
    expect(await session.wasOvertaken()).toBe(false);
  });

  test("is told where it was just before or just after a commit of the other thread", async () => {
    const session = open({ quickOnesPerMs: 1000 });
    await session.runSeries(transaction(insertion(0)));
    expect(await session.wasOvertaken()).toBe(false);
    somebodyElse(1);
    await session.runSeries(transaction(insertion(1)));
    expect(await session.wasOvertaken()).toBe(true);
    await session.runSeries(transaction(insertion(2)));
    somebodyElse(2);
    expect(await session.wasOvertaken()).toBe(true);
  });

  test("waits for what the other thread is at, which is not taken for another's", async () => {
    const session = open({ quickOnesPerMs: 1000 });
    await session.runSeries(transaction(insertion(0)));
    expect(await session.wasOvertaken()).toBe(false);
    for (let number = 1; number < 50; number += 1) {
      const written = session.runSeries(transaction(insertion(number)));
      const looks = [session.wasOvertaken(), session.wasOvertaken()];
      expect(await Promise.all(looks)).toEqual([false, false]);
      await written;
    }
    expect(await session.wasOvertaken()).toBe(false);
  });
});

test("neither a long transaction nor a part of one is run in this thread", async () => {
  const session = open({ quickMs: Infinity, quickOnesPerMs: 0, runs: 4 });
  const [begin, one, two, commit] = transaction(insertion(1), insertion(2));

  expect(session.runSeries(transaction(insertion(3), insertion(4), insertion(5)))).toBeInstanceOf(
    Promise,
  );
  expect(session.runSeries([begin!, one!])).toBeInstanceOf(Promise);
  const last = session.runSeries([two!, commit!]);
  expect(last).toBeInstanceOf(Promise);
  await last;
  expect(count()).toBe(5);
});

test("the other thread is started when there is something for it to do", async () => {
  const started = vi.fn<() => void>();
  process.on("worker", started);
  const session = open({ quickMs: Infinity, quickOnesPerMs: 0 });
  await session.writeAhead();
  expect(await isRunHere(session, 1)).toBe(true);
  expect(started).not.toHaveBeenCalled();
  await session.run("select 1", []);
  expect(started).toHaveBeenCalledOnce();
  process.off("worker", started);
});

test("a database that has another kind of journal gets one that is written ahead", async () => {
  outside.exec("PRAGMA journal_mode = DELETE");
  const session = open({});
  await session.writeAhead();
  const { rows } = await session.run("pragma journal_mode", []);
  expect(rows).toEqual([{ journal_mode: "wal" }]);
});

function open(limits: Partial<SqliteWriterLimits>, checkpointAfterPages = 1000): SqliteWriter {
  writer = new SqliteWriter(
    { file, isSynchronous: false, busyTimeoutMs: 5000, checkpointAfterPages, access: "write" },
    { quickMs: 1000, quickOnesPerMs: 1, runs: 24, turn: 256, ...limits },
  );
  return writer;
}

async function isRunHere(session: SqliteWriter, number: number): Promise<boolean> {
  const running = session.runSeries(transaction(insertion(number)));
  expect((await running).failure).toBeUndefined();
  return !(running instanceof Promise);
}

function transaction(...statements: readonly Statement[]): Statement[] {
  const constant = (text: string): Statement => ({ text, parameterSets: [[]] });
  return [constant("begin immediate"), ...statements, constant("commit")];
}

function insertion(number: number): Statement {
  return { text: "insert into things values (?, ?)", parameterSets: [[`thing ${number}`, number]] };
}

function count(): unknown {
  return outside.prepare("SELECT count(*) AS count FROM things").get()?.["count"];
}
