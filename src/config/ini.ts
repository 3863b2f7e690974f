import { ConfigError } from "./config-error.ts";
import { strip, stripEnd, stripStart } from "./white-space.ts";

/** One `key = value` of a file. The same key may come again; nothing is merged here. */
interface IniAssignment {
  readonly section: string;
  readonly key: string;
  /** The lines of the value, joined by line feeds. */
  readonly value: string;
  /** The number, from 1, of the line that the key is on. */
  readonly line: number;
}

interface OpenAssignment {
  readonly key: string;
  readonly lines: string[];
  readonly line: number;
}

/**
 * Reads the INI dialect of oslo.config (`oslo_config/iniparser.py`), which differs from most:
 *
 * - `#` and `;` start a comment only at the start of a line; in a value they are text, and so is `%`.
 * - The key ends at the first `=` or `:`.
 * - A line that starts with a blank or a tab continues the value before it, whatever is on it. An
 *   empty line, a comment or a section ends the value.
 * - One pair of equal quotes around the first line of a value is removed.
 * - Nothing may follow the `]` of a section, and no key may come before the first section.
 *
 * @throws ConfigError naming the file, the line and what is wrong with it.
 */
export function parseIni(text: string, file: string): IniAssignment[] {
  const assignments: IniAssignment[] = [];
  let section: string | undefined;
  let open: OpenAssignment | undefined;

  const close = () => {
    if (open === undefined) return;
    const { key, lines, line } = open;
    open = undefined;
    if (section === undefined)
      throw problem(file, line, "a section must come before the first key");
    assignments.push({ section, key, value: lines.join("\n"), line });
  };

  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const line = index + 1;
    const content = stripEnd(raw);
    if (content === "") {
      close();
    } else if (/^[ \t]/.test(content)) {
      if (open === undefined)
        throw problem(file, line, "there is no value that this line continues");
      open.lines.push(stripStart(content));
    } else {
      close();
      if (content.startsWith("[")) section = sectionName(content, file, line);
      else if (!/^[#;]/.test(content)) open = startAssignment(content, file, line);
    }
  }
  close();
  return assignments;
}

function sectionName(content: string, file: string, line: number): string {
  if (!content.endsWith("]")) throw problem(file, line, "a section must end with ]");
  if (content.length <= 2) throw problem(file, line, "a section must have a name");
  return content.slice(1, -1);
}

function startAssignment(content: string, file: string, line: number): OpenAssignment {
  const separator = content.search(/[=:]/);
  if (separator === -1) throw problem(file, line, "a key must be followed by = or :");
  const key = strip(content.slice(0, separator));
  if (key === "") throw problem(file, line, "there is no key before the = or :");
  return { key, lines: [unquote(strip(content.slice(separator + 1)))], line };
}

/** A single quote character counts as its own pair, as in oslo.config. */
function unquote(value: string): string {
  return /^["']/.test(value) && value.at(-1) === value[0] ? value.slice(1, -1) : value;
}

/** The text of the line is left out of the message: it may hold a password. */
function problem(file: string, line: number, what: string): ConfigError {
  return new ConfigError(`${file}:${line}: ${what}`);
}
