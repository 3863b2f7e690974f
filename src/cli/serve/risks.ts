import type { Config } from "../../config/config.ts";
import { COUNTING_PLUGIN } from "../../config/connection-parameters.ts";
import type { DatabaseConnection } from "../../config/connection-url.ts";
import { databaseOf } from "../../config/database-of.ts";
import { isLoopback } from "../../http/loopback.ts";

/** What is allowed but should not go unnoticed: a warning each, for the log. */
export function describeRisks(config: Config): string[] {
  const database = databaseOf(config);
  return [
    ...(config.api.authStrategy === "noauth2" ? [NOAUTH2] : []),
    ...(maySendInTheClear(database) ? [describeClearText(database)] : []),
    ...(database.parameters["plugin"] === COUNTING_PLUGIN ? [NO_PLUGIN] : []),
  ];
}

const NOAUTH2 =
  "[api] auth_strategy = noauth2: nobody is asked for a password, and whoever reaches the service may be " +
  "an administrator; a proxy in front of it lets in whoever reaches the proxy";

const NO_PLUGIN =
  `[placement_database] connection: plugin=${COUNTING_PLUGIN} has no effect: SQLAlchemy is not used, and ` +
  "nothing counts queries";

type ServerConnection = Exclude<DatabaseConnection, { readonly engine: "sqlite" }>;

/** Also where encryption is tried first: whoever is in between says that there is none. */
function maySendInTheClear(database: DatabaseConnection): database is ServerConnection {
  if (database.engine === "sqlite" || database.socketPath !== undefined) return false;
  return database.tls?.isRequired !== true && !isLoopback(database.host);
}

function describeClearText({ engine, host }: ServerConnection): string {
  const advice = engine === "postgres" ? "sslmode=verify-full" : "ssl_ca and ssl_verify_identity";
  return (
    `[placement_database] connection: nothing makes sure that the connection to ${host} is encrypted; ` +
    `see ${advice}`
  );
}
