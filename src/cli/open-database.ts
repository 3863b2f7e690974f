import type { Config } from "../config/config.ts";
import { parseConnectionUrl } from "../config/connection-url.ts";
import { Database } from "../db/database.ts";

/**
 * Opens the database that the configuration names. Says on standard error when that has to wait.
 *
 * @throws ConfigError when the URL is not one that is supported
 * @throws DatabaseUnavailable when there is nothing at the other end, or it refuses the session
 */
export async function openDatabase({ placementDatabase, stowage }: Config): Promise<Database> {
  const { connection, connectionParameters } = placementDatabase;
  const { databaseTimeout } = stowage;
  return Database.open(parseConnectionUrl(connection, connectionParameters), {
    ...placementDatabase,
    databaseTimeout,
    onAway: ({ message }) =>
      console.error(`stowage: the database is away: ${message}; waiting for it`),
  });
}

/** Opens the database for the time that a function needs it. */
export async function withDatabase<Result>(
  config: Config,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = await openDatabase(config);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
