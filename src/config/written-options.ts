import { readFileSync } from "node:fs";
import { ConfigError } from "./config-error.ts";
import type { Environment } from "./config-files.ts";
import { parseIni } from "./ini.ts";
import { ALL_OPTIONS, OPTIONS, optionLabel, type Option } from "./options.ts";

/** The text that someone has written for an option, and where. */
export interface WrittenValue {
  readonly text: string;
  /** `/etc/placement/placement.conf:12` or `environment variable OS_API__AUTH_STRATEGY`. */
  readonly origin: string;
}

interface Assignment extends WrittenValue {
  readonly group: string;
  readonly name: string;
}

/** What the configuration files and the environment say, before any of it is interpreted. */
export class WrittenOptions {
  /** The assignments of each file, the file that counts most first. */
  readonly #files: readonly (readonly Assignment[])[];
  readonly #environment: readonly Assignment[];

  /** @throws ConfigError when a file cannot be read or is not in the dialect. */
  constructor(files: readonly string[], environment: Environment) {
    this.#files = files.map(readAssignments).reverse();
    this.#environment = assignmentsOf(environment);
  }

  /** Neither a file nor a variable for a group of ours: nobody has configured anything. */
  get isEmpty(): boolean {
    return this.#files.length === 0 && !this.#environment.some(isInKnownGroup);
  }

  /**
   * The value of an option in `group`: the environment's, otherwise that of the last file that has
   * one, under the option's present name rather than a former one. All lines of all files count for
   * an option of type `multi`, the last line of the file for any other.
   */
  find({ name, definition }: Option, group: string): readonly WrittenValue[] {
    const inEnvironment = this.#environment.filter((entry) => isAt(entry, { group, name }));
    if (inEnvironment.length > 0) return inEnvironment;

    const former = (definition.deprecatedNames ?? []).map((deprecated) => ({
      group: deprecated.group ?? group,
      name: deprecated.name ?? name,
    }));
    const places = [{ group, name }, ...former];
    const found = this.#files.flatMap((file) =>
      places.map((place) => file.filter((entry) => isAt(entry, place))),
    );
    if (definition.type === "multi") return found.reverse().flat();
    return found.find((entries) => entries.length > 0)?.slice(-1) ?? [];
  }

  /**
   * A warning for each assignment whose name is deprecated, or unknown in a group that is known.
   * Groups that are not in the table belong to others.
   */
  warnings(): string[] {
    const assignments = [...this.#files.toReversed().flat(), ...this.#environment];
    return assignments.flatMap((entry) => {
      if (CURRENT_LABELS.has(optionLabel(entry))) return [];
      const current = CURRENT_BY_FORMER.get(optionLabel(entry));
      if (current !== undefined) {
        return [
          `${entry.origin}: ${optionLabel(entry)} is deprecated; use ${optionLabel(current)}`,
        ];
      }
      if (!isInKnownGroup(entry)) return [];
      return [`${entry.origin}: ${optionLabel(entry)} is unknown and has no effect`];
    });
  }
}

const CURRENT_LABELS: ReadonlySet<string> = new Set(ALL_OPTIONS.map(optionLabel));

const CURRENT_BY_FORMER: ReadonlyMap<string, Option> = new Map(
  ALL_OPTIONS.flatMap((option) =>
    (option.definition.deprecatedNames ?? []).map((former) => [
      optionLabel({ group: option.group, name: option.name, ...former }),
      option,
    ]),
  ),
);

function isInKnownGroup({ group }: Assignment): boolean {
  return Object.hasOwn(OPTIONS, group);
}

function isAt(entry: Assignment, { group, name }: { group: string; name: string }): boolean {
  return entry.group === group && entry.name === name;
}

function readAssignments(file: string): Assignment[] {
  return parseIni(readText(file), file).map(({ section, key, value, line }) => ({
    // Groups match in any case, but for [DEFAULT]; option names with - and _ are equal.
    group: section === "DEFAULT" ? section : section.toLowerCase(),
    name: key.replaceAll("-", "_"),
    text: value,
    origin: `${file}:${line}`,
  }));
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${file}: cannot be read: ${(error as NodeJS.ErrnoException).code}`, {
      cause: error,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new ConfigError(`${file}: is not a text in UTF-8`, { cause: error });
  }
}

/** `OS_<GROUP>__<OPTION>`; `auth_section` may name any group, so those of others are read as well. */
function assignmentsOf(environment: Environment): Assignment[] {
  return Object.entries(environment).flatMap(([variable, text]) => {
    const [, groupName, name] = /^OS_([A-Z0-9_]+?)__([A-Z0-9_]+)$/.exec(variable) ?? [];
    if (groupName === undefined || name === undefined || text === undefined) return [];
    const group = groupName === "DEFAULT" ? groupName : groupName.toLowerCase();
    const origin = `environment variable ${variable}`;
    return [{ group, name: name.toLowerCase(), text, origin }];
  });
}
