import {
  connectionProblem,
  type ConnectionParameters,
  type UrlParts,
} from "./connection-parameters.ts";
import { checkTrust, type TlsSettings } from "./tls-settings.ts";

export interface PostgresConnection {
  readonly engine: "postgres";
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly host: string;
  readonly port: number;
  /** The directory of the server's Unix socket, used instead of the host. */
  readonly socketPath: string | undefined;
  readonly database: string;
  readonly applicationName: string | undefined;
  readonly connectTimeoutSeconds: number | undefined;
  /** Command-line options for the server's session, such as `-c search_path=placement`. */
  readonly options: string | undefined;
  readonly tls: TlsSettings | undefined;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Parameters of libpq that make no difference here: text is UTF-8, and the rest is tuning. */
const HARMLESS_PARAMETERS = [
  "client_encoding",
  "gssencmode",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "sslcompression",
  "sslsni",
  "target_session_attrs",
  "tcp_user_timeout",
];

/** Where libpq looks for the socket when nobody names a host. */
const DEFAULT_SOCKET_DIRECTORY = "/var/run/postgresql";

/** The parameters are libpq's; `host`, `port`, `user`, `password` and `dbname` outrank the URL's. */
export function postgresConnection(
  parts: UrlParts,
  parameters: ConnectionParameters,
): PostgresConnection {
  const host = parameters.text("host") ?? parts.host ?? DEFAULT_SOCKET_DIRECTORY;
  if (host.includes(",")) throw connectionProblem("more than one host is not supported");
  const user = parameters.text("user") ?? (parts.user || undefined);
  const database = parameters.text("dbname") ?? parts.database ?? user;
  if (database === undefined) throw connectionProblem("the URL must end with the database's name");
  const isSocket = host.startsWith("/");
  const connection: PostgresConnection = {
    engine: "postgres",
    user,
    password: parameters.text("password") ?? (parts.password || undefined),
    host: isSocket ? "localhost" : host,
    port: parameters.integer("port") ?? parts.port ?? 5432,
    socketPath: isSocket ? host : undefined,
    database,
    applicationName: parameters.text("application_name"),
    connectTimeoutSeconds: parameters.integer("connect_timeout"),
    options: parameters.text("options"),
    tls: tlsSettings(parameters, isSocket),
    parameters: parameters.all,
  };
  parameters.finish(HARMLESS_PARAMETERS);
  return connection;
}

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

/**
 * libpq's rules: `prefer` where nothing is said, never on a Unix socket, and `require` together with
 * an authority verifies like `verify-ca`.
 */
function tlsSettings(parameters: ConnectionParameters, isSocket: boolean): TlsSettings | undefined {
  const mode = parameters.choice("sslmode", SSL_MODES) ?? "prefer";
  const caFile = parameters.text("sslrootcert");
  const certFile = parameters.text("sslcert");
  const keyFile = parameters.text("sslkey");
  if (isSocket || mode === "disable") return undefined;
  return checkTrust(`sslmode=${mode}`, "sslrootcert", {
    isRequired: mode !== "prefer" && mode !== "allow",
    ...(mode === "allow" && { isLastResort: true }),
    caFile,
    certFile,
    keyFile,
    ciphers: undefined,
    verifiesCertificate: mode.startsWith("verify-") || (mode === "require" && caFile !== undefined),
    verifiesHostname: mode === "verify-full",
  });
}
