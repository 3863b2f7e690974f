import { setTimeout as sleep } from "node:timers/promises";

import type { DatabaseConnection } from "../config/connection-url.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { DatabaseUnavailable } from "../domain/errors.ts";
import { DatabaseMisconfigured } from "./errors.ts";

/** Loads only the driver that is needed. */
export async function openAdapter(
  connection: DatabaseConnection,
  options: ConnectionOptions,
): Promise<DatabaseAdapter> {
  if (connection.engine === "sqlite") {
    const { SqliteDatabaseAdapter } = await import("./adapters/sqlite.ts");
    return new SqliteDatabaseAdapter(connection, options.sqliteSynchronous ?? true);
  }
  if (connection.engine === "postgres") {
    const { PostgresDatabaseAdapter } = await import("./adapters/postgres.ts");
    return new PostgresDatabaseAdapter(connection, options);
  }
  const { MysqlDatabaseAdapter } = await import("./adapters/mysql.ts");
  return new MysqlDatabaseAdapter(connection, options);
}

/**
 * Tries to connect until it succeeds, as often and as patiently as the options say: a server may
 * be starting at the same time. Like upstream, it does not wait where that does not help.
 *
 * @param report is told of the first failure
 * @throws DatabaseUnavailable when it is not there after the last attempt, DatabaseMisconfigured at once
 */
export async function connectPatiently(
  connect: () => Promise<void>,
  { maxRetries = 0, retryInterval = 0 }: ConnectionOptions,
  report: (error: DatabaseUnavailable) => void,
): Promise<void> {
  for (let retries = 0; ; retries += 1) {
    try {
      await connect();
      return;
    } catch (error) {
      const isLast = maxRetries >= 0 && retries >= maxRetries;
      if (isLast || !isWorthWaiting(error)) throw error;
      if (retries === 0) report(error);
    }
    await sleep(retryInterval * 1000);
  }
}

function isWorthWaiting(error: unknown): error is DatabaseUnavailable {
  return error instanceof DatabaseUnavailable && !(error instanceof DatabaseMisconfigured);
}
