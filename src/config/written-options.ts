import { readFileSync } from "node:fs";
import { ConfigError } from "./config-error.ts";
import { findMisspelling } from "./misspelling.ts";
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

interface VariableAssignment extends Assignment {
  readonly variable: string;
}

/** What the configuration files and the environment say, before any of it is interpreted. */
export class WrittenOptions {
  /** The assignments of each file, the file that counts most first. */
  readonly #files: readonly (readonly Assignment[])[];
  readonly #environment: readonly VariableAssignment[];
  /** Variables that were meant for us, by their looks, but that nobody reads. */
  readonly #strays: readonly string[];

  /** @throws ConfigError when a file cannot be read or is not in the dialect. */
  constructor(files: readonly string[], environment: Environment) {
    this.#files = files.map(readAssignments).reverse();
    this.#environment = assignmentsOf(environment);
    this.#strays = Object.keys(environment).filter(isStray);
  }

  /**
   * Neither a file nor a variable that configures: nobody has said who is believed and where the
   * records are. Those of `[stowage]`, such as the port, say neither. A variable of a group that is
   * unknown may be a misspelt one of ours.
   */
  get isEmpty(): boolean {
    return (
      this.#files.length === 0 &&
      this.#environment.every(({ group }) => group === "stowage") &&
      this.#strays.length === 0
    );
  }

  /** The environment variables that were read, or would have been if they were spelt right. */
  get variables(): readonly string[] {
    return [...this.#environment.map(({ variable }) => variable), ...this.#strays];
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
   * A warning for each assignment whose name is deprecated, or unknown in a group that is known, and
   * one for each group that is known to mean nothing here, or looks like a misspelt one. Other groups
   * that are not in the table belong to others.
   */
  warnings(): string[] {
    const assignments = [...this.#files.toReversed().flat(), ...this.#environment];
    return [
      ...assignmentWarnings(assignments),
      ...groupWarnings(assignments),
      ...this.#strays.map(strayWarning),
    ];
  }
}

function assignmentWarnings(assignments: readonly Assignment[]): string[] {
  return assignments.flatMap((entry) => {
    if (CURRENT_LABELS.has(optionLabel(entry))) return [];
    const current = CURRENT_BY_FORMER.get(optionLabel(entry));
    if (current !== undefined) {
      return [`${entry.origin}: ${optionLabel(entry)} is deprecated; use ${optionLabel(current)}`];
    }
    if (!isInKnownGroup(entry)) return [];
    return [`${entry.origin}: ${optionLabel(entry)} is unknown and has no effect`];
  });
}

/** Groups of libraries that other services read, and what became of them here. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  profiler: "requests are not traced with OSprofiler",
  healthcheck: "GET / tells whether the service is there",
  cache: "validated tokens are cached in the memory of the process",
  audit_middleware_notifications: "no audit events are sent; see the table stowage_changes",
};

/** Once a group, by its first line. A misspelt group is worse than a misspelt option. */
function groupWarnings(assignments: readonly Assignment[]): string[] {
  const first = new Map<string, Assignment>();
  for (const entry of assignments) if (!first.has(entry.group)) first.set(entry.group, entry);
  return [...first.values()].flatMap(({ group, origin }) => {
    if (Object.hasOwn(OPTIONS, group)) return [];
    const reason = Object.hasOwn(WITHOUT_EFFECT, group) ? WITHOUT_EFFECT[group] : undefined;
    if (reason !== undefined) return [`${origin}: [${group}] has no effect: ${reason}`];
    const meant = findMisspelling(group, Object.keys(OPTIONS));
    return meant === undefined
      ? []
      : [`${origin}: [${group}] is unknown and has no effect; is [${meant}] meant?`];
  });
}

function strayWarning(variable: string): string {
  return `environment variable ${variable} is not read: it must be OS_<GROUP>__<OPTION>, in capitals`;
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
function assignmentsOf(environment: Environment): VariableAssignment[] {
  return Object.entries(environment).flatMap(([variable, text]) => {
    const [, groupName, name] = VARIABLE.exec(variable) ?? [];
    if (groupName === undefined || name === undefined || text === undefined) return [];
    const group = groupName === "DEFAULT" ? groupName : groupName.toLowerCase();
    const origin = `environment variable ${variable}`;
    return [{ group, name: name.toLowerCase(), text, origin, variable }];
  });
}

const VARIABLE = /^OS_([A-Z0-9]+(?:_[A-Z0-9]+)*)__([A-Z0-9_]+)$/;

/**
 * A variable with the right underscores but other letters, or with the right letters but one
 * underscore between group and option. Anything else belongs to others: `OS_AUTH_URL`, `OS_CLOUD`.
 */
function isStray(variable: string): boolean {
  const capitals = variable.toUpperCase();
  if (VARIABLE.test(capitals)) return capitals !== variable;
  return WITH_ONE_UNDERSCORE.has(capitals);
}

const WITH_ONE_UNDERSCORE: ReadonlySet<string> = new Set(
  ALL_OPTIONS.map(({ group, name }) => `OS_${group}_${name}`.toUpperCase()),
);
