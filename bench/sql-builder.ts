/**
 * What does the query builder cost? Measures a guarded update, the statement that a claim runs for
 * every provider, on a database in memory: prepared by hand, built by Kysely each time, and built
 * once and then only run; each as a ratio to the statement prepared by hand.
 *
 *     node bench/sql-builder.ts
 */
import { DatabaseSync } from "node:sqlite";

import { parseConnectionUrl } from "../src/config/connection-url.ts";
import { Database } from "../src/db/database.ts";
import { migrate } from "../src/db/migrations/migrate.ts";
import type { WriteTransaction } from "../src/db/transaction.ts";
import { median } from "./median.ts";

const RUNS = 20_000;
const ROUNDS = 5;
const DATE = "2026-11-23 10:00:00.000000";
const CONTEXT = { requestId: "bench", userId: undefined, projectId: undefined };

const database = await Database.open(parseConnectionUrl("sqlite://"));
await migrate(database);
await database.writer(CONTEXT, async (tx) => {
  await tx.query
    .insertInto("resource_providers")
    .values({ id: 1, uuid: "provider", generation: 0 })
    .execute();
  const subjects = {
    "prepared by hand": preparedByHand(),
    "built each time": async () => guardedUpdate(tx).executeTakeFirst(),
    "built once": builtOnce(tx),
  };
  const times = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, run] of Object.entries(subjects)) {
      times.set(name, [...(times.get(name) ?? []), await microseconds(run)]);
    }
  }
  const floor = median(times.get("prepared by hand") ?? []);
  for (const [name, values] of times) {
    const time = median(values);
    console.log(`${name}: ${time.toFixed(1)} µs = ${(time / floor).toFixed(1)} times the floor`);
  }
});
await database.close();

function guardedUpdate(tx: WriteTransaction) {
  return tx.query
    .updateTable("resource_providers")
    .set({ generation: 0, updated_at: DATE })
    .where("id", "=", 1)
    .where("generation", "=", 0);
}

function builtOnce(tx: WriteTransaction): () => Promise<unknown> {
  const compiled = guardedUpdate(tx).compile();
  return () => tx.query.executeQuery({ ...compiled, parameters: [0, DATE, 1, 0] });
}

function preparedByHand(): () => unknown {
  const raw = new DatabaseSync(":memory:");
  raw.exec(
    "create table resource_providers (id integer primary key, updated_at, generation integer)",
  );
  raw.exec("insert into resource_providers (id, generation) values (1, 0)");
  const statement = raw.prepare(
    "update resource_providers set generation = ?, updated_at = ? where id = ? and generation = ?",
  );
  return () => statement.run(0, DATE, 1, 0);
}

async function microseconds(run: () => unknown): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < RUNS; i += 1) await run();
  return ((performance.now() - start) * 1000) / RUNS;
}
