import type { Config } from "../config/config.ts";
import { parseConnectionUrl } from "../config/connection-url.ts";
import { Database } from "../db/database.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Opens the database that the configuration names. Says so when that has to wait.
 *
 * @throws ConfigError when the URL is not one that is supported
 * @throws DatabaseUnavailable when there is nothing at the other end, or it refuses the session
 */
async function openDatabase(
  { placementDatabase, stowage }: Config,
  { problems }: Terminal,
): Promise<Database> {
  const { connection, connectionParameters } = placementDatabase;
  const { databaseTimeout } = stowage;
  return Database.open(parseConnectionUrl(connection, connectionParameters), {
    ...placementDatabase,
    databaseTimeout,
    onAway: ({ message }) =>
      problems.write(`stowage: the database is away: ${message}; waiting for it\n`),
  });
}

/** Opens the database for the time that a function needs it. */
export async function withDatabase<Result>(
  config: Config,
  terminal: Terminal,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const database = await openDatabase(config, terminal);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
