import type { LoadedConfig } from "../../config/config.ts";
import { ALL_OPTIONS, optionLabel } from "../../config/options.ts";
import { VERSION } from "../../config/version.ts";
import { printable } from "../../observability/logger.ts";
import { shownValue } from "../serve/logged-options.ts";
import type { Terminal } from "../terminal.ts";

/** Command-line options of `config show`. */
export interface ConfigShowOptions {
  /** Whether to show the options as well of which nobody has said anything. */
  readonly all?: true;
  readonly json?: true;
}

/** An option as it is in force. */
interface ShownOption {
  readonly option: string;
  /** As JSON, `***` for a secret; empty where there is none. */
  readonly value: string;
  readonly origin: string;
  /** Why it has no effect. */
  readonly ignored?: string;
}

/**
 * `config show`: what was read, and from where each value comes that is in force. It holds no secrets, so that
 * it can be put into a bug report.
 */
export function showConfig(
  loaded: LoadedConfig,
  { all = false, json = false }: { readonly all?: boolean; readonly json?: boolean },
  { output }: Terminal,
): number {
  const options = ALL_OPTIONS.flatMap((option): ShownOption[] => {
    const label = optionLabel(option);
    const { ignored } = option.definition;
    const origin = Object.hasOwn(loaded.origins, label) ? loaded.origins[label] : undefined;
    if (origin === undefined && (!all || ignored !== undefined)) return [];
    return [
      {
        option: label,
        value: shownValue(loaded.config, option),
        origin: origin ?? "default",
        ...(ignored !== undefined && { ignored }),
      },
    ];
  });
  const { sources, directories, isZeroConfig } = loaded;
  const read = { version: VERSION, node: process.version, files: sources, directories };
  output.write(
    json
      ? `${JSON.stringify({ ...read, isZeroConfig, options })}\n`
      : describe(read, isZeroConfig, options),
  );
  return 0;
}

function describe(
  {
    version,
    node,
    files,
    directories,
  }: Readonly<Record<"version" | "node", string>> &
    Readonly<Record<"files" | "directories", readonly string[]>>,
  isZeroConfig: boolean,
  options: readonly ShownOption[],
): string {
  const lines = [
    `# Stowage ${version}, Node.js ${node}`,
    ...files.map((file) => `# read: ${file}`),
    ...(isZeroConfig ? ["# nothing is configured: the defaults of a first look"] : []),
    ...(directories.length > 0
      ? [`# relative paths are looked for in ${directories.join(", ")}`]
      : []),
  ];
  let group = "";
  for (const { option, value, origin, ignored } of options) {
    const [, itsGroup = "", name = ""] = /^\[(.*)\] (.*)$/.exec(option) ?? [];
    if (itsGroup !== group) lines.push("", `[${itsGroup}]`);
    group = itsGroup;
    const note = ignored === undefined ? origin : `${origin}; without effect: ${ignored}`;
    lines.push(`${name} = ${value}`.trimEnd() + `  # ${note}`);
  }
  // Paths and values are what anybody has written.
  return lines.map((line) => `${printable(line)}\n`).join("");
}
