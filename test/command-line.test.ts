import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CompiledQuery } from "kysely";
import { expect, test } from "vitest";

import { parseConnectionUrl } from "../src/config/connection-url.ts";
import { Database } from "../src/db/database.ts";
import { CONTEXT } from "../src/db/migrations/migrate.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { ROOT } from "./source-files.ts";

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return spawn(join(ROOT, "bin", "stowage"), args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
}

/** Exit code, standard output and standard error. */
async function run(...args: string[]): Promise<[number, string, string]> {
  return outcomeOf(start(args));
}

async function outcomeOf(child: ReturnType<typeof start>): Promise<[number, string, string]> {
  const [[code], output, errors] = await Promise.all([
    once(child, "close"),
    text(child.stdout),
    text(child.stderr),
  ]);
  return [code as number, output, errors];
}

test("db without a command tells which there are, and is no mistake, as of placement-manage", async () => {
  const [code, output, errors] = await run("db");
  expect([code, errors]).toEqual([0, ""]);
  expect(output).toContain("online_data_migrations");
});

test.each([
  [["db", "nosuch"], "unknown command 'nosuch'"],
  [["db", "stamp"], "missing required argument 'version'"],
  [["status"], "upgrade"],
  [["status", "upgrade"], "check"],
  [["nosuch"], "unknown command 'nosuch'"],
  [["serve", "--port", "x"], "whole number"],
])("a command line that is wrong ends with 2, as of argparse: %j", async (args, message) => {
  const [code, output, errors] = await run(...args);
  expect([code, output]).toEqual([2, ""]);
  expect(errors).toContain(message);
});

test("a reader that has seen enough, such as head, is no error", async () => {
  const child = start(["policy", "sample"]);
  child.stdout.destroy();
  const [[code], errors] = await Promise.all([once(child, "close"), text(child.stderr)]);
  expect([code, errors]).toEqual([0, ""]);
});

test("a command that waits for the database says so once, and why", async () => {
  const child = start(["db", "version"], {
    OS_PLACEMENT_DATABASE__CONNECTION: "postgresql://placement@127.0.0.1:1/placement",
    OS_PLACEMENT_DATABASE__MAX_RETRIES: "2",
    OS_PLACEMENT_DATABASE__RETRY_INTERVAL: "0",
  });
  const reason = "cannot connect to PostgreSQL: connect ECONNREFUSED 127.0.0.1:1";
  expect(await outcomeOf(child)).toEqual([
    1,
    "",
    `stowage: the database is away: ${reason}; waiting for it\nstowage: ${reason}\n`,
  ]);
});

test.each(SERVER_ENGINES.filter(({ name }) => name === "PostgreSQL"))(
  "a conflict that does not end while the schema is changed is told in one line",
  { timeout: 60_000 },
  async (engine) => {
    const place = await engine.createDatabase();
    const database = await Database.open(parseConnectionUrl(place.connection));
    // As if another process were about to make the table, without an end.
    const sequence = CompiledQuery.raw("create sequence stowage_changes");
    await database.writer(CONTEXT, (tx) => tx.query.executeQuery(sequence));
    await database.close();
    const environment = { OS_PLACEMENT_DATABASE__CONNECTION: place.connection };
    const [code, output, errors] = await outcomeOf(start(["db", "sync"], environment));
    await place.remove();
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toBe('stowage: relation "stowage_changes" already exists\n');
  },
);
