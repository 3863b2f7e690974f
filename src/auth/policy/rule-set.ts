import type { DefaultRule } from "./default-rules.ts";
import { checksWithin, formatCheck, parseRule, type Check } from "./rule-language.ts";
import { ALL_RULES } from "./rules.ts";

/** A rule that an operator wrote. */
export interface FileRule {
  readonly check: Check;
  /** The path of the file. */
  readonly file: string;
}

export type FileRules = ReadonlyMap<string, FileRule>;

interface RuleOptions {
  /** Whether deprecated default rules count no longer. */
  readonly enforceNewDefaults: boolean;
  /** The name of the rule that answers for rules that do not exist, if there is one of that name. */
  readonly policyDefaultRule: string;
}

/** A rule in force, and where it is from. */
export interface EffectiveRule {
  readonly check: Check;
  /** A path; or the default, with or without what was the default before. */
  readonly origin: { readonly file: string } | "default" | "default or deprecated default";
}

/** The rules in force: those of the policy files, and the defaults that no file overrides. */
export class RuleSet {
  readonly rules: ReadonlyMap<string, EffectiveRule>;
  readonly #default: Check | undefined;

  constructor(fileRules: FileRules, options: RuleOptions) {
    const rules = new Map<string, EffectiveRule>();
    for (const rule of ALL_RULES) {
      rules.set(rule.name, effectiveDefault(rule, fileRules, options));
    }
    for (const [name, { check, file }] of fileRules) rules.set(name, { check, origin: { file } });
    this.rules = rules;
    this.#default = rules.get(options.policyDefaultRule)?.check;
  }

  /** The rule of this name, or the one that answers for rules that do not exist. */
  find(name: string): Check | undefined {
    return this.rules.get(name)?.check ?? this.#default;
  }
}

/**
 * A default as oslo.policy's `_handle_deprecated_rule` makes it: where a file overrides the rule
 * under its deprecated name, that counts; else the deprecated default is or-ed in while new defaults
 * are not enforced. A rule that a file overrides under its own name never gets here.
 */
function effectiveDefault(
  { name, check: source, deprecatedRule }: DefaultRule,
  fileRules: FileRules,
  { enforceNewDefaults }: RuleOptions,
): EffectiveRule {
  const check = parseRule(source);
  if (deprecatedRule === undefined) return { check, origin: "default" };
  const deprecated = parseRule(deprecatedRule.check);
  const override = fileRules.get(deprecatedRule.name);
  if (override !== undefined) {
    const text = formatCheck(override.check);
    if (text !== formatCheck(deprecated) && text !== `rule:${name}`) {
      return { check: override.check, origin: { file: override.file } };
    }
  }
  if (enforceNewDefaults) return { check, origin: "default" };
  return {
    check: { type: "or", checks: [check, deprecated] },
    origin: "default or deprecated default",
  };
}

/** What an operator should know about the rules, each naming the rule and its file. */
export function ruleProblems(
  ruleSet: RuleSet,
  fileRules: FileRules,
  options: RuleOptions,
): string[] {
  const problems: string[] = [];
  const asked = askedNames(ruleSet, options);
  for (const [name, { check, file }] of fileRules) {
    const label = `${file}: rule "${name}"`;
    if (!asked.has(name)) {
      problems.push(
        `${label} has no effect: Placement has no rule of that name, and no rule refers to it`,
      );
    }
    for (const part of checksWithin(check)) {
      const problem = problemOf(part, ruleSet);
      if (problem !== undefined) problems.push(`${label}: ${problem}`);
    }
    if (refersToItself(name, ruleSet)) {
      problems.push(`${label} refers to itself: refused where that decides`);
    }
  }
  return problems;
}

/** Every name that a rule may be asked under: by Placement, by another rule, or by oslo.policy. */
function askedNames(ruleSet: RuleSet, { policyDefaultRule }: RuleOptions): ReadonlySet<string> {
  const names = new Set([policyDefaultRule]);
  for (const { name, deprecatedRule } of ALL_RULES) {
    names.add(name);
    if (deprecatedRule) names.add(deprecatedRule.name);
  }
  for (const { check } of ruleSet.rules.values()) {
    for (const part of checksWithin(check)) if (part.type === "rule") names.add(part.name);
  }
  return names;
}

function problemOf(check: Check, ruleSet: RuleSet): string | undefined {
  if (check.type === "never" && check.problem !== undefined) return `${check.problem}: refused`;
  if (check.type === "undecidable") return `${check.problem}: refused`;
  if (check.type !== "rule" || ruleSet.rules.has(check.name)) return undefined;
  return `rule "${check.name}" does not exist`;
}

function refersToItself(name: string, ruleSet: RuleSet): boolean {
  const reached = new Set<string>();
  const pending = [name];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const check = ruleSet.rules.get(next)?.check;
    if (check === undefined) continue;
    for (const part of checksWithin(check)) {
      if (part.type !== "rule" || reached.has(part.name)) continue;
      reached.add(part.name);
      pending.push(part.name);
    }
  }
  return reached.has(name);
}
