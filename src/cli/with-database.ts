import type { Config } from "../config/config.ts";
import type { Database, DatabaseOptions } from "../db/database.ts";
import { openDatabase } from "../db/open-database.ts";
import type { Terminal } from "./terminal.ts";

/** Opens the database for the time that a function needs it. Says so when that has to wait. */
export async function withDatabase<Result>(
  config: Config,
  { problems }: Terminal,
  work: (database: Database) => Promise<Result>,
  options: Pick<DatabaseOptions, "isReadOnly"> = {},
): Promise<Result> {
  const database = await openDatabase(config, {
    ...options,
    onAway: ({ message }) =>
      problems.write(`stowage: the database is away: ${message}; waiting for it\n`),
  });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
