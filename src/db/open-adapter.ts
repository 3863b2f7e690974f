import type { Config } from "../config/config.ts";
import type { DatabaseConnection } from "../config/connection-url.ts";
import type { DatabaseAdapter } from "./adapter.ts";

/** How connections are made and kept: options of `[placement_database]`, or their defaults. */
export type ConnectionOptions = Partial<Pick<Config["placementDatabase"], "sqliteSynchronous">>;

/** Loads only the driver that is needed. */
export async function openAdapter(
  connection: DatabaseConnection,
  options: ConnectionOptions,
): Promise<DatabaseAdapter> {
  if (connection.engine !== "sqlite") throw new Error(`no adapter for ${connection.engine} yet`);
  const { SqliteDatabaseAdapter } = await import("./adapters/sqlite.ts");
  return new SqliteDatabaseAdapter(connection, options.sqliteSynchronous ?? true);
}
