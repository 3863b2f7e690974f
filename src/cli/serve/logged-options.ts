import type { Config } from "../../config/config.ts";
import { maskUserInfo } from "../../config/user-info.ts";
import { ALL_OPTIONS, optionLabel } from "../../config/options.ts";
import { optionText } from "./changed-options.ts";

/** A line for each option that has an effect, with its value unless that is or holds a secret. */
export function describeOptions(config: Config): string[] {
  return ALL_OPTIONS.filter(({ definition }) => definition.ignored === undefined).map((option) => {
    const text = optionText(config, option);
    const shown = option.definition.secret && text !== "" ? "***" : maskUserInfo(text);
    return `${optionLabel(option)} = ${shown}`.trimEnd();
  });
}
