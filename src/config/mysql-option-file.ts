import { readFileSync } from "node:fs";
import { ConfigError } from "./config-error.ts";

/** The options of one group of a MySQL option file, without the quotes around their values. */
export type MysqlOptions = Readonly<Record<string, string>>;

/**
 * Reads one group of a `my.cnf`: `name = value` under `[group]`, `#` and `;` for comments, and
 * options without a value, which are left out. `!include` lines are not followed, as in PyMySQL.
 *
 * @throws ConfigError when the file cannot be read.
 */
export function readMysqlOptionFile(file: string, group: string): MysqlOptions {
  const options: Record<string, string> = {};
  let section = "";
  for (const line of readText(file).split(/\r?\n/)) {
    const content = line.trim();
    const header = /^\[(.*)\]$/.exec(content);
    if (header !== null) section = header[1] ?? "";
    else if (section === group && !/^[#;!]/.test(content)) {
      const [, name, value] = /^([^=:]+)[=:](.*)$/.exec(content) ?? [];
      if (name === undefined || value === undefined) continue;
      options[name.trim().toLowerCase()] = unquote(value.trim());
    }
  }
  return options;
}

function unquote(value: string): string {
  return /^(["']).*\1$/.test(value) ? value.slice(1, -1) : value;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(
      `[placement_database] connection: the option file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      { cause: error },
    );
  }
}
