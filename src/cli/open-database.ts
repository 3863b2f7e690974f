import type { Config } from "../config/config.ts";
import { parseConnectionUrl } from "../config/connection-url.ts";
import { Database } from "../db/database.ts";

/**
 * Opens the database that the configuration names.
 *
 * @throws ConfigError when the URL is not one that is supported
 * @throws DatabaseUnavailable when there is nothing at the other end
 */
export async function openDatabase({ placementDatabase }: Config): Promise<Database> {
  const { connection, connectionParameters } = placementDatabase;
  return Database.open(parseConnectionUrl(connection, connectionParameters), placementDatabase);
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
