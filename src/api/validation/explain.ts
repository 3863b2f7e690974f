/**
 * Why a value does not meet a schema, in the words of Python's jsonschema 4.10, which clients and
 * upstream's tests match on. Ajv decides; this file only explains, on the way to a 400, so it is a
 * plain interpreter of the keywords that Placement's schemas use, in the order of that library:
 * the order decides which of several errors is told.
 */

import { prettyPrint, represent, smallest } from "./python-text.ts";

/** A JSON schema; keywords in the order in which they are checked. */
export type SchemaDocument = Readonly<Record<string, unknown>>;

/** Whether a text has a named format, such as `uuid`. */
export type FormatCheck = (value: unknown) => boolean;

/**
 * What is wrong with `value`, as `str(ValidationError)` has it; `undefined` if nothing is.
 *
 * @param fault where one error is, as a JSON pointer. Of the many items that a value may have, the
 * first ones are looked at and this one, so that the effort is bounded.
 */
export function explain(
  schema: SchemaDocument,
  value: unknown,
  formats: Readonly<Record<string, FormatCheck>>,
  fault = "",
): string | undefined {
  const trail = fault.split("/").slice(1).map(unescapePointer);
  const scope: Scope = { formats, trail, left: { items: MAX_ITEMS } };
  const best = bestMatch(findErrors(schema, value, scope));
  return best && describe(best);
}

/**
 * How many items and members are looked at in order, all levels together: the error that upstream
 * would tell of is among them in all that people write by hand.
 */
const MAX_ITEMS = 1000;

/** How an error is looked for. */
interface Scope {
  readonly formats: Formats;
  /** From here to the error that is known; `undefined` beside the way to it. */
  readonly trail: readonly string[] | undefined;
  readonly left: { items: number };
}

function unescapePointer(step: string): string {
  return step.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** The members or items to look at: all while there are few, and the one that is known to be wrong. */
function* membersToCheck(value: object, { trail, left }: Scope): Generator<[string, unknown]> {
  const members = value as Readonly<Record<string, unknown>>;
  const isKnown = trail?.[0];
  let hasMet = false;
  for (const key in members) {
    if (!Object.hasOwn(members, key)) continue;
    if (--left.items < 0) break;
    hasMet ||= key === isKnown;
    yield [key, members[key]];
  }
  if (!hasMet && isKnown !== undefined && Object.hasOwn(members, isKnown)) {
    yield [isKnown, members[isKnown]];
  }
}

interface ValidationError {
  readonly message: string;
  readonly keyword: string;
  readonly schema: SchemaDocument;
  readonly value: unknown;
  /** Where in the value, relative to the `anyOf` that it is part of, if any. */
  readonly path: readonly Step[];
  /** Where in the schema, without the keyword. */
  readonly schemaPath: readonly Step[];
  /** What failed inside of an `anyOf`. */
  readonly context: readonly ValidationError[];
}

type Step = string | number;
type Formats = Readonly<Record<string, FormatCheck>>;

function describe({ message, keyword, schema, value, path, schemaPath }: ValidationError): string {
  return [
    message,
    "",
    `Failed validating ${represent(keyword)} in schema${index(schemaPath)}:`,
    indent(prettyPrint(schema)),
    "",
    `On instance${index(path)}:`,
    indent(prettyPrint(value)),
  ].join("\n");
}

function index(path: readonly Step[]): string {
  return path.map((step) => `[${represent(step)}]`).join("");
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "    ");
}

/**
 * The most telling error: nearest to the top, and the first of those. Of an `anyOf`, the branch that
 * stands out (the one whose type is met), if one does.
 */
function bestMatch(errors: readonly ValidationError[]): ValidationError | undefined {
  let best = errors.reduce<ValidationError | undefined>(
    (found, error) => (found && compare(error, found) <= 0 ? found : error),
    undefined,
  );
  while (best && best.context.length > 0) {
    const [least, next] = best.context.toSorted(compare);
    if (!least || (next && compare(least, next) === 0)) return best;
    best = least;
  }
  return best;
}

/** Positive when `a` tells more than `b`. */
function compare(a: ValidationError, b: ValidationError): number {
  return (
    b.path.length - a.path.length ||
    Number(b.keyword === "anyOf") - Number(a.keyword === "anyOf") ||
    Number(hasItsType(b)) - Number(hasItsType(a))
  );
}

function hasItsType({ schema, value }: ValidationError): boolean {
  return "type" in schema && isOfType(value, schema["type"]);
}

function findErrors(schema: SchemaDocument, value: unknown, scope: Scope): ValidationError[] {
  return Object.entries(schema).flatMap(([keyword, expected]) =>
    check(keyword, { expected, schema, value, scope }),
  );
}

interface Check {
  /** What the keyword says. */
  readonly expected: unknown;
  /** The schema that the keyword stands in. */
  readonly schema: SchemaDocument;
  readonly value: unknown;
  readonly scope: Scope;
}

function check(keyword: string, checked: Check): ValidationError[] {
  const { schema, value } = checked;
  const messages = FLAT_KEYWORDS[keyword]?.(checked);
  if (messages) {
    return messages.map((message) => {
      return { message, keyword, schema, value, path: [], schemaPath: [], context: [] };
    });
  }
  return NESTING_KEYWORDS[keyword]?.(checked) ?? [];
}

/** Keywords that say something about the value itself: message if it is not so. */
const FLAT_KEYWORDS: Readonly<Record<string, (checked: Check) => string[]>> = {
  type: ({ expected, value }) =>
    fail(!isOfType(value, expected), () => {
      const types = [expected].flat().map((type) => represent(type));
      return `${represent(value)} is not of type ${types.join(", ")}`;
    }),
  enum: ({ expected, value }) =>
    fail(!asArray(expected).includes(value), () => {
      return `${represent(value)} is not one of ${represent(expected)}`;
    }),
  minimum: ({ expected, value }) =>
    fail(typeof value === "number" && value < Number(expected), () => {
      return `${represent(value)} is less than the minimum of ${represent(expected)}`;
    }),
  maximum: ({ expected, value }) =>
    fail(typeof value === "number" && value > Number(expected), () => {
      return `${represent(value)} is greater than the maximum of ${represent(expected)}`;
    }),
  minLength: ({ expected, value }) =>
    fail(typeof value === "string" && lengthOf(value) < Number(expected), () => {
      return `${represent(value)} is too short`;
    }),
  maxLength: ({ expected, value }) =>
    fail(typeof value === "string" && lengthOf(value) > Number(expected), () => {
      return `${represent(value)} is too long`;
    }),
  pattern: ({ expected, value }) =>
    fail(typeof value === "string" && !regex(expected).test(value), () => {
      return `${represent(value)} does not match ${represent(expected)}`;
    }),
  format: ({ expected, value, scope: { formats } }) =>
    fail(formats[String(expected)]?.(value) === false, () => {
      return `${represent(value)} is not a ${represent(expected)}`;
    }),
  minItems: ({ expected, value }) =>
    fail(Array.isArray(value) && value.length < Number(expected), () => {
      return `${represent(value)} is too short`;
    }),
  maxItems: ({ expected, value }) =>
    fail(Array.isArray(value) && value.length > Number(expected), () => {
      return `${represent(value)} is too long`;
    }),
  uniqueItems: ({ expected, value }) =>
    fail(expected === true && Array.isArray(value) && hasDuplicates(value), () => {
      return `${represent(value)} has non-unique elements`;
    }),
  required: ({ expected, value }) =>
    isObject(value)
      ? asArray(expected)
          .filter((name) => !Object.hasOwn(value, String(name)))
          .map((name) => `${represent(name)} is a required property`)
      : [],
  minProperties: ({ expected, value }) =>
    fail(isObject(value) && Object.keys(value).length < Number(expected), () => {
      return `${represent(value)} does not have enough properties`;
    }),
  additionalProperties: ({ expected, schema, value }) => {
    if (expected !== false || !isObject(value)) return [];
    const extras = findExtras(schema, value);
    return fail(extras.length > 0, () => describeExtras(schema, extras));
  },
};

/** Keywords that apply schemas to parts of the value. */
const NESTING_KEYWORDS: Readonly<Record<string, (checked: Check) => ValidationError[]>> = {
  properties: ({ expected, value, scope }) =>
    Object.entries(asObject(expected)).flatMap(([name, schema]) =>
      isObject(value) && Object.hasOwn(value, name)
        ? descend(asObject(schema), value[name], scope, [name], ["properties", name])
        : [],
    ),
  patternProperties: ({ expected, value, scope }) =>
    Object.entries(asObject(expected)).flatMap(([pattern, schema]) =>
      Array.from(membersToCheck(asObject(value), scope), ([name, child]) =>
        regex(pattern).test(name)
          ? descend(asObject(schema), child, scope, [name], ["patternProperties", pattern])
          : [],
      ).flat(),
    ),
  items: ({ expected, value, scope }) =>
    Array.from(membersToCheck(asArray(value), scope), ([at, item]) =>
      descend(asObject(expected), item, scope, [Number(at)], ["items"]),
    ).flat(),
  anyOf: ({ expected, schema, value, scope }) => {
    const branches = asArray(expected).map((branch, at) =>
      descend(asObject(branch), value, scope, [], [at]),
    );
    if (branches.some((errors) => errors.length === 0)) return [];
    const message = `${represent(value)} is not valid under any of the given schemas`;
    const context = branches.flat();
    return [{ message, keyword: "anyOf", schema, value, path: [], schemaPath: [], context }];
  },
};

function descend(
  schema: SchemaDocument,
  value: unknown,
  scope: Scope,
  path: readonly Step[],
  schemaPath: readonly Step[],
): ValidationError[] {
  return findErrors(schema, value, inner(scope, path)).map((error) =>
    Object.assign({}, error, {
      path: [...path, ...error.path],
      schemaPath: [...schemaPath, ...error.schemaPath],
    }),
  );
}

function inner({ trail, ...scope }: Scope, [step]: readonly Step[]): Scope {
  if (step === undefined) return { ...scope, trail };
  return { ...scope, trail: trail?.[0] === String(step) ? trail.slice(1) : undefined };
}

function fail(isWrong: boolean, message: () => string): string[] {
  return isWrong ? [message()] : [];
}

function isOfType(value: unknown, types: unknown): boolean {
  return [types].flat().some((type) => {
    switch (type) {
      case "array":
        return Array.isArray(value);
      case "integer":
        return Number.isInteger(value);
      case "null":
        return value === null;
      case "number":
        return Number.isFinite(value);
      case "object":
        return isObject(value);
      default:
        return typeof value === type;
    }
  });
}

function findExtras(schema: SchemaDocument, value: Readonly<Record<string, unknown>>): string[] {
  const properties = asObject(schema["properties"]);
  const patterns = Object.keys(asObject(schema["patternProperties"])).map(regex);
  return Object.keys(value).filter(
    (name) => !Object.hasOwn(properties, name) && !patterns.some((pattern) => pattern.test(name)),
  );
}

function describeExtras(schema: SchemaDocument, extras: readonly string[]): string {
  const isOne = extras.length === 1;
  const names = representAll(extras);
  const patterns = Object.keys(asObject(schema["patternProperties"]));
  return patterns.length > 0
    ? `${names} ${isOne ? "does" : "do"} not match any of the regexes: ${representAll(patterns)}`
    : `Additional properties are not allowed (${names} ${isOne ? "was" : "were"} unexpected)`;
}

/** The names in order, without the brackets of a list. */
function representAll(names: readonly string[]): string {
  return represent(smallest(names)).replace(/^\[|\]$/g, "");
}

function hasDuplicates(values: readonly unknown[]): boolean {
  return new Set(values.map((value) => JSON.stringify(value))).size < values.length;
}

/** In code points, as Python counts. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}

const REGEXES = new Map<unknown, RegExp>();

function regex(pattern: unknown): RegExp {
  let found = REGEXES.get(pattern);
  if (!found) REGEXES.set(pattern, (found = new RegExp(String(pattern), "u")));
  return found;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
