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
    session = await PostgresSession.open(settings, LIMITS);
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

  test("does nothing outside of a transaction that could not be begun", async () => {
    const { failure } = await session.runSeries([statement("begin nonsense"), insertion(1)]);
    expect(failure?.error).toBeInstanceOf(Error);
    expect(await numbers()).toEqual([]);
  });
});

function statement(text: string): Statement {
  return { text, parameterSets: [[]] };
}

function insertion(...values: readonly number[]): Statement {
  return {
    text: "insert into numbers values ($1)",
    parameterSets: values.map((value) => [value]),
    mustAffect: values.length,
  };
}
