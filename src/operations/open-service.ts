import type { Config } from "../config/config.ts";
import { parseConnectionUrl } from "../config/connection-url.ts";
import { Database, type DatabaseOptions } from "../db/database.ts";
import { adopt, migrate } from "../db/migrations/migrate.ts";
import { ensureStandardNames } from "../db/standard-names.ts";
import type { DatabaseContext } from "../db/transaction.ts";
import { Service } from "./service.ts";

/** What is done at start belongs to no request. */
const START: DatabaseContext = { requestId: "start", userId: undefined, projectId: undefined };

const UNKNOWN_WRITER =
  "Another program writes to the database, perhaps Placement, and answers may be out of date: " +
  'run "stowage db triggers install"';

export interface OpenServiceOptions extends Pick<
  DatabaseOptions,
  "onStatement" | "metrics" | "logger"
> {
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
  const { placementDatabase, stowage } = config;
  const { connection, connectionParameters } = placementDatabase;
  const settings = parseConnectionUrl(connection, connectionParameters);
  const { databaseTimeout } = stowage;
  const database = await Database.open(settings, {
    ...placementDatabase,
    databaseTimeout,
    ...options,
  });
  try {
    await (mayMigrate ? migrate(database) : adopt(database));
    await database.writer(START, ensureStandardNames);
    return await Service.start(config, database, () => options.logger?.warn(UNKNOWN_WRITER));
  } catch (error) {
    await database.close();
    throw error;
  }
}
