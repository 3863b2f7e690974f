import type { Config } from "./config.ts";
import { parseConnectionUrl, type DatabaseConnection } from "./connection-url.ts";

const known = new WeakMap<Config["placementDatabase"], DatabaseConnection>();

/**
 * The database that a configuration names. It is read once for each configuration, and not before somebody
 * asks: a command that needs no database does not fail for its URL.
 *
 * @throws ConfigError see `parseConnectionUrl`
 */
export function databaseOf({ placementDatabase }: Pick<Config, "placementDatabase">) {
  const { connection, connectionParameters } = placementDatabase;
  const database =
    known.get(placementDatabase) ?? parseConnectionUrl(connection, connectionParameters);
  known.set(placementDatabase, database);
  return database;
}
