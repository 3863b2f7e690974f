import { ConfigError } from "./config-error.ts";
import { describeAllowed, isAllowed, NOT_ALLOWED, parseOptionValue } from "./option-value.ts";
import type { OptionValue } from "./option-value.ts";
import { maskUserInfo } from "./user-info.ts";
import { ALL_OPTIONS, optionLabel, type Option } from "./options.ts";
import type { WrittenOptions, WrittenValue } from "./written-options.ts";

interface OptionSources {
  /** What the command line says; `undefined` for nothing. It outranks everything. */
  readonly override: (option: Option) => OptionValue;
  readonly written: WrittenOptions;
  readonly defaultOf: (option: Option) => OptionValue;
}

/**
 * Finds the value of each option: from the command line, the environment, the files or the table's
 * defaults, in this order, with `$name` and `${group.name}` replaced by the values they stand for.
 */
export class OptionResolver {
  readonly #sources: OptionSources;
  readonly #values = new Map<Option, OptionValue>();
  readonly #underway = new Set<Option>();
  /** Options that someone has set although they do nothing here. */
  readonly warnings: string[] = [];
  /** Where what is in force was said, by `[group] name`; nothing of defaults. */
  readonly origins: Record<string, string> = {};

  constructor(sources: OptionSources) {
    this.#sources = sources;
  }

  /** @throws ConfigError when the text of the option, or of one that it refers to, is not allowed. */
  valueOf(option: Option): OptionValue {
    if (this.#values.has(option)) return this.#values.get(option);
    if (this.#underway.has(option)) {
      throw new ConfigError(`${optionLabel(option)}: its value refers to itself`);
    }
    this.#underway.add(option);
    const value = this.#resolve(option);
    this.#underway.delete(option);
    this.#values.set(option, value);
    return value;
  }

  #resolve(option: Option): OptionValue {
    const override = this.#sources.override(option);
    if (override !== undefined) {
      if (isAllowed(option.definition, override)) {
        this.origins[optionLabel(option)] = "command line";
        return override;
      }
      throw notAllowed("command line", option, String(override));
    }
    const written = this.#sources.written.find(option, this.#groupOf(option));
    const [first] = written;
    if (first === undefined) return this.#defaultOf(option);

    this.origins[optionLabel(option)] = written.map(({ origin }) => origin).join(", ");
    const value = this.#parse(option, written) ?? this.#defaultOf(option);
    this.#warnIfIgnored(option, first.origin, value);
    return value;
  }

  /** The credentials of the service may be in a group of their own, as keystoneauth allows. */
  #groupOf(option: Option): string {
    if (option.definition.followsAuthSection === undefined) return option.group;
    const authSection = this.#find(option.group, "auth_section");
    const section = authSection === undefined ? undefined : this.valueOf(authSection);
    return String(section || option.group).toLowerCase();
  }

  #defaultOf(option: Option): OptionValue {
    const value = this.#sources.defaultOf(option);
    return typeof value === "string" ? this.#interpolate(option, value, "default") : value;
  }

  #parse(option: Option, written: readonly WrittenValue[]): OptionValue {
    const values = written.map(({ text, origin }) => {
      const value = parseOptionValue(option.definition, this.#interpolate(option, text, origin));
      if (value === NOT_ALLOWED) throw notAllowed(origin, option, text);
      return value;
    });
    return option.definition.type === "multi" ? values.flat().map(String) : values.at(-1);
  }

  /**
   * Replaces `$name` and `${name}` by the value of the option in the same group or in `[DEFAULT]`,
   * `$group.name` likewise, `$$` and `\$` by the sign itself. Any other `$` is text. As in
   * `oslo_config/cfg.py`, a name that no option has is an error.
   */
  #interpolate(option: Option, text: string, origin: string): string {
    return text
      .replaceAll(String.raw`\$`, "$$$$")
      .replaceAll(REFERENCE, (reference, escaped?: string, named?: string, braced?: string) => {
        if (escaped !== undefined) return "$";
        const [group, name] = splitReference(named ?? braced ?? "");
        const value =
          group === undefined
            ? (this.#find(option.group, name) ?? this.#find("DEFAULT", name))
            : this.#find(group, name);
        if (value === undefined) throw unknownReference(origin, option, reference, text);
        return pythonText(this.valueOf(value));
      });
  }

  #find(group: string, name: string): Option | undefined {
    return OPTION_BY_LABEL.get(optionLabel({ group, name }));
  }

  #warnIfIgnored(option: Option, origin: string, value: OptionValue): void {
    const { ignored, default: usual } = option.definition;
    if (ignored === undefined || String(value) === String(usual)) return;
    this.warnings.push(`${origin}: ${optionLabel(option)} has no effect: ${ignored}`);
  }
}

const OPTION_BY_LABEL: ReadonlyMap<string, Option> = new Map(
  ALL_OPTIONS.map((option) => [optionLabel(option), option]),
);

/** Python's `string.Template` with the names of oslo.config, which may hold dots. */
const REFERENCE = /\$(?:(\$)|([_a-z][._a-z0-9]*)|\{([_a-z][._a-z0-9]*)\})/gi;

function splitReference(reference: string): [group: string | undefined, name: string] {
  const dot = reference.indexOf(".");
  return dot === -1 ? [undefined, reference] : [reference.slice(0, dot), reference.slice(dot + 1)];
}

/** A value as it stands in another one: what Python's `str` makes of it, lists with commas. */
function pythonText(value: OptionValue): string {
  if (value === undefined) return "";
  if (typeof value === "boolean") return value ? "True" : "False";
  return String(value);
}

function notAllowed(origin: string, option: Option, text: string): ConfigError {
  const { definition } = option;
  const found = definition.secret
    ? "holds something else"
    : `is ${JSON.stringify(maskUserInfo(text))}`;
  return new ConfigError(
    `${origin}: ${optionLabel(option)} must be ${describeAllowed(definition)}, but ${found}`,
  );
}

/** Mostly a password with a dollar sign in it, so the name is not shown for a secret. */
function unknownReference(
  origin: string,
  option: Option,
  reference: string,
  text: string,
): ConfigError {
  const isHidden = option.definition.secret || maskUserInfo(text) !== text;
  const what = isHidden ? "a name after $" : reference;
  return new ConfigError(
    `${origin}: ${optionLabel(option)}: ${what} stands for the value of an option, but there is no such option; write $$ for a dollar sign`,
  );
}
