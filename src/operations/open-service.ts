import { messageOf } from "../config/operator-error.ts";
import type { Config } from "../config/config.ts";
import type { Database, DatabaseOptions } from "../db/database.ts";
import { moveIdCounters } from "../db/migrations/id-counters.ts";
import { adopt, checkIsReadable, migrate } from "../db/migrations/migrate.ts";
import { openDatabase } from "../db/open-database.ts";
import { ensureStandardNames } from "../db/standard-names.ts";
import { internalContext } from "../db/change.ts";
import type { Logger } from "../observability/logger.ts";
import { StillReadModel, type StillRecords } from "../read-model/still-read-model.ts";
import { describeOddTrees, findOddTreesOfIndex } from "./odd-trees.ts";
import { Service } from "./service.ts";

export type { StillRecords };

/** What is done at start belongs to no request. */
const START = internalContext("start");

const UNKNOWN_WRITER =
  "Another program writes to the database, perhaps Placement, and answers may be out of date: " +
  'run "stowage db triggers install"';

const OVERTAKEN =
  "Another program has written to the database file, which belongs to this process: everything is read " +
  "anew. What is written at the same moment may be judged by what was before: let no other program write";

interface OpenServiceOptions extends Pick<DatabaseOptions, "onStatement" | "metrics" | "logger"> {
  /** Whether to create or upgrade the schema; otherwise it has to be the newest already. */
  readonly mayMigrate: boolean;
}

/**
 * Opens the database that the configuration names, makes sure of its schema and of the standard
 * resource classes and traits, and builds the read model.
 *
 * @throws ConfigError, SchemaMismatch, DatabaseUnavailable
 */
export async function openService(
  config: Config,
  { mayMigrate, ...options }: OpenServiceOptions,
): Promise<Service> {
  const database = await openDatabase(config, options);
  try {
    await (mayMigrate ? migrate(database) : adopt(database));
    await complete(database, options.logger);
    return await build(config, database, options.logger);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/**
 * Opens a database that somebody else serves, be it Placement, to be asked only: nothing is written, and none of
 * our own tables is needed. What is answered is of this moment.
 *
 * @throws ConfigError, SchemaMismatch, DatabaseUnavailable
 */
export async function readService(
  config: Config,
  options: Pick<DatabaseOptions, "onAway"> = {},
): Promise<Service> {
  const database = await openDatabase(config, { ...options, isReadOnly: true });
  try {
    await checkIsReadable(database);
    return Service.still(config, database, await StillReadModel.read(database));
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** What is known of providers, to be asked: of consumers, nothing is known. */
export async function serviceOfRecords(config: Config, records: StillRecords): Promise<Service> {
  const database = await openDatabase(config, { isReadOnly: true });
  return Service.still(config, database, new StillReadModel(database, records));
}

/** Adds what the schema does not, and mends what a copy of the rows leaves behind. */
async function complete(database: Database, logger: Warner | undefined): Promise<void> {
  for (const table of await database.writer(START, moveIdCounters)) {
    logger?.warn(
      `The counter of the ids of ${table} was behind them, as after a copy of the rows: it was moved`,
    );
  }
  await database.writer(START, ensureStandardNames);
}

/** Builds the read model, and says what is odd about it. Writes nothing. */
async function build(
  config: Config,
  database: Database,
  logger: Warner | undefined,
): Promise<Service> {
  const service = await Service.start(config, database, {
    onUnknownWriter: () => logger?.warn(database.adapter.isShared ? UNKNOWN_WRITER : OVERTAKEN),
    onUnwrittenRefusals: (error) =>
      logger?.warn(`What requests did not get cannot be noted, or not why: ${messageOf(error)}`),
    onBreach: (breach) => logger?.warn(`The change feed ${breach}: everything was read anew`),
  });
  const oddTrees = findOddTreesOfIndex(await service.freshIndex(START));
  for (const sentence of describeOddTrees(oddTrees)) logger?.warn(sentence);
  return service;
}

type Warner = Pick<Logger, "warn">;
