import { BASE_RULES, PLACEMENT_ACTIONS, type DefaultRule } from "./default-rules.ts";
import { STOWAGE_RULES } from "./stowage-rules.ts";

const ACTION_RULES = [...PLACEMENT_ACTIONS, ...STOWAGE_RULES];

/** What a request may ask for: `placement:resource_providers:list` and so on. */
export type PolicyName = (typeof ACTION_RULES)[number]["name"];

/** All rules: those of Placement, in its order, and then ours. */
export const ALL_RULES: readonly DefaultRule[] = [...BASE_RULES, ...ACTION_RULES];

/** The rules of {@link ALL_RULES} that guard requests. */
export const POLICIES: ReadonlyMap<PolicyName, DefaultRule<PolicyName>> = new Map<
  PolicyName,
  DefaultRule<PolicyName>
>(ACTION_RULES.map((rule) => [rule.name, rule]));

export function isPolicyName(name: string): name is PolicyName {
  return (POLICIES as ReadonlyMap<string, DefaultRule>).has(name);
}
