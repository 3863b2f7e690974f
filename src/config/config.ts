import { join } from "node:path";
import { ConfigError } from "./config-error.ts";
import { homeDirectory, locateConfig } from "./config-files.ts";
import type { ConfigLocationRequest, Environment } from "./config-files.ts";
import { OptionResolver } from "./option-resolver.ts";
import type { OptionValue } from "./option-value.ts";
import { ALL_OPTIONS, camelCase, optionLabel } from "./options.ts";
import type { CamelCase, Option, OPTIONS } from "./options.ts";
import { WrittenOptions } from "./written-options.ts";

type Groups = typeof OPTIONS;

type WithDefault<Definition, Value> = Definition extends { default: unknown } | { required: true }
  ? Value
  : Value | undefined;

type ValueOf<Definition> = Definition extends { type: "boolean" }
  ? boolean
  : Definition extends { type: "integer" | "float" }
    ? WithDefault<Definition, number>
    : Definition extends { choices: readonly (infer Choice)[] }
      ? WithDefault<Definition, Choice>
      : Definition extends { type: "string" }
        ? WithDefault<Definition, string>
        : readonly string[];

/**
 * Every option with its value, frozen: `config.placementDatabase.connection`. Groups and names are
 * those of the option table in camel case, `[DEFAULT]` is `default`. An option without a value and
 * without a default is `undefined`.
 */
export type Config = {
  readonly [Group in keyof Groups as CamelCase<Group>]: {
    readonly [Name in keyof Groups[Group] as CamelCase<Name & string>]: ValueOf<
      Groups[Group][Name]
    >;
  };
};

/** Some values of a {@link Config}; `undefined` is the same as left out. */
export type ConfigOverrides = {
  readonly [Group in keyof Config]?:
    | { readonly [Name in keyof Config[Group]]?: Config[Group][Name] | undefined }
    | undefined;
};

export interface LoadConfigRequest extends ConfigLocationRequest {
  /** `--demo`: the defaults of a first look, whatever files and variables there are. */
  readonly isDemo?: boolean;
  /** Somebody sits at a terminal. */
  readonly isInteractive?: boolean;
  /** What the command line says; it outranks environment and files. */
  readonly overrides?: ConfigOverrides;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The files that were read, in order; the later one counts. */
  readonly sources: readonly string[];
  /** The environment variables that were read. */
  readonly variables: readonly string[];
  /** Where the value of an option was written that is in force, by `[group] name`: a file and line, or a variable. */
  readonly origins: Readonly<Record<string, string>>;
  /** Where to look for files that an option names by a relative path, such as `policy.yaml`. */
  readonly directories: readonly string[];
  /** For the operator, each naming its file and line or its environment variable. */
  readonly warnings: readonly string[];
  /** Nothing was configured, or nothing is to be read: the defaults of a first look are in effect. */
  readonly isZeroConfig: boolean;
}

/**
 * Reads the configuration: the command line before the environment, the environment before the
 * files, the later file before the earlier one.
 *
 * Where nobody has configured anything, Stowage runs on an SQLite file of the user's with `noauth2`.
 * One file, even an empty one, or one variable ends that, so that a service with a misspelt option
 * does not start without authentication; only those of `[stowage]` do not. Under a service manager
 * nothing is assumed: what it starts was meant to be configured.
 *
 * @throws ConfigError when a file cannot be read, a value is not allowed or a required one is missing.
 */
export function loadConfig(request: LoadConfigRequest): LoadedConfig {
  const { overrides = {}, environment } = request;
  if (request.isDemo) return loadDemo(request);
  const { files, directories } = locateConfig(request);
  const written = new WrittenOptions(files, environment);
  const isZeroConfig = written.isEmpty;
  if (isZeroConfig) refuseUnderServiceManager(request, directories);
  const { variables } = written;
  const resolver = new OptionResolver({
    override: (option) => valueIn(overrides, option),
    written,
    defaultOf: isZeroConfig ? withDefaults(zeroConfig(environment)) : withDefaults({}),
  });
  const config = buildConfig(resolver, [...files, ...variables]);
  const warnings = [...written.warnings(), ...resolver.warnings];
  const { origins } = resolver;
  return { config, sources: files, directories, variables, origins, warnings, isZeroConfig };
}

/** Nothing that lies around on the machine counts, not even policy files: only the command line. */
function loadDemo({ configFiles, configDirs, environment, overrides = {} }: LoadConfigRequest) {
  if (configFiles || configDirs) {
    throw new ConfigError(
      "--demo reads no configuration: leave out --config-file and --config-dir",
    );
  }
  const nothing = { sources: [], directories: [], variables: [], origins: {}, warnings: [] };
  const resolver = new OptionResolver({
    override: (option) => valueIn(overrides, option),
    written: new WrittenOptions([], {}),
    defaultOf: withDefaults(zeroConfig(environment)),
  });
  return { config: buildConfig(resolver), ...nothing, isZeroConfig: true };
}

/**
 * systemd sets `INVOCATION_ID` for what it starts, and `NOTIFY_SOCKET` where it waits for word. A
 * desktop's terminal is started by systemd as well, and hands the former on to its shells.
 */
function refuseUnderServiceManager(
  { environment, isInteractive = false }: LoadConfigRequest,
  directories: readonly string[],
): void {
  const isService =
    environment["NOTIFY_SOCKET"] !== undefined ||
    (environment["INVOCATION_ID"] !== undefined && !isInteractive);
  if (!isService) return;
  throw new ConfigError(
    `there is no configuration, neither a placement.conf in ${directories.join(", ")} nor a variable ` +
      "OS_<GROUP>__<OPTION>, and under a service manager none is assumed; name one with --config-file, " +
      "or say --demo",
  );
}

/**
 * The defaults of the table, for tests: no file and no environment variable is read. The database
 * is an SQLite database in memory unless `overrides` says otherwise.
 */
export function defaultConfig(overrides: ConfigOverrides = {}): Config {
  const resolver = new OptionResolver({
    override: (option) => valueIn(overrides, option),
    written: new WrittenOptions([], {}),
    defaultOf: withDefaults({ placementDatabase: { connection: "sqlite://" } }),
  });
  return buildConfig(resolver);
}

/**
 * The database is where the XDG base directory specification puts a user's data, because that does
 * not depend on the directory that Stowage happens to be started in.
 */
function zeroConfig(environment: Environment): ConfigOverrides {
  const dataDirectory =
    environment["XDG_DATA_HOME"] || join(homeDirectory(environment), ".local", "share");
  const path = join(dataDirectory, "stowage", "placement.sqlite");
  return {
    api: { authStrategy: "noauth2" },
    placementDatabase: { connection: `sqlite:///${path}` },
  };
}

function withDefaults(defaults: ConfigOverrides): (option: Option) => OptionValue {
  return (option) => valueIn(defaults, option) ?? option.definition.default;
}

function valueIn(values: ConfigOverrides, { group, name }: Option): OptionValue {
  const groups: Record<string, Record<string, OptionValue> | undefined> = values;
  return groups[camelCase(group)]?.[camelCase(name)];
}

/** @param read the files and variables that were read, for a message */
function buildConfig(resolver: OptionResolver, read: readonly string[] = []): Config {
  const config: Record<string, Record<string, OptionValue>> = {};
  for (const option of ALL_OPTIONS) {
    const value = resolver.valueOf(option);
    if (value === undefined && isRequired(option)) throw missing(option, read);
    const group = (config[camelCase(option.group)] ??= {});
    group[camelCase(option.name)] = typeof value === "object" ? Object.freeze([...value]) : value;
  }
  for (const group of Object.values(config)) Object.freeze(group);
  // The type is derived from the table that was just walked.
  return Object.freeze(config) as unknown as Config;
}

function isRequired({ definition }: Option): boolean {
  return definition.type === "string" && definition.required === true;
}

function missing(option: Option, read: readonly string[]): ConfigError {
  const variable = `OS_${option.group}__${option.name}`.toUpperCase();
  const where = read.length === 0 ? "" : ` in what was read: ${read.join(", ")}`;
  return new ConfigError(
    `${optionLabel(option)} is not set${where}; write it to the configuration file or set ` +
      `${variable} (for a first look without configuration: stowage serve --demo)`,
  );
}
