import type { Config } from "../config/config.ts";

/** How connections are made and kept: options of `[placement_database]`, or their defaults. */
export type ConnectionOptions = Partial<
  Pick<
    Config["placementDatabase"],
    | "sqliteSynchronous"
    | "mysqlSqlMode"
    | "maxPoolSize"
    | "maxOverflow"
    | "poolTimeout"
    | "connectionRecycleTime"
    | "maxRetries"
    | "retryInterval"
  > &
    Pick<Config["stowage"], "databaseTimeout">
> & {
  /** Whether nothing may be written, not even by whoever is asked to: also to a file that another process serves. */
  readonly isReadOnly?: boolean;
  /** Is told of each new session with which run of which server it is, before the session is used. */
  readonly onServer?: (server: string) => void;
};
