import { ConnectionParameters, connectionProblem, type UrlParts } from "./connection-parameters.ts";
import { mysqlConnection, type MysqlConnection } from "./mysql-connection.ts";
import { postgresConnection, type PostgresConnection } from "./postgres-connection.ts";

export interface SqliteConnection {
  readonly engine: "sqlite";
  /** The path of the file, `:memory:` for a database that lives as long as the process. */
  readonly file: string;
  /** Seconds to wait for another process that writes. */
  readonly timeoutSeconds: number | undefined;
  readonly parameters: Readonly<Record<string, string>>;
}

export type DatabaseConnection = SqliteConnection | MysqlConnection | PostgresConnection;

/**
 * Reads a database URL as SQLAlchemy writes it: `engine+driver://user:password@host:port/database`
 * with driver-specific parameters after a question mark. The driver may be left out and is ignored.
 * User, password and parameters may be percent-encoded, the database's name or path is taken as it is.
 *
 * @param url the value of `[placement_database] connection`
 * @param connectionParameters the value of `[placement_database] connection_parameters`
 * @throws ConfigError when the URL, the engine or a parameter is not supported, or when the MySQL
 *   option file that `read_default_file` names cannot be read. The message holds no password.
 */
export function parseConnectionUrl(url: string, connectionParameters = ""): DatabaseConnection {
  const { scheme, parts, query } = splitUrl(url);
  const parameters = new ConnectionParameters(query, connectionParameters);
  switch (scheme.replace(/\+.*/, "")) {
    case "sqlite":
      return sqliteConnection(scheme, parts, parameters);
    case "mysql":
    case "mariadb":
      return mysqlConnection(parts, parameters);
    case "postgresql":
    case "postgres":
      return postgresConnection(parts, parameters);
    default:
      throw connectionProblem(
        `the database ${scheme} is not supported; use sqlite, mysql, mariadb or postgresql`,
      );
  }
}

/** The connection for a log line or a message: everything that tells it apart but the password. */
export function describeConnection(connection: DatabaseConnection): string {
  const { engine } = connection;
  if (engine === "sqlite") {
    return connection.file === ":memory:" ? "sqlite in memory" : `sqlite:///${connection.file}`;
  }
  const user = connection.user === undefined ? "" : `${connection.user}@`;
  const host = connection.host.includes(":") ? `[${connection.host}]` : connection.host;
  const server =
    connection.socketPath === undefined ? `${host}:${connection.port}` : connection.socketPath;
  return `${engine}://${user}${server}/${connection.database}`;
}

/** The pattern of `sqlalchemy/engine/url.py`, where a password may hold anything but an `@`. */
const URL_PATTERN =
  /^(?<scheme>[\w+]+):\/\/(?:(?<user>[^:/]*)(?::(?<password>[^@]*))?@)?(?:(?:\[(?<ipv6>[^/?]+)\]|(?<ipv4>[^/:?@]+))?(?::(?<port>[^/?]*))?)?(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s;

function splitUrl(url: string): { scheme: string; parts: UrlParts; query: string } {
  const groups = URL_PATTERN.exec(url)?.groups;
  if (/^[\w+]+:\/\/[^:/]*:[^@]*@[^@/?]*@/.test(url)) {
    throw connectionProblem("an @ in the password must be written as %40");
  }
  if (groups === undefined || /[[\]]/.test(groups["ipv4"] ?? "")) {
    throw connectionProblem(
      "is not a database URL, such as mysql+pymysql://user:password@host/placement",
    );
  }
  const host = groups["ipv6"] ?? groups["ipv4"];
  return {
    scheme: groups["scheme"] ?? "",
    parts: {
      user: unquote(groups["user"]),
      password: unquote(groups["password"]),
      host,
      port: parsePort(groups["port"]),
      database: groups["database"] || undefined,
    },
    query: groups["query"] ?? "",
  };
}

/** Unlike `decodeURIComponent`, leaves a stray percent sign alone, as Python's `unquote` does. */
function unquote(text: string | undefined): string | undefined {
  return text?.replaceAll(/(?:%[0-9a-f]{2})+/gi, (encoded) =>
    Buffer.from(encoded.replaceAll("%", ""), "hex").toString("utf8"),
  );
}

function parsePort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw connectionProblem(
    "the port must be a whole number from 0 to 65535, or an @ or : in the user must be percent-encoded",
  );
}

/** Python's driver has these, and they change how Python uses it, not what is stored. */
const HARMLESS_PARAMETERS = [
  "cached_statements",
  "check_same_thread",
  "detect_types",
  "isolation_level",
];

function sqliteConnection(
  scheme: string,
  { user, password, host, port, database }: UrlParts,
  parameters: ConnectionParameters,
): SqliteConnection {
  if (!["sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"].includes(scheme)) {
    throw connectionProblem(`the driver of ${scheme} is not supported; use sqlite:////path`);
  }
  if ([user, password, host, port].some((part) => part !== undefined)) {
    throw connectionProblem(
      "an SQLite database has no host; write sqlite:////absolute/path, sqlite:///relative/path or sqlite://",
    );
  }
  const timeoutSeconds = parameters.integer("timeout");
  parameters.finish(HARMLESS_PARAMETERS);
  return {
    engine: "sqlite",
    file: database ?? ":memory:",
    timeoutSeconds,
    parameters: parameters.all,
  };
}
