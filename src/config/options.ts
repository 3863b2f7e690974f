/**
 * The one table of every option that Stowage knows. The configuration's type, the reading of
 * `placement.conf` and the environment, and `docs/reference/options.md` all come from it.
 *
 * Names, groups, defaults and limits of everything outside `[stowage]` are upstream's: Placement's
 * own `placement/conf`, and the libraries that it registers (oslo.log, oslo.policy, oslo.middleware,
 * keystonemiddleware, keystoneauth).
 */

/** A former place of an option: where `group` or `name` is left out, the present one counts. */
interface DeprecatedName {
  readonly group?: string;
  readonly name?: string;
}

/**
 * When a change of an option takes effect: `reload` with SIGHUP, without an interruption; `restart` when a
 * process starts, which with several workers is SIGHUP as well, as it replaces them.
 */
type TakesEffect = "reload" | "restart";

interface CommonFacts {
  /** What the option does, in Markdown, for the reference page. */
  readonly help: string;
  readonly deprecatedNames?: readonly DeprecatedName[];
  /** The value must not show up in logs and error messages. */
  readonly secret?: true;
  /** Read from the group that `[keystone_authtoken] auth_section` names, where that is set. */
  readonly followsAuthSection?: true;
}

interface EffectiveFacts extends CommonFacts {
  readonly takesEffect: TakesEffect;
  readonly ignored?: never;
}

interface IgnoredFacts extends CommonFacts {
  /** The option is accepted because upstream has it, but does nothing here; the text says why. */
  readonly ignored: string;
  readonly takesEffect?: never;
}

interface BooleanValue {
  readonly type: "boolean";
  readonly default: boolean;
}

/** `integer` is a whole number, `float` any finite number. */
export interface NumberValue {
  readonly type: "integer" | "float";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
}

export interface StringValue {
  readonly type: "string";
  readonly default?: string;
  readonly choices?: readonly string[];
  /** `choices` match in any case; the value is the spelling of the choice. */
  readonly ignoreCase?: true;
  /** Without a value, a configured service must not start. */
  readonly required?: true;
}

/** `list` is one value with commas; `multi` is one value per line, the key repeated. */
interface ListValue {
  readonly type: "list" | "multi";
  readonly default: readonly string[];
}

/** What values an option may have. */
export type ValueDefinition = BooleanValue | NumberValue | StringValue | ListValue;

type OptionDefinition = (EffectiveFacts | IgnoredFacts) & ValueDefinition;

const NO_PYTHON = "there is no Python installation to point to";
const NO_PYTHON_LOGGING = "logging does not go through Python's logging module";
const LOG_FORMAT = "the fields of a log line are fixed";
const LOG_SERVICE = "log to standard error or `log_file`, and let the service manager collect it";
const LOG_ROTATION = "rotation is the work of logrotate or of the service manager";
const LOG_RATE = "nothing is logged so often that it would have to be limited";
const NO_SQLALCHEMY = "SQLAlchemy is not used";
const NO_REMOTE_CHECKS = "a rule that asks a remote server (`http:`, `https:`) is refused";
const LOCAL_TOKEN_CACHE = "validated tokens are cached in the memory of the process";

export const OPTIONS = {
  DEFAULT: {
    debug: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Log at level DEBUG instead of INFO.",
    },
    log_config_append: {
      type: "string",
      deprecatedNames: [{ name: "log_config" }],
      ignored: NO_PYTHON_LOGGING,
      help: "A configuration file of Python's logging module.",
    },
    log_date_format: {
      type: "string",
      default: "%Y-%m-%d %H:%M:%S",
      ignored: LOG_FORMAT,
      help: "The format of times in log lines.",
    },
    log_file: {
      type: "string",
      deprecatedNames: [{ name: "logfile" }],
      takesEffect: "reload",
      help: "The file that log lines are appended to. A relative path is taken from `log_dir`.",
    },
    log_dir: {
      type: "string",
      deprecatedNames: [{ name: "logdir" }],
      takesEffect: "reload",
      help: "The directory of a relative `log_file`.",
    },
    use_syslog: {
      type: "boolean",
      default: false,
      ignored: LOG_SERVICE,
      help: "Log to syslog.",
    },
    use_journal: {
      type: "boolean",
      default: false,
      ignored: LOG_SERVICE,
      help: "Log to the journal of systemd.",
    },
    use_eventlog: {
      type: "boolean",
      default: false,
      ignored: LOG_SERVICE,
      help: "Log to the event log of Windows.",
    },
    syslog_log_facility: {
      type: "string",
      default: "LOG_USER",
      ignored: LOG_SERVICE,
      help: "The syslog facility.",
    },
    use_json: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Log lines are JSON objects.",
    },
    use_stderr: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Log to standard error as well when there is a `log_file`. Without one, standard error is used in any case.",
    },
    log_color: {
      type: "boolean",
      default: false,
      ignored: LOG_FORMAT,
      help: "Colour log lines by level.",
    },
    watch_log_file: {
      type: "boolean",
      default: false,
      ignored: LOG_ROTATION,
      help: "Open the log file anew when it was moved.",
    },
    log_rotate_interval: {
      type: "integer",
      default: 1,
      ignored: LOG_ROTATION,
      help: "The time between rotations.",
    },
    log_rotate_interval_type: {
      type: "string",
      default: "Days",
      choices: ["Seconds", "Minutes", "Hours", "Days", "Weekday", "Midnight"],
      ignoreCase: true,
      ignored: LOG_ROTATION,
      help: "The unit of `log_rotate_interval`.",
    },
    max_logfile_count: {
      type: "integer",
      default: 30,
      ignored: LOG_ROTATION,
      help: "How many rotated files are kept.",
    },
    max_logfile_size_mb: {
      type: "integer",
      default: 200,
      ignored: LOG_ROTATION,
      help: "The size at which a file is rotated.",
    },
    log_rotation_type: {
      type: "string",
      default: "none",
      choices: ["interval", "size", "none"],
      ignoreCase: true,
      ignored: LOG_ROTATION,
      help: "What makes a log file rotate.",
    },
    logging_context_format_string: {
      type: "string",
      default:
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [%(global_request_id)s %(request_id)s %(user_identity)s] %(instance)s%(message)s",
      ignored: LOG_FORMAT,
      help: "The format of a log line that belongs to a request.",
    },
    logging_default_format_string: {
      type: "string",
      default:
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s",
      ignored: LOG_FORMAT,
      help: "The format of any other log line.",
    },
    logging_debug_format_suffix: {
      type: "string",
      default: "%(funcName)s %(pathname)s:%(lineno)d",
      ignored: LOG_FORMAT,
      help: "What a log line of level DEBUG ends with.",
    },
    logging_exception_prefix: {
      type: "string",
      default: "%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s",
      ignored: LOG_FORMAT,
      help: "What each line of a stack trace starts with.",
    },
    logging_user_identity_format: {
      type: "string",
      default:
        "%(user)s %(project)s %(domain)s %(system_scope)s %(user_domain)s %(project_domain)s",
      ignored: LOG_FORMAT,
      help: "How the user is shown in a log line.",
    },
    default_log_levels: {
      type: "list",
      default: [
        "amqp=WARN",
        "boto=WARN",
        "sqlalchemy=WARN",
        "suds=INFO",
        "oslo.messaging=INFO",
        "oslo_messaging=INFO",
        "iso8601=WARN",
        "requests.packages.urllib3.connectionpool=WARN",
        "urllib3.connectionpool=WARN",
        "websocket=WARN",
        "requests.packages.urllib3.util.retry=WARN",
        "urllib3.util.retry=WARN",
        "keystonemiddleware=WARN",
        "routes.middleware=WARN",
        "stevedore=WARN",
        "taskflow=WARN",
        "keystoneauth=WARN",
        "oslo.cache=INFO",
        "oslo_policy=INFO",
        "dogpile.core.dogpile=INFO",
        "routes=INFO",
      ],
      ignored: NO_PYTHON_LOGGING,
      help: "The levels of single Python loggers.",
    },
    publish_errors: {
      type: "boolean",
      default: false,
      ignored: "there is no message bus",
      help: "Send errors as notifications.",
    },
    instance_format: {
      type: "string",
      default: "[instance: %(uuid)s] ",
      ignored: LOG_FORMAT,
      help: "How an instance is shown in a log line.",
    },
    instance_uuid_format: {
      type: "string",
      default: "[instance: %(uuid)s] ",
      ignored: LOG_FORMAT,
      help: "How the UUID of an instance is shown in a log line.",
    },
    rate_limit_interval: {
      type: "integer",
      default: 0,
      ignored: LOG_RATE,
      help: "The span, in seconds, of the log's rate limit.",
    },
    rate_limit_burst: {
      type: "integer",
      default: 0,
      ignored: LOG_RATE,
      help: "How many lines may be logged in one span.",
    },
    rate_limit_except_level: {
      type: "string",
      default: "CRITICAL",
      choices: ["CRITICAL", "ERROR", "INFO", "WARNING", "DEBUG", ""],
      ignored: LOG_RATE,
      help: "The level from which lines are never dropped.",
    },
    fatal_deprecations: {
      type: "boolean",
      default: false,
      ignored: "use of a deprecated option is a warning",
      help: "Treat deprecation warnings as errors.",
    },
    log_options: {
      type: "boolean",
      default: true,
      takesEffect: "reload",
      help: "Log the value of every option at start and after SIGHUP, at level DEBUG. Secrets are left out.",
    },
    tempdir: {
      type: "string",
      ignored: "no temporary files are written",
      help: "The directory for temporary files.",
    },
    pybasedir: {
      type: "string",
      ignored: NO_PYTHON,
      help: "The directory of Placement's Python modules.",
    },
    state_path: {
      type: "string",
      default: "$pybasedir",
      ignored: "all state is in the database",
      help: "The directory for Placement's state.",
    },
    config_source: {
      type: "list",
      default: [],
      ignored: "configuration is read from files and the environment only",
      help: "Groups that describe further sources of configuration.",
    },
  },

  api: {
    auth_strategy: {
      type: "string",
      default: "keystone",
      choices: ["keystone", "noauth2"],
      deprecatedNames: [{ group: "DEFAULT" }],
      takesEffect: "reload",
      help: "Who is believed. `keystone` validates tokens with Keystone. `noauth2` believes what the token says, `user:project`, and makes the user `admin` an administrator: for tests and for a first look only.",
    },
  },

  placement: {
    randomize_allocation_candidates: {
      type: "boolean",
      default: false,
      takesEffect: "restart",
      help: "Shuffle allocation candidates, and take a random sample of them where a request limits their number. Otherwise equal requests get equal answers in equal order.",
    },
    incomplete_consumer_project_id: {
      type: "string",
      default: "00000000-0000-0000-0000-000000000000",
      takesEffect: "reload",
      help: "The project of consumers that were made by a client older than microversion 1.8, which does not name one.",
    },
    incomplete_consumer_user_id: {
      type: "string",
      default: "00000000-0000-0000-0000-000000000000",
      takesEffect: "reload",
      help: "The user of consumers that were made by a client older than microversion 1.8, which does not name one.",
    },
    allocation_conflict_retry_count: {
      type: "integer",
      default: 10,
      takesEffect: "reload",
      help: "How often a claim is tried again after another writer has changed one of its resource providers.",
    },
    max_allocation_candidates: {
      type: "integer",
      default: -1,
      takesEffect: "restart",
      help: "The most allocation candidates that are generated for one request, before its `limit` is applied; `-1` is no limit.",
    },
    allocation_candidates_generation_strategy: {
      type: "string",
      default: "depth-first",
      choices: ["depth-first", "breadth-first"],
      takesEffect: "restart",
      help: "The order of candidates. `depth-first`: all of one root provider before the next one. `breadth-first`: one of each root provider in turn, so that a limited answer is spread over all of them.",
    },
  },

  workarounds: {
    optimize_for_wide_provider_trees: {
      type: "boolean",
      default: false,
      ignored: "wide provider trees are always searched in the fast way",
      help: "Make the candidate search of wide provider trees faster.",
    },
  },

  placement_database: {
    connection: {
      type: "string",
      required: true,
      secret: true,
      takesEffect: "restart",
      help: "The URL of the database, as SQLAlchemy writes it: `mysql+pymysql://user:password@host/placement`, `postgresql+psycopg2://user:password@host/placement` or `sqlite:////absolute/path`. The driver's name after `+` may be left out. Only without any configuration it defaults to an SQLite file, `stowage/placement.sqlite` in `$XDG_DATA_HOME` (`~/.local/share`).",
    },
    connection_parameters: {
      type: "string",
      default: "",
      secret: true,
      takesEffect: "restart",
      help: "Query parameters that are added to those of `connection`: `name=value&name=value`.",
    },
    sqlite_synchronous: {
      type: "boolean",
      default: true,
      takesEffect: "restart",
      help: "Wait until SQLite has handed each commit to the disk.",
    },
    slave_connection: {
      type: "string",
      secret: true,
      ignored:
        "no read may lag behind what was written, and Placement reads nothing from it either",
      help: "The URL of a database for reading.",
    },
    mysql_sql_mode: {
      type: "string",
      default: "TRADITIONAL",
      takesEffect: "restart",
      help:
        "The SQL mode of MySQL sessions; empty for the server's own. What would change the meaning of " +
        "statements is left out, and values that do not fit are always errors.",
    },
    connection_recycle_time: {
      type: "integer",
      default: 3600,
      min: -1,
      takesEffect: "restart",
      help: "The age in seconds from which a pooled connection is replaced; `-1` is never.",
    },
    max_pool_size: {
      type: "integer",
      min: 0,
      takesEffect: "restart",
      help: "The number of connections that are kept open. Not set means 5, as in upstream; 0 is no limit.",
    },
    max_retries: {
      type: "integer",
      default: 10,
      min: -1,
      takesEffect: "restart",
      help: "How often connecting to the database is tried again at start; `-1` is without end.",
    },
    retry_interval: {
      type: "integer",
      default: 10,
      min: 0,
      takesEffect: "restart",
      help: "Seconds between two attempts to connect at start.",
    },
    max_overflow: {
      type: "integer",
      min: -1,
      takesEffect: "restart",
      help: "How many connections may be opened beyond `max_pool_size`; `-1` is no limit. At least two are used in all: one writes, another reads. Not set means 10, as in upstream.",
    },
    connection_debug: {
      type: "integer",
      default: 0,
      ignored: NO_SQLALCHEMY,
      help: "How much SQLAlchemy logs, from 0 to 100.",
    },
    connection_trace: {
      type: "boolean",
      default: false,
      ignored: NO_SQLALCHEMY,
      help: "Add Python's stack trace to SQL statements as a comment.",
    },
    pool_timeout: {
      type: "integer",
      takesEffect: "restart",
      help: "Seconds that a request waits for a connection that another one uses, where no more may be opened; one connection writes. Not set means 30, as in upstream.",
    },
    sync_on_startup: {
      type: "boolean",
      default: false,
      takesEffect: "restart",
      help: "Create or migrate the tables when the service starts.",
    },
  },

  oslo_policy: {
    enforce_scope: {
      type: "boolean",
      default: true,
      takesEffect: "reload",
      help: "Refuse tokens whose scope does not fit the rule. Newer releases of upstream have no such option and always refuse them.",
    },
    enforce_new_defaults: {
      type: "boolean",
      default: true,
      takesEffect: "reload",
      help: "Leave the deprecated default rules out. If false, whatever the old default allows is allowed as well.",
    },
    policy_file: {
      type: "string",
      default: "policy.yaml",
      takesEffect: "reload",
      help: "The file with rules of your own. A relative path is looked for in the configuration directories.",
    },
    policy_default_rule: {
      type: "string",
      default: "default",
      takesEffect: "reload",
      help: "The rule that is asked when a rule does not exist.",
    },
    policy_dirs: {
      type: "multi",
      default: ["policy.d"],
      takesEffect: "reload",
      help: "Directories with more policy files. A relative path is looked for in the configuration directories.",
    },
    remote_content_type: {
      type: "string",
      default: "application/x-www-form-urlencoded",
      choices: ["application/x-www-form-urlencoded", "application/json"],
      ignored: NO_REMOTE_CHECKS,
      help: "How the body of a remote policy check (`http:` rules) is written.",
    },
    remote_ssl_verify_server_crt: {
      type: "boolean",
      default: false,
      ignored: NO_REMOTE_CHECKS,
      help: "Verify the certificate of the server of remote policy checks.",
    },
    remote_ssl_ca_crt_file: {
      type: "string",
      ignored: NO_REMOTE_CHECKS,
      help: "The certificate authority for remote policy checks.",
    },
    remote_ssl_client_crt_file: {
      type: "string",
      ignored: NO_REMOTE_CHECKS,
      help: "The client certificate for remote policy checks.",
    },
    remote_ssl_client_key_file: {
      type: "string",
      ignored: NO_REMOTE_CHECKS,
      help: "The key of the client certificate for remote policy checks.",
    },
    remote_timeout: {
      type: "float",
      default: 60,
      min: 0,
      ignored: NO_REMOTE_CHECKS,
      help: "Seconds that a remote policy check may take.",
    },
  },

  oslo_middleware: {
    enable_proxy_headers_parsing: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Believe `Forwarded` and `X-Forwarded-*` headers. Only for a service that nobody can reach past its proxy.",
    },
    max_request_body_size: {
      type: "integer",
      default: 114688,
      ignored: "Placement does not use it; see `[stowage] max_body_size`",
      help: "The largest body of a request in bytes, for services that use this middleware.",
    },
    http_basic_auth_user_file: {
      type: "string",
      default: "/etc/htpasswd",
      ignored: "Placement does not use it",
      help: "The password file of HTTP basic authentication, for services that use this middleware.",
    },
  },

  cors: {
    allowed_origin: {
      type: "list",
      default: [],
      takesEffect: "reload",
      help: "The origins, `scheme://host[:port]`, whose pages may use the API; `*` is any.",
    },
    allow_credentials: {
      type: "boolean",
      default: true,
      takesEffect: "reload",
      help: "Pages of other origins may send credentials.",
    },
    expose_headers: {
      type: "list",
      default: [
        "X-Auth-Token",
        "X-Openstack-Request-Id",
        "X-Subject-Token",
        "X-Service-Token",
        "OpenStack-API-Version",
      ],
      takesEffect: "reload",
      help: "The response headers that pages of other origins may read.",
    },
    max_age: {
      type: "integer",
      default: 3600,
      takesEffect: "reload",
      help: "Seconds that a browser may remember the answer to a preflight request.",
    },
    allow_methods: {
      type: "list",
      default: ["GET", "PUT", "POST", "DELETE", "PATCH"],
      takesEffect: "reload",
      help: "The methods that pages of other origins may use.",
    },
    allow_headers: {
      type: "list",
      default: [
        "X-Auth-Token",
        "X-Openstack-Request-Id",
        "X-Identity-Status",
        "X-Roles",
        "X-Service-Catalog",
        "X-User-Id",
        "X-Tenant-Id",
        "OpenStack-API-Version",
      ],
      takesEffect: "reload",
      help: "The request headers that pages of other origins may send.",
    },
  },

  keystone_authtoken: {
    www_authenticate_uri: {
      type: "string",
      deprecatedNames: [{ name: "auth_uri" }],
      takesEffect: "reload",
      help: "The public URL of Keystone. Clients without a valid token are sent there.",
    },
    auth_version: {
      type: "string",
      ignored: "version 3 of Keystone's API is always spoken",
      help: "The version of Keystone's API. Not set means the newest that Keystone offers.",
    },
    interface: {
      type: "string",
      default: "internal",
      takesEffect: "reload",
      help: "The interface of Keystone's endpoint: `public`, `internal` or `admin`.",
    },
    delay_auth_decision: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Let requests without a valid token through as anonymous ones, and leave the refusal to the policy.",
    },
    http_connect_timeout: {
      type: "integer",
      takesEffect: "reload",
      help: "Seconds that a request to Keystone may take.",
    },
    http_request_max_retries: {
      type: "integer",
      default: 3,
      takesEffect: "reload",
      help: "How often connecting to Keystone is tried again.",
    },
    cafile: {
      type: "string",
      takesEffect: "reload",
      help: "The certificate authorities, in PEM, that vouch for Keystone. Not set means those of the system.",
    },
    certfile: {
      type: "string",
      takesEffect: "reload",
      help: "The client certificate to show to Keystone.",
    },
    keyfile: {
      type: "string",
      takesEffect: "reload",
      help: "The key of the client certificate.",
    },
    insecure: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Do not verify Keystone's certificate.",
    },
    region_name: {
      type: "string",
      takesEffect: "reload",
      help: "The region whose Keystone is used.",
    },
    token_cache_time: {
      type: "integer",
      default: 300,
      takesEffect: "reload",
      help: "Seconds that a validated token is believed without asking Keystone again; `-1` is never.",
    },
    service_token_roles: {
      type: "list",
      default: ["service"],
      takesEffect: "reload",
      help: "A service token must hold one of these roles.",
    },
    service_token_roles_required: {
      type: "boolean",
      default: true,
      takesEffect: "reload",
      help: "Refuse service tokens without one of `service_token_roles`. If false, such a token is accepted but cannot extend the life of an expired one.",
    },
    service_type: {
      type: "string",
      takesEffect: "reload",
      help: "The type of this service in the access rules of application credentials.",
    },
    include_service_catalog: {
      type: "boolean",
      default: true,
      ignored: "nothing reads the service catalog of a request",
      help: "Ask for the service catalog with each validation.",
    },
    enforce_token_bind: {
      type: "string",
      default: "permissive",
      ignored: "tokens of today are not bound",
      help: "How strictly token binding is checked.",
    },
    cache: {
      type: "string",
      ignored: LOCAL_TOKEN_CACHE,
      help: "The key of a Swift cache in the WSGI environment.",
    },
    memcached_servers: {
      type: "list",
      default: [],
      deprecatedNames: [{ name: "memcache_servers" }],
      ignored: LOCAL_TOKEN_CACHE,
      help: "The memcached servers that share validated tokens.",
    },
    memcache_security_strategy: {
      type: "string",
      default: "None",
      choices: ["None", "MAC", "ENCRYPT"],
      ignoreCase: true,
      ignored: LOCAL_TOKEN_CACHE,
      help: "How tokens in memcached are protected.",
    },
    memcache_secret_key: {
      type: "string",
      secret: true,
      ignored: LOCAL_TOKEN_CACHE,
      help: "The key that protects tokens in memcached.",
    },
    memcache_tls_enabled: {
      type: "boolean",
      default: false,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Use TLS to memcached.",
    },
    memcache_tls_cafile: {
      type: "string",
      ignored: LOCAL_TOKEN_CACHE,
      help: "The certificate authorities that vouch for memcached.",
    },
    memcache_tls_certfile: {
      type: "string",
      ignored: LOCAL_TOKEN_CACHE,
      help: "The client certificate to show to memcached.",
    },
    memcache_tls_keyfile: {
      type: "string",
      ignored: LOCAL_TOKEN_CACHE,
      help: "The key of the client certificate.",
    },
    memcache_tls_allowed_ciphers: {
      type: "string",
      ignored: LOCAL_TOKEN_CACHE,
      help: "The ciphers of TLS to memcached.",
    },
    memcache_pool_dead_retry: {
      type: "integer",
      default: 300,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Seconds before a dead memcached server is tried again.",
    },
    memcache_pool_maxsize: {
      type: "integer",
      default: 10,
      ignored: LOCAL_TOKEN_CACHE,
      help: "The most connections to a memcached server.",
    },
    memcache_pool_socket_timeout: {
      type: "integer",
      default: 3,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Seconds that memcached may take to answer.",
    },
    memcache_pool_unused_timeout: {
      type: "integer",
      default: 60,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Seconds before an unused connection to memcached is closed.",
    },
    memcache_pool_conn_get_timeout: {
      type: "integer",
      default: 10,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Seconds to wait for a connection to memcached.",
    },
    memcache_use_advanced_pool: {
      type: "boolean",
      default: true,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Use the advanced pool of connections to memcached.",
    },
    memcache_sasl_enabled: {
      type: "boolean",
      default: false,
      ignored: LOCAL_TOKEN_CACHE,
      help: "Log in to memcached with SASL.",
    },
    memcache_username: {
      type: "string",
      default: "",
      ignored: LOCAL_TOKEN_CACHE,
      help: "The user name for memcached.",
    },
    memcache_password: {
      type: "string",
      default: "",
      secret: true,
      ignored: LOCAL_TOKEN_CACHE,
      help: "The password for memcached.",
    },
    auth_section: {
      type: "string",
      takesEffect: "reload",
      help: "The group that holds the service's own credentials (the options from `auth_type` on) instead of this one.",
    },
    auth_type: {
      type: "string",
      deprecatedNames: [{ name: "auth_plugin" }],
      followsAuthSection: true,
      takesEffect: "reload",
      help: "How the service itself logs in to Keystone: `password`, `v3password` or `v3applicationcredential`.",
    },
    auth_url: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The URL of Keystone for the service's own login and for validating tokens.",
    },
    username: {
      type: "string",
      deprecatedNames: [{ name: "user_name" }],
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The service's user.",
    },
    user_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the service's user.",
    },
    password: {
      type: "string",
      secret: true,
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The password of the service's user.",
    },
    user_domain_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the domain of the user.",
    },
    user_domain_name: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The name of the domain of the user.",
    },
    project_id: {
      type: "string",
      deprecatedNames: [{ name: "tenant_id" }],
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the project that the service logs in to.",
    },
    project_name: {
      type: "string",
      deprecatedNames: [{ name: "tenant_name" }],
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The name of the project that the service logs in to.",
    },
    project_domain_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the domain of the project.",
    },
    project_domain_name: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The name of the domain of the project.",
    },
    domain_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the domain that the service logs in to.",
    },
    domain_name: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The name of the domain that the service logs in to.",
    },
    default_domain_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the domain of user and project, where they have none of their own.",
    },
    default_domain_name: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The name of the domain of user and project, where they have none of their own.",
    },
    system_scope: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "`all` makes the service log in to the system instead of a project.",
    },
    trust_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of a trust that the service logs in with.",
    },
    application_credential_id: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The id of the service's application credential.",
    },
    application_credential_name: {
      type: "string",
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The name of the service's application credential; it needs the user, too.",
    },
    application_credential_secret: {
      type: "string",
      secret: true,
      followsAuthSection: true,
      takesEffect: "reload",
      help: "The secret of the service's application credential.",
    },
  },

  stowage: {
    host: {
      type: "string",
      default: "127.0.0.1",
      takesEffect: "restart",
      help: "The address to listen on; `::` is every address.",
    },
    port: {
      type: "integer",
      default: 8778,
      min: 0,
      max: 65535,
      takesEffect: "restart",
      help: "The port to listen on; 0 lets the system choose one.",
    },
    unix_socket: {
      type: "string",
      takesEffect: "restart",
      help: "The path of a Unix socket to listen on instead of `host` and `port`. Its owner and its group may connect. Sockets that systemd hands over are used instead of either.",
    },
    metrics_host: {
      type: "string",
      default: "127.0.0.1",
      takesEffect: "restart",
      help: "The address on which metrics are served without a token, where `metrics_port` is set.",
    },
    metrics_port: {
      type: "integer",
      min: 0,
      max: 65535,
      takesEffect: "restart",
      help: "The port on which metrics, and whether the service is well, are served without a token and over plain HTTP: `/metrics`, `/metrics/providers`, `/healthz`, `/readyz`, and nothing else. None unless set.",
    },
    metrics_prefix: {
      type: "string",
      default: "openstack",
      takesEffect: "reload",
      help: "What the names at `/metrics/providers` begin with, as openstack-exporter's do.",
    },
    fit_flavors_file: {
      type: "string",
      takesEffect: "restart",
      help: "A YAML file of names with queries, such as `m1.large: resources=VCPU:4,MEMORY_MB:8192`: how often each fits is counted at most every 30 seconds, for `stowage_fit_total` and `stowage_fit_hosts` at `/metrics`. A relative path is looked for in the configuration directories. None unless set.",
    },
    path_prefix: {
      type: "string",
      default: "",
      takesEffect: "reload",
      help: "The path under which clients find the API, such as `/placement`. Requests may come with it or, from a proxy that takes it off, without it. `X-Forwarded-Prefix` of a trusted proxy outranks it in links.",
    },
    workers: {
      type: "integer",
      default: 1,
      min: 1,
      takesEffect: "restart",
      help: "The number of processes that serve requests. SQLite allows one only.",
    },
    allow_insecure_noauth: {
      type: "boolean",
      default: false,
      takesEffect: "reload",
      help: "Allow `auth_strategy = noauth2` on an address that other machines can reach. Whoever reaches it is an administrator.",
    },
    max_body_size: {
      type: "integer",
      default: 33554432,
      min: 1,
      takesEffect: "reload",
      help: "The largest body of `POST /allocations` and `POST /reshaper` in bytes. A reshape of 5,000 providers with 50,000 consumers takes about 20 MB.",
    },
    max_small_body_size: {
      type: "integer",
      default: 262144,
      min: 1,
      takesEffect: "reload",
      help: "The largest body of any other request in bytes, and of what these two hold about one consumer or provider. A provider with 1,000 traits, or a claim on 1,000 providers, takes less than half of it.",
    },
    max_bodies_size: {
      type: "integer",
      default: 134217728,
      min: 1,
      takesEffect: "reload",
      help: "How much memory in bytes the bodies of all requests of a process may take together. Beyond it they are answered with 503 and `Retry-After`, except where there is one alone. A byte of a body larger than `max_small_body_size` counts for six, as what is claimed in it takes as much. The bodies that are large leave a quarter of it to the others.",
    },
    request_timeout: {
      type: "integer",
      default: 60,
      min: 0,
      takesEffect: "restart",
      help: "Seconds that a client may take to send a request, headers and body; 0 is no limit.",
    },
    shutdown_timeout: {
      type: "integer",
      default: 30,
      min: 0,
      takesEffect: "reload",
      help: "Seconds that requests in flight may take to finish once the service is asked to stop.",
    },
    database_timeout: {
      type: "float",
      default: 30,
      min: 0.1,
      takesEffect: "restart",
      help: "Seconds that a request may take for all that it needs of the database; then it is answered with 503.",
    },
    slow_request_time: {
      type: "float",
      default: 0,
      min: 0,
      takesEffect: "reload",
      help: "Seconds after which a request is slow: then a WARNING tells where its time went. 0 is never.",
    },
    max_search_effort: {
      type: "integer",
      default: 100_000_000,
      min: 1000,
      takesEffect: "restart",
      help: "How many providers one search for allocation candidates may look at, in all combinations that it tries; then it is answered with 503. The default is some ten seconds of a processor, and a hundred times what a million hosts take.",
    },
    change_retention: {
      type: "integer",
      default: 604800,
      // A replica that has asked within half of this misses nothing, even if clocks differ by as much.
      min: 600,
      takesEffect: "restart",
      help: "Seconds that the rows of `stowage_changes`, the feed of other replicas and of those who watch, are kept, and those of `stowage_refusals`. What is not in the history yet is kept for twice as long.",
    },
    history: {
      type: "boolean",
      default: true,
      takesEffect: "restart",
      help: "Keep a history of consumers and providers in `stowage_history`, made from `stowage_changes` behind the requests. To be the same for all processes on one database.",
    },
    history_retention: {
      type: "integer",
      default: 7_776_000,
      min: 3600,
      takesEffect: "restart",
      help: "Seconds that the rows of `stowage_history`, the audit trail, are kept.",
    },
    expire_leases: {
      type: "boolean",
      default: true,
      takesEffect: "restart",
      help: "Whether what consumers hold under a lease (`POST /stowage/v1/claims`) is released once it has ended. If not, it is not released until a process with this switched on serves.",
    },
    tls_cert_file: {
      type: "string",
      takesEffect: "reload",
      help: "The certificate chain, in PEM, to serve HTTPS with. Not set means HTTP; from one to the other takes a restart. A changed file is read again.",
    },
    tls_key_file: {
      type: "string",
      takesEffect: "reload",
      help: "The key of the certificate, in PEM. By default it is looked for in `tls_cert_file`.",
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, OptionDefinition>>>>;

/** What each group is about, in Markdown, for the reference page. */
export const GROUP_HELP: Readonly<Record<keyof typeof OPTIONS, string>> = {
  DEFAULT: "Logging, for the most part.",
  api: "Who may call.",
  placement: "How claims and the search for allocation candidates behave.",
  workarounds: "Upstream's switches for known problems.",
  placement_database: "Where the records are.",
  oslo_policy: "What a caller may do.",
  oslo_middleware: "What is known about the proxy in front of the service.",
  cors: "Which pages of other origins may use the API.",
  keystone_authtoken: "How tokens are validated, and how the service itself logs in to Keystone.",
  stowage: "What upstream leaves to the web server around it. These options are Stowage's own.",
};

/** A name of the table as it is written in TypeScript: `placement_database` is `placementDatabase`. */
export type CamelCase<Name extends string> = Name extends "DEFAULT"
  ? "default"
  : Name extends `${infer Head}_${infer Tail}`
    ? `${Head}${Capitalize<CamelCase<Tail>>}`
    : Name;

/** {@link CamelCase} for a value. */
export function camelCase(name: string): string {
  if (name === "DEFAULT") return "default";
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** One row of the table, with the names under which it is found. */
export interface Option {
  readonly group: string;
  readonly name: string;
  readonly definition: OptionDefinition;
}

/** Every option, in the order of the table. */
export const ALL_OPTIONS: readonly Option[] = Object.entries(OPTIONS).flatMap(([group, options]) =>
  Object.entries<OptionDefinition>(options).map(([name, definition]) => ({
    group,
    name,
    definition,
  })),
);

/** How the documentation and messages name an option: `[placement_database] connection`. */
export function optionLabel({ group, name }: { group: string; name: string }): string {
  return `[${group}] ${name}`;
}
