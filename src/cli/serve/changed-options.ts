import type { Config } from "../../config/config.ts";
import { ALL_OPTIONS, camelCase, type Option } from "../../config/options.ts";

/** The options whose values differ. */
export function changedOptions(before: Config, after: Config): Option[] {
  return ALL_OPTIONS.filter((option) => optionText(before, option) !== optionText(after, option));
}

/** The value as JSON; empty where there is none. */
export function optionText(config: Config, { group, name }: Option): string {
  const groups: Readonly<Record<string, Readonly<Record<string, unknown>>>> = config;
  return JSON.stringify(groups[camelCase(group)]?.[camelCase(name)]) ?? "";
}
