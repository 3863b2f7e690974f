import type { DatabaseAdapter } from "./adapter.ts";

/** Where the database is. */
export interface ConnectionSettings {
  readonly engine: "sqlite";
  /** The path of the database file; `:memory:` for a database that lives as long as the process. */
  readonly file: string;
}

/** Loads only the driver that is needed. */
export async function openAdapter(
  connection: ConnectionSettings,
  options: { readonly sqliteSynchronous?: boolean },
): Promise<DatabaseAdapter> {
  const { SqliteDatabaseAdapter } = await import("./adapters/sqlite.ts");
  return new SqliteDatabaseAdapter({
    file: connection.file,
    synchronous: options.sqliteSynchronous ?? true,
  });
}
