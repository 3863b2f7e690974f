import type { NumberValue, StringValue, ValueDefinition } from "./options.ts";
import { strip } from "./white-space.ts";

/** What an option may hold; `undefined` is no value. */
export type OptionValue = string | number | boolean | readonly string[] | undefined;

/** What {@link parseOptionValue} gives for a text that the option does not allow. */
export const NOT_ALLOWED = Symbol("not allowed");

/** The spellings of oslo.config, in any case. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["on", true],
  ["yes", true],
  ["false", false],
  ["0", false],
  ["off", false],
  ["no", false],
]);

/**
 * The value of a text from a file or the environment, by the rules of `oslo_config/types.py`. An
 * empty text for a number is no value. `multi` gets the whole text as one item.
 */
export function parseOptionValue(
  definition: ValueDefinition,
  text: string,
): OptionValue | typeof NOT_ALLOWED {
  switch (definition.type) {
    case "boolean":
      return parseBoolean(text) ?? NOT_ALLOWED;
    case "integer":
    case "float":
      return parseNumber(definition, strip(text));
    case "string":
      return parseString(definition, text);
    case "list":
      return parseList(text);
    default:
      return [text];
  }
}

/** `undefined` for a text that is none of the spellings. */
export function parseBoolean(text: string): boolean | undefined {
  return BOOLEANS.get(text.toLowerCase());
}

/** Whether a value that did not come from a text, but from the command line, is allowed. */
export function isAllowed(definition: ValueDefinition, value: OptionValue): boolean {
  switch (definition.type) {
    case "integer":
      return Number.isSafeInteger(value) && isWithinLimits(definition, Number(value));
    case "float":
      return Number.isFinite(value) && isWithinLimits(definition, Number(value));
    case "string":
      return definition.choices?.includes(String(value)) ?? true;
    default:
      return true;
  }
}

/** What an option allows, to be read after "must be". */
export function describeAllowed(definition: ValueDefinition): string {
  switch (definition.type) {
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number${describeLimits(definition)}`;
    case "float":
      return `a number${describeLimits(definition)}`;
    case "string":
      return definition.choices === undefined
        ? "a text"
        : `one of ${definition.choices.map((choice) => choice || '""').join(", ")}`;
    case "list":
      return "texts with commas between them";
    default:
      return "a text; the key may be repeated";
  }
}

/** Python's literals, underscores between digits included; JavaScript's 0x10 and 1n are none. */
const INTEGER = /^[+-]?\d+(?:_\d+)*$/;
const FLOAT = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;

function parseNumber(definition: NumberValue, text: string): OptionValue | typeof NOT_ALLOWED {
  if (text === "") return undefined;
  const literal = definition.type === "integer" ? INTEGER : FLOAT;
  if (!literal.test(text)) return NOT_ALLOWED;
  const value = Number(text.replaceAll("_", ""));
  return isAllowed(definition, value) ? value : NOT_ALLOWED;
}

function parseString(definition: StringValue, text: string): OptionValue | typeof NOT_ALLOWED {
  if (definition.choices === undefined) return text;
  const spelling = (choice: string) => (definition.ignoreCase ? choice.toLowerCase() : choice);
  return definition.choices.find((choice) => spelling(choice) === spelling(text)) ?? NOT_ALLOWED;
}

/** Commas at the end are dropped, empty items in between are kept. Quotes mean nothing. */
function parseList(text: string): readonly string[] {
  const items = strip(text).replace(/(?<!,),+$/, "");
  return items === "" ? [] : items.split(",").map(strip);
}

function isWithinLimits({ min, max }: NumberValue, value: number): boolean {
  return value >= (min ?? -Infinity) && value <= (max ?? Infinity);
}

function describeLimits({ min, max }: NumberValue): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return ` of at least ${min}`;
  if (max !== undefined) return ` of at most ${max}`;
  return "";
}
