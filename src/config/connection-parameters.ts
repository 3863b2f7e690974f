import { ConfigError } from "./config-error.ts";
import { parseBoolean } from "./option-value.ts";

/** The parts of a URL, decoded; `undefined` where it has none. */
export interface UrlParts {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly database: string | undefined;
}

/** The query parameters of a database URL. Each is asked for by name; what is left over is an error. */
export class ConnectionParameters {
  /** All of them as written. */
  readonly all: Readonly<Record<string, string>>;
  readonly #left: Map<string, string>;

  /**
   * @param queries the query of the URL, and what is appended to it, without a question mark. A
   *   parameter with an empty value is dropped, as SQLAlchemy does.
   * @throws ConfigError when a parameter is given twice.
   */
  constructor(...queries: readonly string[]) {
    const pairs = queries
      .flatMap((query) => [...new URLSearchParams(query)])
      .filter(([, value]) => value !== "");
    this.#left = new Map(pairs);
    const repeated = pairs.find(([name], index) => pairs.findIndex((p) => p[0] === name) < index);
    if (repeated !== undefined) throw connectionProblem(`${repeated[0]} is given more than once`);
    this.all = Object.freeze(Object.fromEntries(pairs));
  }

  text(name: string): string | undefined {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  boolean(name: string): boolean | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = parseBoolean(text);
    if (value === undefined) throw connectionProblem(`${name} must be true or false`);
    return value;
  }

  /** A whole number that is not negative. */
  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d{1,15}$/.test(text)) throw connectionProblem(`${name} must be a whole number`);
    return Number(text);
  }

  choice<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((candidate) => candidate === text);
    if (choice !== undefined) return choice;
    throw connectionProblem(`${name} must be one of ${choices.join(", ")}`);
  }

  /**
   * Ends the reading.
   *
   * @param harmless parameters of upstream's drivers that make no difference here.
   * @throws ConfigError when there is a parameter that nobody has asked for, because leaving out,
   *   say, a demand for encryption would be worse than not starting.
   */
  finish(harmless: readonly string[]): void {
    if (this.#left.get("plugin") === COUNTING_PLUGIN) this.#left.delete("plugin");
    const unknown = [...this.#left.keys()].filter((name) => !harmless.includes(name));
    if (unknown.length === 0) return;
    throw connectionProblem(`the parameter ${unknown.join(", ")} is not supported`);
  }
}

/** DevStack has SQLAlchemy count the queries by it; there is nothing here that would load it. */
export const COUNTING_PLUGIN = "dbcounter";

/** An error in the database's URL; `what` must not hold parts of it that could be the password. */
export function connectionProblem(what: string): ConfigError {
  return new ConfigError(`[placement_database] connection: ${what}`);
}
