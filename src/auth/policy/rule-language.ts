import { parseTemplate, type Template } from "./template.ts";

/** A rule as a policy file writes it: text, or the old form, lists of alternatives. */
export type RuleSource = string | readonly (string | readonly string[])[];

/** A parsed rule. Leaves keep their text, so that a rule can be shown. */
export type Check =
  | { readonly type: "always" }
  /** With a problem: text that is no check; it is refused, as oslo.policy refuses it. */
  | { readonly type: "never"; readonly problem?: string }
  | { readonly type: "not"; readonly check: Check }
  | { readonly type: "and" | "or"; readonly checks: readonly Check[] }
  | { readonly type: "rule"; readonly name: string }
  | { readonly type: "role"; readonly text: string; readonly role: Template }
  /** Compares an attribute of the credentials; more than one name leads into nested values. */
  | {
      readonly type: "attribute";
      readonly text: string;
      readonly path: readonly string[];
      readonly value: Template;
    }
  | {
      readonly type: "literal";
      readonly text: string;
      readonly literal: string;
      readonly value: Template;
    }
  /** Cannot be answered; whatever depends on it, even by `not`, is refused. */
  | { readonly type: "undecidable"; readonly text: string; readonly problem: string };

/**
 * Parses a rule of oslo.policy's check language. `not` binds closer than `and`, `and` closer than
 * `or`; their case does not matter. An empty rule is always true. A rule that cannot be parsed never
 * is, and neither is a check without a colon: a mistake closes an API instead of opening it.
 */
export function parseRule(source: RuleSource): Check {
  return typeof source === "string" ? parseText(source) : parseList(source);
}

/** The rule as text, in oslo.policy's own spelling: brackets around every `and` and `or`. */
export function formatCheck(check: Check): string {
  switch (check.type) {
    case "always":
      return "@";
    case "never":
      return "!";
    case "not":
      return `not ${formatCheck(check.check)}`;
    case "and":
    case "or":
      return `(${check.checks.map(formatCheck).join(` ${check.type} `)})`;
    case "rule":
      return `rule:${check.name}`;
    default:
      return check.text;
  }
}

/** How deep brackets and `not` may stand in each other: nobody writes ten, and reading them recurses. */
const MAX_DEPTH = 100;

/** The check and everything below it, in order; not the rules that it refers to. */
export function* checksWithin(check: Check): Generator<Check> {
  yield check;
  if (check.type === "not") yield* checksWithin(check.check);
  if (check.type === "and" || check.type === "or") {
    for (const part of check.checks) yield* checksWithin(part);
  }
}

function parseText(text: string): Check {
  if (text === "") return { type: "always" };
  const parser = new TextParser(tokenize(text));
  const check = parser.parse();
  if (parser.isTooDeep) {
    const problem = `brackets and "not" stand deeper than ${MAX_DEPTH} in each other`;
    return { type: "undecidable", text: shorten(text), problem };
  }
  return check ?? { type: "never", problem: `cannot parse ${JSON.stringify(shorten(text))}` };
}

/** Of a text that has no end, the log shows the beginning. */
function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200).toWellFormed()}...` : text;
}

/** Alternatives of conditions: `[["role:admin"], ["role:reader", "rule:owner"]]`. */
function parseList(alternatives: readonly (string | readonly string[])[]): Check {
  if (alternatives.length === 0) return { type: "always" };
  const checks = alternatives
    .filter((alternative) => alternative.length > 0)
    .map((alternative) => {
      const conditions = typeof alternative === "string" ? [alternative] : alternative;
      return combine("and", conditions.map(parseCheck));
    });
  return checks.length === 0 ? { type: "never" } : combine("or", checks);
}

function combine(type: "and" | "or", checks: readonly Check[]): Check {
  const [first] = checks;
  return checks.length === 1 && first !== undefined ? first : { type, checks };
}

type Token =
  | { readonly type: "(" | ")" | "and" | "or" | "not" | "quoted" }
  | { readonly type: "check"; readonly check: Check };

/**
 * Brackets may touch a check from outside; those inside it, as in `%(project_id)s`, never stand at
 * its end. A word that is quoted from end to end means nothing to oslo.policy, and no rule has one.
 */
function* tokenize(text: string): Generator<Token> {
  for (const word of text.split(/\s+/u)) {
    const unopened = word.replace(/^\(+/u, "");
    for (let opened = unopened.length; opened < word.length; opened++) yield { type: "(" };
    const core = unopened.replace(/(?<!\))\)+$/u, "");
    if (core !== "") yield coreToken(core, unopened);
    for (let closed = core.length; closed < unopened.length; closed++) yield { type: ")" };
  }
}

function coreToken(core: string, withClosingBrackets: string): Token {
  const keyword = core.toLowerCase();
  if (keyword === "and" || keyword === "or" || keyword === "not") return { type: keyword };
  if (/^(?:"[^]*"|'[^]*')$/u.test(withClosingBrackets)) return { type: "quoted" };
  return { type: "check", check: parseCheck(core) };
}

/** One method per level of precedence; each gives `undefined` where the text makes no sense. */
class TextParser {
  readonly #tokens: readonly Token[];
  #position = 0;
  #depth = 0;
  isTooDeep = false;

  constructor(tokens: Iterable<Token>) {
    this.#tokens = [...tokens];
  }

  parse(): Check | undefined {
    const check = this.#alternatives();
    return this.#position === this.#tokens.length ? check : undefined;
  }

  #alternatives(): Check | undefined {
    return this.#joined("or", () => this.#joined("and", () => this.#operand()));
  }

  #joined(type: "and" | "or", parsePart: () => Check | undefined): Check | undefined {
    const checks: Check[] = [];
    do {
      const check = parsePart();
      if (check === undefined) return undefined;
      checks.push(check);
    } while (this.#take(type) !== undefined);
    return combine(type, checks);
  }

  #operand(): Check | undefined {
    if (this.#depth > MAX_DEPTH) this.isTooDeep = true;
    if (this.isTooDeep) return undefined;
    this.#depth++;
    const check = this.#operandWithin();
    this.#depth--;
    return check;
  }

  #operandWithin(): Check | undefined {
    if (this.#take("not") !== undefined) {
      const check = this.#operand();
      return check && { type: "not", check };
    }
    if (this.#take("(") !== undefined) {
      const check = this.#alternatives();
      return this.#take(")") && check;
    }
    const token = this.#take("check");
    return token?.type === "check" ? token.check : undefined;
  }

  #take(type: Token["type"]): Token | undefined {
    const token = this.#tokens[this.#position];
    if (token?.type !== type) return undefined;
    this.#position++;
    return token;
  }
}

function parseCheck(text: string): Check {
  if (text === "!") return { type: "never" };
  if (text === "@") return { type: "always" };
  const colon = text.indexOf(":");
  if (colon === -1)
    return { type: "never", problem: `${JSON.stringify(shorten(text))} is not a check` };
  return checkOfKind(text.slice(0, colon), text.slice(colon + 1), text);
}

function checkOfKind(kind: string, match: string, text: string): Check {
  if (kind === "rule") return { type: "rule", name: match };
  if (kind === "http" || kind === "https") {
    return {
      type: "undecidable",
      text,
      problem: `"${shorten(text)}" asks a remote server; not supported`,
    };
  }
  const value = parseTemplate(match);
  if (value === undefined) {
    return {
      type: "undecidable",
      text,
      problem: `only %(name)s is understood in "${shorten(text)}"`,
    };
  }
  if (kind === "role") return { type: "role", text, role: value };
  const literal = literalText(kind);
  if (literal !== undefined) return { type: "literal", text, literal, value };
  if (isAttributePath(kind)) return { type: "attribute", text, path: kind.split("."), value };
  return { type: "undecidable", text, problem: `"${shorten(kind)}" is no attribute` };
}

/**
 * The text of a Python literal, as `str` gives it: quoted text, `True`, `False`, `None` and whole
 * numbers, which are all that a comparison with text can be meant to hold.
 */
function literalText(kind: string): string | undefined {
  if (kind === "True" || kind === "False" || kind === "None") return kind;
  if (/^-?(?:0|[1-9]\d*)$/.test(kind)) return BigInt(kind).toString();
  return /^(?:'([^'\\]*)'|"([^"\\]*)")$/.exec(kind)?.slice(1).join("");
}

/** Blanks make a name that nobody has, which is not worth refusing the alternatives next to it. */
function isAttributePath(kind: string): boolean {
  return /^[\p{L}_][\p{L}\p{N}_ \t-]*(?:\.[\p{L}_][\p{L}\p{N}_ \t-]*)*$/u.test(kind);
}
