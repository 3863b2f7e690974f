import type { Config } from "../../config/config.ts";
import { ALL_OPTIONS, camelCase, optionLabel, type Option } from "../../config/options.ts";

/** The options whose values differ, as `[group] name`. */
export function changedOptions(before: Config, after: Config): string[] {
  return ALL_OPTIONS.filter(
    (option) => optionText(before, option) !== optionText(after, option),
  ).map(optionLabel);
}

/** The value as JSON; empty where there is none. */
export function optionText(config: Config, { group, name }: Option): string {
  const groups: Readonly<Record<string, Readonly<Record<string, unknown>>>> = config;
  return JSON.stringify(groups[camelCase(group)]?.[camelCase(name)]) ?? "";
}

/**
 * Whether a process takes no notice of a change: the log, the connections to the database, the
 * sockets and the read model are made once.
 */
export function isReadAtStart(label: string): boolean {
  return label.startsWith("[placement_database]") || READ_AT_START.has(label);
}

const READ_AT_START: ReadonlySet<string> = new Set([
  "[DEFAULT] log_file",
  "[DEFAULT] log_dir",
  "[DEFAULT] use_json",
  "[DEFAULT] use_stderr",
  "[placement] allocation_candidates_generation_strategy",
  "[placement] max_allocation_candidates",
  "[placement] randomize_allocation_candidates",
  "[stowage] host",
  "[stowage] port",
  "[stowage] unix_socket",
  "[stowage] workers",
  "[stowage] request_timeout",
  "[stowage] change_retention",
]);
