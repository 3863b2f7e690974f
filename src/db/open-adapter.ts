import type { DatabaseConnection } from "../config/connection-url.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import type { ConnectionOptions } from "./connection-options.ts";

/** Loads only the driver that is needed. */
export async function openAdapter(
  connection: DatabaseConnection,
  options: ConnectionOptions,
): Promise<DatabaseAdapter> {
  if (connection.engine === "sqlite") {
    const { SqliteDatabaseAdapter } = await import("./adapters/sqlite.ts");
    return new SqliteDatabaseAdapter(connection, options);
  }
  if (connection.engine === "postgres") {
    const { PostgresDatabaseAdapter } = await import("./adapters/postgres.ts");
    return new PostgresDatabaseAdapter(connection, options);
  }
  const { MysqlDatabaseAdapter } = await import("./adapters/mysql.ts");
  return new MysqlDatabaseAdapter(connection, options);
}
