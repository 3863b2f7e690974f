import {
  connectionProblem,
  type ConnectionParameters,
  type UrlParts,
} from "./connection-parameters.ts";
import { readMysqlOptionFile, type MysqlOptions } from "./mysql-option-file.ts";
import { checkTrust, type TlsSettings } from "./tls-settings.ts";

/** MySQL and MariaDB. */
export interface MysqlConnection {
  readonly engine: "mysql";
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly host: string;
  readonly port: number;
  /** The Unix socket of the server, used instead of host and port. */
  readonly socketPath: string | undefined;
  /** The address that the connection starts from. */
  readonly localAddress: string | undefined;
  readonly database: string;
  readonly connectTimeoutSeconds: number | undefined;
  readonly tls: TlsSettings | undefined;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Parameters of PyMySQL and mysqlclient that change how Python uses them, not what is stored. `charset`
 * is among them: all that a table can hold goes to and fro as `utf8mb4`.
 */
const HARMLESS_PARAMETERS = [
  "autocommit",
  "binary_prefix",
  "charset",
  "compress",
  "local_infile",
  "max_allowed_packet",
  "program_name",
  "read_timeout",
  "use_unicode",
  "write_timeout",
];

/** For Placement beside Stowage, see docs/migrating-from-placement.md; Stowage sets its own level. */
const SETS_ISOLATION_LEVEL = /^set (session )?transaction isolation level [a-z ]+;?$/i;

/** What the URL leaves open may come from an option file, as with PyMySQL's `read_default_file`. */
export function mysqlConnection(
  parts: UrlParts,
  parameters: ConnectionParameters,
): MysqlConnection {
  const options = optionFile(parameters);
  const database = parts.database ?? options["database"];
  if (database === undefined) throw connectionProblem("the URL must end with the database's name");
  const connection: MysqlConnection = {
    engine: "mysql",
    user: parts.user || options["user"],
    password: parts.password || options["password"],
    host: parts.host ?? options["host"] ?? "localhost",
    port: parts.port ?? portOf(options) ?? 3306,
    socketPath: parameters.text("unix_socket") ?? options["socket"],
    localAddress: parameters.text("bind_address") ?? options["bind-address"],
    database,
    connectTimeoutSeconds: parameters.integer("connect_timeout"),
    tls: tlsSettings(parameters, options),
    parameters: parameters.all,
  };
  const isLevel = SETS_ISOLATION_LEVEL.test(parameters.all["init_command"] ?? "");
  parameters.finish([...HARMLESS_PARAMETERS, ...(isLevel ? ["init_command"] : [])]);
  return connection;
}

function optionFile(parameters: ConnectionParameters): MysqlOptions {
  const file = parameters.text("read_default_file");
  const group = parameters.text("read_default_group");
  if (file === undefined && group === undefined) return {};
  return readMysqlOptionFile(file ?? "/etc/my.cnf", group ?? "client");
}

function portOf(options: MysqlOptions): number | undefined {
  const port = options["port"];
  if (port === undefined) return undefined;
  if (!/^\d{1,5}$/.test(port)) throw connectionProblem("port in the option file must be a number");
  return Number(port);
}

/**
 * PyMySQL encrypts as soon as a certificate is given, or a wish to verify or not, and verifies certificate
 * and host name as soon as it knows the authority; `ssl_mode` is mysqlclient's.
 */
function tlsSettings(
  parameters: ConnectionParameters,
  options: MysqlOptions,
): TlsSettings | undefined {
  const caFile = parameters.text("ssl_ca") ?? options["ssl-ca"];
  const certFile = parameters.text("ssl_cert") ?? options["ssl-cert"];
  const keyFile = parameters.text("ssl_key") ?? options["ssl-key"];
  const ciphers = parameters.text("ssl_cipher") ?? options["ssl-cipher"];
  const verifyCertificate = parameters.boolean("ssl_verify_cert");
  const verifyIdentity = parameters.boolean("ssl_verify_identity");
  const checkHostname = parameters.boolean("ssl_check_hostname");
  const isDisabled = parameters.boolean("ssl_disabled") ?? false;
  const mode = parameters.choice("ssl_mode", SSL_MODES);
  if (options["ssl-capath"] !== undefined) {
    throw connectionProblem("ssl-capath in the option file is not supported; use ssl-ca");
  }
  if (isDisabled || mode === "DISABLED") return undefined;

  const wishes = [verifyCertificate, verifyIdentity, checkHostname];
  const isAskedFor = [caFile, certFile, keyFile, ciphers, mode, ...wishes].some(
    (wish) => wish !== undefined,
  );
  if (!isAskedFor) return undefined;

  const verifiesHostname =
    mode === undefined
      ? (verifyIdentity ?? checkHostname ?? caFile !== undefined)
      : mode === "VERIFY_IDENTITY";
  const verifiesCertificate =
    mode === undefined
      ? (verifyCertificate ?? (verifyIdentity === true || caFile !== undefined))
      : mode === "VERIFY_CA" || mode === "VERIFY_IDENTITY";
  return checkTrust(mode ? `ssl_mode=${mode}` : "ssl_verify_cert", "ssl_ca", {
    isRequired: mode !== "PREFERRED",
    caFile,
    certFile,
    keyFile,
    ciphers,
    verifiesCertificate,
    verifiesHostname: verifiesHostname && verifiesCertificate,
  });
}

const SSL_MODES = ["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] as const;
