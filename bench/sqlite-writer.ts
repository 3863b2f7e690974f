/**
 * Where should SQLite write: in this thread or in one of its own? Measures, for both, how fast
 * claims are committed, one at a time and fifty to a transaction, as a ratio to bare single-row
 * commits on the same disk; and how long a request that needs no database waits meanwhile.
 *
 *     node bench/sqlite-writer.ts [folder on the disk to measure]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";

import { LocalSqliteSession } from "../src/db/adapters/sqlite-session.ts";
import type { Session } from "../src/db/adapters/session.ts";
import { SqliteThread } from "../src/db/adapters/sqlite-thread.ts";
import { createTable } from "../src/db/migrations/ddl.ts";
import { STOWAGE_TABLES } from "../src/db/migrations/stowage-tables.ts";
import { PLACEMENT_TABLES } from "../src/db/migrations/tables.ts";
import { SqliteDatabaseAdapter } from "../src/db/adapters/sqlite.ts";
import { median } from "./median.ts";

const ROUNDS = 4;
const ROUND_MS = 2000;
const PROVIDERS = 1000;
const DATE = "2026-11-23 10:00:00.000000";

interface Measured {
  readonly claimsPerSecond: number;
  readonly delaysMs: readonly number[];
}

let consumers = 0;

const folder = mkdtempSync(path.join(process.argv[2] ?? tmpdir(), "stowage-bench-"));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true });
}

async function main(): Promise<void> {
  const floor = await open(LocalSqliteSession, "floor");
  const sessions = {
    "this thread": await open(LocalSqliteSession, "local"),
    "own thread": await open(SqliteThread, "thread"),
  };
  console.log(`a message to the thread and back: ${await hopUs(sessions["own thread"])} µs`);
  const floors: number[] = [];
  const measured = new Map<string, Measured[]>();
  // Rounds take turns, because the speed of a disk changes from minute to minute.
  for (let round = 0; round < ROUNDS; round += 1) {
    floors.push(await bareCommitsPerSecond(floor));
    for (const batchSize of [1, 50]) {
      for (const [name, session] of Object.entries(sessions)) {
        const key = `${name}, ${batchSize} to a transaction`;
        measured.set(key, [...(measured.get(key) ?? []), await measure(session, batchSize)]);
      }
    }
  }
  report(median(floors), measured);
  for (const session of [floor, ...Object.values(sessions)]) await session.close();
}

function report(floor: number, measured: ReadonlyMap<string, readonly Measured[]>): void {
  console.log(`bare single-row commits: ${floor.toFixed(0)}/s`);
  for (const [name, rounds] of measured) {
    const rate = median(rounds.map((round) => round.claimsPerSecond));
    const delays = rounds.flatMap((round) => round.delaysMs).sort((a, b) => a - b);
    console.log(
      `${name}: ${rate.toFixed(0)} claims/s = ${(rate / floor).toFixed(2)} of the floor; ` +
        `others wait ${quantile(delays, 0.5)} ms (p50), ${quantile(delays, 0.99)} ms (p99)`,
    );
  }
}

async function open(
  Session: typeof LocalSqliteSession | typeof SqliteThread,
  name: string,
): Promise<Session> {
  const file = path.join(folder, name);
  const session = new Session({
    file,
    isSynchronous: true,
    busyTimeoutMs: 1000,
    checkpointAfterPages: 1000,
    access: "write",
  });
  await session.run("pragma journal_mode = wal", []);
  const { types } = new SqliteDatabaseAdapter(
    { engine: "sqlite", file, timeoutSeconds: undefined, parameters: {} },
    {},
  ).schemaDialect;
  for (const table of [...PLACEMENT_TABLES, ...STOWAGE_TABLES]) {
    for (const statement of createTable(table, types)) await session.run(statement, []);
  }
  for (let id = 1; id <= PROVIDERS; id += 1) {
    await session.run("insert into resource_providers (id, uuid, generation) values (?, ?, 0)", [
      id,
      `provider ${id}`,
    ]);
  }
  return session;
}

async function bareCommitsPerSecond(session: Session): Promise<number> {
  const start = performance.now();
  let commits = 0;
  for (; performance.now() - start < ROUND_MS; commits += 1) {
    await session.run("insert into users (external_id) values (?)", [`${start} ${commits}`]);
  }
  return (commits / (performance.now() - start)) * 1000;
}

async function measure(session: Session, batchSize: number): Promise<Measured> {
  const delaysMs: number[] = [];
  const probe = new AbortController();
  const probing = probeLoop(delaysMs, probe.signal);
  const start = performance.now();
  let claims = 0;
  for (; performance.now() - start < ROUND_MS; claims += batchSize) {
    await session.run("begin immediate", []);
    for (const [text, values] of claimStatements(batchSize)) await session.run(text, values);
    await session.run("commit", []);
    await setImmediate();
  }
  const elapsedMs = performance.now() - start;
  probe.abort();
  await probing;
  return { claimsPerSecond: (claims / elapsedMs) * 1000, delaysMs };
}

/** How much later than asked for a timer fires: what a request waits for its turn. */
async function probeLoop(delaysMs: number[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const start = performance.now();
    await sleep(1);
    delaysMs.push(performance.now() - start - 1);
  }
}

/** What claims of three resource classes each on one provider do to the tables. */
function claimStatements(count: number): [string, unknown[]][] {
  const claims = Array.from({ length: count }, () => {
    consumers += 1;
    return { consumer: `consumer ${consumers}`, provider: (consumers % PROVIDERS) + 1 };
  });
  const uuids = claims.map(({ consumer }) => consumer);
  const places = uuids.map(() => "?").join(", ");
  return [
    [`select * from consumers where uuid in (${places})`, uuids],
    [`select * from allocations where consumer_id in (${places})`, uuids],
    [
      "update resource_providers set generation = generation + 1 " +
        `where ${claims.map(() => "(id = ? and generation >= ?)").join(" or ")}`,
      claims.flatMap(({ provider }) => [provider, 0]),
    ],
    insert(
      "consumers (created_at, uuid, project_id, user_id, generation)",
      claims.map(({ consumer }) => [DATE, consumer, 1, 1, 1]),
    ),
    insert(
      "allocations (created_at, resource_provider_id, consumer_id, resource_class_id, used)",
      claims.flatMap(({ consumer, provider }) =>
        [0, 1, 2].map((resourceClass) => [DATE, provider, consumer, resourceClass, 1]),
      ),
    ),
    insert(
      "stowage_changes (created_at, kind, resource_provider_id, subject, request_id)",
      claims.flatMap(({ consumer, provider }) => [
        [DATE, "provider", provider, `provider ${provider}`, "req"],
        [DATE, "consumer", null, consumer, "req"],
      ]),
    ),
  ];
}

function insert(into: string, rows: unknown[][]): [string, unknown[]] {
  const places = rows.map((row) => `(${row.map(() => "?").join(", ")})`);
  return [`insert into ${into} values ${places.join(", ")}`, rows.flat()];
}

async function hopUs(session: Session): Promise<string> {
  const count = 5000;
  for (let i = 0; i < count; i += 1) await session.run("select 1", []);
  const start = performance.now();
  for (let i = 0; i < count; i += 1) await session.run("select 1", []);
  return (((performance.now() - start) * 1000) / count).toFixed(0);
}

function quantile(sorted: readonly number[], fraction: number): string {
  return (sorted[Math.floor(sorted.length * fraction)] ?? Number.NaN).toFixed(1);
}
