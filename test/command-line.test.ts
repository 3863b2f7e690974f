import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CompiledQuery } from "kysely";
import { expect, test } from "vitest";

import { parseConnectionUrl } from "../src/config/connection-url.ts";
import { Database } from "../src/db/database.ts";
import { SCHEMA_CONTEXT } from "../src/db/migrations/migrate.ts";
import { SERVER_ENGINES } from "./db/server-engines.ts";
import { ROOT } from "./source-files.ts";
import { runCommandLine, type CommandOutcome } from "./support/command-line.ts";

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return spawn(join(ROOT, "bin", "stowage"), args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
}

async function outcomeOf(child: ReturnType<typeof start>): Promise<CommandOutcome> {
  const [[code], output, errors] = await Promise.all([
    once(child, "close"),
    text(child.stdout),
    text(child.stderr),
  ]);
  return [code as number, output, errors];
}

test("the program that is installed runs a command line, and hands on its exit code", async () => {
  const outcomes = [start(["db", "--help"]), start(["db", "nosuch"])].map(outcomeOf);
  const [help, mistake] = await Promise.all(outcomes);
  expect(help).toEqual([0, expect.stringContaining("online_data_migrations"), ""]);
  expect(mistake).toEqual([2, "", "stowage: unknown command 'nosuch'\n"]);
});

test.each([
  [["db", "snyc"], "stowage: unknown command 'snyc'\n(Did you mean sync?)\n"],
  [["db", "stamp"], "stowage: missing required argument 'version'\n"],
  [["nosuch"], "stowage: unknown command 'nosuch'\n"],
  [["policy", "lst"], "stowage: unknown command 'lst'\n(Did you mean list?)\n"],
  [["serve", "--prot", "1"], "stowage: unknown option '--prot'\n(Did you mean --port?)\n"],
  [["serve", "--port", "x"], "stowage: option '--port <number>' argument 'x' is invalid."],
  // What commands there are.
  [["db"], "online_data_migrations"],
  [["db", "triggers"], "install"],
  [["policy"], "sample"],
  [["status"], "upgrade"],
  [["status", "upgrade"], "check"],
])("a command line that is wrong ends with 2, as of argparse: %j", async (args, message) => {
  const [code, output, errors] = await runCommandLine(args);
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
  const outcome = await runCommandLine(["db", "version"], {
    OS_PLACEMENT_DATABASE__CONNECTION: "postgresql://placement@127.0.0.1:1/placement",
    OS_PLACEMENT_DATABASE__MAX_RETRIES: "2",
    OS_PLACEMENT_DATABASE__RETRY_INTERVAL: "0",
  });
  const reason = "cannot connect to PostgreSQL: connect ECONNREFUSED 127.0.0.1:1";
  expect(outcome).toEqual([
    1,
    "",
    `stowage: the database is away: ${reason}; waiting for it\nstowage: ${reason}\n`,
  ]);
});

test.each(SERVER_ENGINES.filter(({ name }) => name === "PostgreSQL"))(
  "a conflict that does not end while the schema is changed is told in one line",
  async (engine) => {
    const place = await engine.createDatabase();
    const database = await Database.open(parseConnectionUrl(place.connection));
    // As if another process were about to make the table, without an end.
    const sequence = CompiledQuery.raw("create sequence stowage_changes");
    await database.writer(SCHEMA_CONTEXT, (tx) => tx.query.executeQuery(sequence));
    await database.close();
    const environment = { OS_PLACEMENT_DATABASE__CONNECTION: place.connection };
    const [code, output, errors] = await runCommandLine(["db", "sync"], environment);
    await place.remove();
    expect([code, output]).toEqual([1, ""]);
    expect(errors).toBe('stowage: relation "stowage_changes" already exists\n');
  },
);
