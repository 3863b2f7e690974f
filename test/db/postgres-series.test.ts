import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { PostgresSession } from "../../src/db/adapters/postgres-session.ts";
import type { Statement } from "../../src/db/adapters/session.ts";
import { parseConnectionUrl } from "../../src/config/connection-url.ts";
import type { TestDatabase } from "../support/engines.ts";
import { SERVER_ENGINES } from "./server-engines.ts";

const LIMITS = { connectTimeoutMs: 10_000, lockTimeoutS: 10, idleTransactionTimeoutS: 30 };

const POSTGRES = SERVER_ENGINES.filter(({ name }) => name === "PostgreSQL");

describe.for(POSTGRES)("a series of statements on $name", (engine) => {
  let place: TestDatabase;
  let session: PostgresSession;

  beforeEach(async () => {
    place = await engine.createDatabase();
    const settings = parseConnectionUrl(place.connection);
    if (settings.engine !== "postgres") throw new Error("another engine");
    session = await PostgresSession.open(settings, "write", LIMITS);
    await session.run("create table numbers (number integer primary key)", []);
  });

  afterEach(async () => {
    await session.close();
    await place.remove();
  });

  const numbers = async () => {
    const { rows } = await session.run("select number from numbers order by number", []);
    return (rows as { readonly number: number }[]).map(({ number }) => number);
  };

  test("tells what each statement did", async () => {
    const outcome = await session.runSeries([
      statement("begin"),
      insertion(1, 2),
      statement("select number from numbers order by number"),
      statement("commit"),
    ]);
    expect(outcome.failure).toBeUndefined();
    expect(outcome.results.map(({ rows }) => rows)).toEqual([
      [],
      [],
      [{ number: 1 }, { number: 2 }],
      [],
    ]);
    expect(await numbers()).toEqual([1, 2]);
  });

  test("does nothing after a statement that fails", async () => {
    const { results, failure } = await session.runSeries([
      insertion(1, 2, 1),
      insertion(3),
      statement("select 1"),
    ]);
    expect(results).toEqual([]);
    expect(failure?.error).toMatchObject({ code: "23505" });
    expect(await numbers()).toEqual([]);
  });

  test("reads each text once on a connection", async () => {
    for (const number of [1, 2, 3]) await session.runSeries([insertion(number)]);
    const texts = await preparedTexts();
    expect(texts.filter((text) => text.startsWith("insert"))).toHaveLength(1);
    expect(await numbers()).toEqual([1, 2, 3]);
  });

  test("goes on after a statement that could not be read, or failed when it was run first", async () => {
    const wrong = statement("select number from letters where number > $1", 0);
    for (let time = 0; time < 2; time += 1) {
      const { failure } = await session.runSeries([
        insertion(1, 1),
        wrong,
        statement("select $1::integer", 1),
      ]);
      expect(failure?.error).toMatchObject({ code: "23505" });
      const { failure: second } = await session.runSeries([
        statement("select $1::integer", 1),
        wrong,
      ]);
      expect(second?.error).toMatchObject({ code: "42P01" });
    }
    await session.run("create table letters (number integer)", []);
    const { failure } = await session.runSeries([
      insertion(1),
      wrong,
      statement("select $1::integer", 1),
    ]);
    expect(failure).toBeUndefined();
    expect(await numbers()).toEqual([1]);
  });

  test("reads what was to be run twice after a failure, and was not read", async () => {
    const twice = { text: "select $1::integer as number", parameterSets: [[1], [2]] };
    const { failure } = await session.runSeries([insertion(1, 1), twice]);
    expect(failure?.error).toMatchObject({ code: "23505" });
    const { results } = await session.runSeries([twice]);
    expect(results[0]?.rows).toEqual([{ number: 2 }]);
  });

  test("prepares nothing more when the same statements fail again and again", async () => {
    await session.runSeries([insertion(1), statement("select $1::integer", 1)]);
    for (let time = 0; time < 20; time += 1) {
      await session.runSeries([statement("begin"), insertion(1), statement("select $1::text", 2)]);
      await session.runSeries([statement("rollback")]);
    }
    expect((await preparedTexts()).length).toBeLessThanOrEqual(6);
  });

  test("forgets texts that were not run for long", async () => {
    for (let number = 0; number < 250; number += 1) {
      await session.runSeries([statement(`select ${number} + $1::integer`, number)]);
    }
    expect((await preparedTexts()).length).toBeLessThanOrEqual(101);
    const { results } = await session.runSeries([statement("select 0 + $1::integer", 7)]);
    expect(results[0]?.rows).toEqual([{ "?column?": 7 }]);
  });

  test("reads a text anew whose result has become another one", async () => {
    const all = statement("select * from numbers where number > $1", 0);
    await session.runSeries([insertion(1), all]);
    await session.run("alter table numbers add name text", []);
    await session.runSeries([all]);
    const { results } = await session.runSeries([all]);
    expect(results[0]?.rows).toEqual([{ number: 1, name: null }]);
  });

  async function preparedTexts(): Promise<string[]> {
    const { rows } = await session.run("select statement from pg_prepared_statements", []);
    return (rows as { readonly statement: string }[]).map((row) => row.statement);
  }

  test("does nothing outside of a transaction that could not be begun", async () => {
    const { failure } = await session.runSeries([statement("begin nonsense"), insertion(1)]);
    expect(failure?.error).toBeInstanceOf(Error);
    expect(await numbers()).toEqual([]);
  });
});

function statement(text: string, ...parameters: readonly number[]): Statement {
  return { text, parameterSets: [parameters] };
}

function insertion(...values: readonly number[]): Statement {
  return {
    text: "insert into numbers values ($1)",
    parameterSets: values.map((value) => [value]),
    mustAffect: values.length,
  };
}
