import type { Config } from "../../config/config.ts";
import { maskUserInfo } from "../../config/user-info.ts";
import { ALL_OPTIONS, optionLabel, type Option } from "../../config/options.ts";
import { optionText } from "./changed-options.ts";

/** A line for each option that has an effect, with its value unless that is or holds a secret. */
export function describeOptions(config: Config): string[] {
  return ALL_OPTIONS.filter(({ definition }) => definition.ignored === undefined).map((option) =>
    `${optionLabel(option)} = ${shownValue(config, option)}`.trimEnd(),
  );
}

/** The value of an option as anybody may see it, as JSON; empty where there is none. */
export function shownValue(config: Config, option: Option): string {
  const text = optionText(config, option);
  return option.definition.secret && text !== "" ? "***" : maskUserInfo(text);
}
