import { internalContext } from "../../db/change.ts";
import type { Config } from "../../config/config.ts";
import type { Database } from "../../db/database.ts";
import {
  checkHasSchema,
  currentRevision,
  describeSchema,
  ensureStowageTables,
  migrate,
  stamp,
  type SchemaDescription,
} from "../../db/migrations/migrate.ts";
import {
  createIncompleteConsumers,
  setRootProviderIds,
  type MigratedBatch,
} from "../../db/online-migrations.ts";
import type { WriteTransaction } from "../../db/transaction.ts";
import { withDatabase } from "../with-database.ts";
import type { Terminal } from "../terminal.ts";
import { formatTable } from "./text-table.ts";

// The commands of `placement-manage db`, with their arguments, outputs and exit codes.

/**
 * `db sync`: creates the schema or upgrades it. Says what was made, where `placement-manage` says
 * nothing.
 */
export async function syncDatabase(config: Config, terminal: Terminal): Promise<number> {
  const [before, after] = await withDatabase(config, terminal, async (database) => {
    const found = await describeSchema(database);
    await migrate(database);
    return [found, await describeSchema(database)];
  });
  const made = [...after.tables].filter((table) => !before.tables.has(table)).toSorted();
  terminal.output.write(
    [
      `The schema is at revision ${after.revision}${comparison(before, after)}.`,
      ...(made.length > 0 ? [`Tables made: ${made.join(", ")}.`] : []),
      "",
    ].join("\n"),
  );
  return 0;
}

function comparison(before: SchemaDescription, after: SchemaDescription): string {
  if (before.revision === undefined) return ", which is new";
  return before.revision === after.revision ? ", as before" : `; it was at ${before.revision}`;
}

/** `db version`: prints the revision of the schema, `None` when there is none. */
export async function printDatabaseVersion(config: Config, terminal: Terminal): Promise<number> {
  const revision = await withDatabase(config, terminal, currentRevision);
  terminal.output.write(`${revision ?? "None"}\n`);
  return 0;
}

/** `db stamp <version>`: says that the schema is at a revision, without touching it. */
export async function stampDatabase(
  config: Config,
  version: string,
  terminal: Terminal,
): Promise<number> {
  await withDatabase(config, terminal, (database) => stamp(database, version));
  return 0;
}

/**
 * `db online_data_migrations [--max-count <number>]`: migrates data that older releases left
 * behind, in batches.
 *
 * @param maxCount how many records to migrate at most, as it was typed
 * @returns 0 when nothing (more) is to be done, 1 when some was done under a limit, 2 when
 *   something failed and nothing else could be done, 127 for a limit that is none
 * @throws {SchemaMismatch} when the database has no tables
 */
export async function runOnlineDataMigrations(
  config: Config,
  maxCount: string | undefined,
  terminal: Terminal,
): Promise<number> {
  const { output, problems } = terminal;
  const limit = maxCount === undefined ? undefined : Number(maxCount);
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
    problems.write("stowage: must supply a positive value for max_count\n");
    return 127;
  }
  return withDatabase(config, terminal, async (database) => {
    await checkHasSchema(database);
    await ensureStowageTables(database);
    const isLimited = limit !== undefined;
    const batchSize = limit ?? DEFAULT_BATCH_SIZE;
    if (!isLimited) output.write(`Running batches of ${batchSize} until complete\n`);

    const totals = new Map<string, MigratedBatch>();
    let batch: BatchOutcome;
    for (;;) {
      batch = await runBatch(database, config, batchSize, totals, terminal);
      addTo(totals, batch);
      if (isLimited || batch.migrated === 0) break;
    }

    output.write(summary(totals));
    // Under a limit, what was done may be what a failing migration waited for.
    if (batch.hasFailed && !(isLimited && batch.migrated > 0)) {
      problems.write("stowage: some migrations failed unexpectedly. Check log for details.\n");
      return 2;
    }
    return batch.migrated > 0 ? 1 : 0;
  });
}

const DEFAULT_BATCH_SIZE = 50;

/** Takes how many records to migrate at most, and where the batch before ended. */
type OnlineMigration = (
  tx: WriteTransaction,
  size: number,
  last: MigratedBatch["last"],
  config: Config,
) => Promise<MigratedBatch>;

/** By the names under which upstream prints them. */
const ONLINE_MIGRATIONS: Readonly<Record<string, OnlineMigration>> = {
  set_root_provider_ids: setRootProviderIds,
  create_incomplete_consumers: (tx, size, last, { placement }) =>
    createIncompleteConsumers(
      tx,
      size,
      placement.incompleteConsumerProjectId,
      placement.incompleteConsumerUserId,
      last,
    ),
};

interface BatchOutcome {
  readonly results: ReadonlyMap<string, MigratedBatch>;
  readonly migrated: number;
  readonly hasFailed: boolean;
}

/** Runs the migrations one after the other until the batch is full. */
async function runBatch(
  database: Database,
  config: Config,
  batchSize: number,
  before: ReadonlyMap<string, MigratedBatch>,
  { output, problems }: Terminal,
): Promise<BatchOutcome> {
  const results = new Map<string, MigratedBatch>();
  let migrated = 0;
  let hasFailed = false;
  for (const [name, run] of Object.entries(ONLINE_MIGRATIONS)) {
    let result: MigratedBatch = { found: 0, migrated: 0 };
    try {
      const { last } = before.get(name) ?? {};
      result = await database.writer(DATA_CONTEXT, (tx) =>
        run(tx, batchSize - migrated, last, config),
      );
    } catch (error) {
      problems.write(`stowage: error attempting to run ${name}: ${String(error)}\n`);
      hasFailed = true;
    }
    if (result.found > 0) {
      output.write(`${result.found} rows matched query ${name}, ${result.migrated} migrated\n`);
    }
    results.set(name, result);
    migrated += result.migrated;
    if (migrated >= batchSize) break;
  }
  return { results, migrated, hasFailed };
}

const DATA_CONTEXT = internalContext("online_data_migrations");

function addTo(totals: Map<string, MigratedBatch>, batch: BatchOutcome): void {
  for (const [name, { found, migrated, last }] of batch.results) {
    const total = totals.get(name) ?? { found: 0, migrated: 0 };
    totals.set(name, {
      found: total.found + found,
      migrated: total.migrated + migrated,
      last: last ?? total.last,
    });
  }
}

function summary(totals: ReadonlyMap<string, MigratedBatch>): string {
  const rows = [...totals].map(([name, { found, migrated }]) => [name, `${found}`, `${migrated}`]);
  return formatTable(["Migration", "Total Found", "Completed"], rows);
}
