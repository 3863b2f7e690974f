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
  /** What the command line says; it outranks environment and files. */
  readonly overrides?: ConfigOverrides;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The files that were read, in order; the later one counts. */
  readonly sources: readonly string[];
  /** Where to look for files that an option names by a relative path, such as `policy.yaml`. */
  readonly directories: readonly string[];
  /** For the operator, each naming its file and line or its environment variable. */
  readonly warnings: readonly string[];
  /** There was no file and no environment variable: the defaults of a first look are in effect. */
  readonly isZeroConfig: boolean;
}

/**
 * Reads the configuration: the command line before the environment, the environment before the
 * files, the later file before the earlier one.
 *
 * Where nobody has configured anything, Stowage runs on an SQLite file of the user's with `noauth2`.
 * One file, even an empty one, or one variable ends that, so that a service with a misspelt option
 * does not start without authentication.
 *
 * @throws ConfigError when a file cannot be read, a value is not allowed or a required one is missing.
 */
export function loadConfig(request: LoadConfigRequest): LoadedConfig {
  const { overrides = {}, environment } = request;
  const { files, directories } = locateConfig(request);
  const written = new WrittenOptions(files, environment);
  const isZeroConfig = written.isEmpty;
  const resolver = new OptionResolver({
    override: (option) => valueIn(overrides, option),
    written,
    defaultOf: isZeroConfig ? withDefaults(zeroConfig(environment)) : withDefaults({}),
  });
  const config = buildConfig(resolver);
  const warnings = [...written.warnings(), ...resolver.warnings];
  return { config, sources: files, directories, warnings, isZeroConfig };
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

function buildConfig(resolver: OptionResolver): Config {
  const config: Record<string, Record<string, OptionValue>> = {};
  for (const option of ALL_OPTIONS) {
    const value = resolver.valueOf(option);
    if (value === undefined && isRequired(option)) throw missing(option);
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

function missing(option: Option): ConfigError {
  const variable = `OS_${option.group}__${option.name}`.toUpperCase();
  return new ConfigError(
    `${optionLabel(option)} is not set; write it to the configuration file or set ${variable}`,
  );
}
