import type { Config } from "../config/config.ts";
import { databaseOf } from "../config/database-of.ts";
import { Database, type DatabaseOptions } from "./database.ts";

/**
 * Opens the database that the configuration names, on its terms.
 *
 * @throws ConfigError when the URL is not one that is supported
 * @throws DatabaseUnavailable when there is nothing at the other end, or it refuses the session
 */
export function openDatabase(
  config: Pick<Config, "placementDatabase" | "stowage">,
  options: Pick<
    DatabaseOptions,
    "onStatement" | "metrics" | "logger" | "onAway" | "isReadOnly"
  > = {},
): Promise<Database> {
  const { placementDatabase, stowage } = config;
  const { databaseTimeout } = stowage;
  return Database.open(databaseOf(config), { ...placementDatabase, databaseTimeout, ...options });
}
