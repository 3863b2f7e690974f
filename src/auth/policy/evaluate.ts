import type { PolicyValue, PolicyValues } from "../credentials.ts";
import type { Check } from "./rule-language.ts";
import { fillTemplate, type TargetValues } from "./template.ts";

/** A rule that has no answer. Upstream fails there with an internal error; the caller refuses. */
export class UndecidableRule extends Error {
  override get name(): string {
    return "UndecidableRule";
  }
}

/** What a rule is evaluated against. */
interface Evaluation {
  readonly values: PolicyValues;
  readonly target: TargetValues;
  /** The rule that a `rule:` check means; `undefined` where there is none, which refuses. */
  readonly findRule: (name: string) => Check | undefined;
}

/**
 * Whether the credentials pass the check, from left to right, stopping at the first part that
 * decides, as oslo.policy does.
 *
 * @throws UndecidableRule at a remote check, a rule that leads back to itself, or an attribute of
 * something that has none.
 */
export function evaluate(check: Check, evaluation: Evaluation): boolean {
  return passes(check, evaluation, { entered: new Set(), answers: new Map(), depth: 0 });
}

/** Where an evaluation stands. */
interface Progress {
  /** The rules that are being asked. */
  readonly entered: Set<string>;
  /** Those that have answered: rules that refer to rules twice each would be asked without an end. */
  readonly answers: Map<string, boolean>;
  depth: number;
}

/** Rules that lead on to rules, and what stands in them, are gone through by recursion. */
const MAX_DEPTH = 1000;

function passes(check: Check, evaluation: Evaluation, progress: Progress): boolean {
  if (progress.depth > MAX_DEPTH) throw new UndecidableRule("rules lead on to rules too deeply");
  progress.depth++;
  const result = passesWithin(check, evaluation, progress);
  progress.depth--;
  return result;
}

function passesWithin(check: Check, evaluation: Evaluation, progress: Progress): boolean {
  switch (check.type) {
    case "always":
      return true;
    case "never":
      return false;
    case "not":
      return !passes(check.check, evaluation, progress);
    case "and":
      return check.checks.every((part) => passes(part, evaluation, progress));
    case "or":
      return check.checks.some((part) => passes(part, evaluation, progress));
    case "rule":
      return passesRule(check.name, evaluation, progress);
    case "role":
      return hasRole(fillTemplate(check.role, evaluation.target), evaluation.values["roles"]);
    case "literal":
      return check.literal === fillTemplate(check.value, evaluation.target);
    case "undecidable":
      throw new UndecidableRule(check.problem);
    default:
      return hasAttribute(check, evaluation);
  }
}

/** Coming back to a rule with the same credentials and target would never end. */
function passesRule(name: string, evaluation: Evaluation, progress: Progress): boolean {
  const { entered, answers } = progress;
  const answer = answers.get(name);
  if (answer !== undefined) return answer;
  if (entered.has(name)) throw new UndecidableRule(`rule:${name} refers to itself`);
  const check = evaluation.findRule(name);
  if (check === undefined) return false;
  entered.add(name);
  const result = passes(check, evaluation, progress);
  entered.delete(name);
  answers.set(name, result);
  return result;
}

function hasRole(wanted: string | undefined, roles: PolicyValue | undefined): boolean {
  if (wanted === undefined || !Array.isArray(roles)) return false;
  const role = wanted.toLowerCase();
  return roles.some(
    (candidate) => typeof candidate === "string" && candidate.toLowerCase() === role,
  );
}

function hasAttribute(
  { path, value, text }: Extract<Check, { type: "attribute" }>,
  { values, target }: Evaluation,
): boolean {
  const wanted = fillTemplate(value, target);
  if (wanted === undefined) return false;
  const leaves = valuesAt(values, path);
  if (leaves === undefined) throw new UndecidableRule(`"${text}" asks for an attribute of a text`);
  return leaves.some((leaf) => textOf(leaf) === wanted);
}

/** All values at the end of a path; each element of a list on the way counts. */
function valuesAt(value: PolicyValue, path: readonly string[]): readonly PolicyValue[] | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return [value];
  if (!isRecord(value)) return undefined;
  const next = Object.hasOwn(value, name) ? value[name] : undefined;
  if (next === undefined) return [];
  if (!Array.isArray(next)) return valuesAt(next, rest);
  const found: PolicyValue[] = [];
  for (const element of next as readonly PolicyValue[]) {
    const leaves = valuesAt(element, rest);
    if (leaves === undefined) return undefined;
    found.push(...leaves);
  }
  return found;
}

function isRecord(value: PolicyValue): value is PolicyValues {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As Python's `str` writes it; nested values have no text that a rule could name. */
function textOf(value: PolicyValue): string | undefined {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? value : undefined;
}
