import type { CamelCase, Option, OPTIONS } from "./options.ts";
import { ALL_OPTIONS, camelCase } from "./options.ts";

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

/**
 * The defaults of the table, for tests: no file and no environment variable is read. The database
 * is an SQLite database in memory unless `overrides` says otherwise.
 */
export function defaultConfig(overrides: ConfigOverrides = {}): Config {
  return buildConfig((option) => {
    const override = overrideOf(overrides, option);
    if (override !== undefined) return override;
    return isConnection(option) ? "sqlite://" : option.definition.default;
  });
}

/** What an option may hold. */
type OptionValue = string | number | boolean | readonly string[] | undefined;

function buildConfig(valueOf: (option: Option) => OptionValue): Config {
  const config: Record<string, Record<string, OptionValue>> = {};
  for (const option of ALL_OPTIONS) {
    const group = (config[camelCase(option.group)] ??= {});
    const value = valueOf(option);
    group[camelCase(option.name)] = typeof value === "object" ? Object.freeze([...value]) : value;
  }
  for (const group of Object.values(config)) Object.freeze(group);
  // The type is derived from the table that was just walked.
  return Object.freeze(config) as unknown as Config;
}

function overrideOf(overrides: ConfigOverrides, { group, name }: Option): OptionValue {
  const groups: Record<string, Record<string, OptionValue> | undefined> = overrides;
  return groups[camelCase(group)]?.[camelCase(name)];
}

function isConnection({ group, name }: Option): boolean {
  return group === "placement_database" && name === "connection";
}
