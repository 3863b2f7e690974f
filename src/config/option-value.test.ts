import { describe, expect, test } from "vitest";
import { describeAllowed, isAllowed, NOT_ALLOWED, parseOptionValue } from "./option-value.ts";
import type { ValueDefinition } from "./options.ts";

const boolean: ValueDefinition = { type: "boolean", default: false };
const integer: ValueDefinition = { type: "integer" };
const port: ValueDefinition = { type: "integer", min: 0, max: 65535 };
const float: ValueDefinition = { type: "float", min: 0 };
const string: ValueDefinition = { type: "string" };
const choice: ValueDefinition = { type: "string", choices: ["keystone", "noauth2"] };
const level: ValueDefinition = { type: "string", choices: ["INFO", ""], ignoreCase: true };
const list: ValueDefinition = { type: "list", default: [] };
const multi: ValueDefinition = { type: "multi", default: [] };

describe("the text of an option", () => {
  test.each<[ValueDefinition, string, unknown]>([
    [boolean, "TRUE", true],
    [boolean, "1", true],
    [boolean, "On", true],
    [boolean, "yes", true],
    [boolean, "False", false],
    [boolean, "0", false],
    [boolean, "off", false],
    [boolean, "NO", false],
    [integer, " +1_000 ", 1000],
    [integer, "-1", -1],
    [integer, "007", 7],
    [integer, "", undefined],
    [port, "65535", 65535],
    [float, "0.5", 0.5],
    [float, ".5e1", 5],
    [float, " ", undefined],
    [string, "", ""],
    [string, " a,b ", " a,b "],
    [choice, "noauth2", "noauth2"],
    [level, "info", "INFO"],
    [level, "", ""],
    [list, "", []],
    [list, "a", ["a"]],
    [list, " a , b,,\nc,, ", ["a", "b", "", "c"]],
    [list, `"a,b"`, [`"a`, `b"`]],
    [multi, "a,b", ["a,b"]],
  ])("%j of %j is %j", (definition, text, value) => {
    expect(parseOptionValue(definition, text)).toEqual(value);
  });

  test.each<[ValueDefinition, string]>([
    [boolean, ""],
    [boolean, "maybe"],
    [boolean, " true"],
    [integer, "1.0"],
    [integer, "0x10"],
    [integer, "1__0"],
    [integer, "9007199254740993"],
    [port, "-1"],
    [port, "65536"],
    [float, "-0.1"],
    [float, "inf"],
    [float, "0x1"],
    [choice, "Keystone"],
    [choice, ""],
  ])("%j does not allow %j", (definition, text) => {
    expect(parseOptionValue(definition, text)).toBe(NOT_ALLOWED);
  });
});

test("a value from the command line is held to the same limits", () => {
  expect(isAllowed(port, 8778)).toBe(true);
  expect(isAllowed(port, 65536)).toBe(false);
  expect(isAllowed(port, 1.5)).toBe(false);
  expect(isAllowed(port, Number.NaN)).toBe(false);
  expect(isAllowed(float, 1.5)).toBe(true);
  expect(isAllowed(choice, "noauth2")).toBe(true);
  expect(isAllowed(choice, "noauth")).toBe(false);
  expect(isAllowed(list, ["a"])).toBe(true);
});

test("what is allowed can be read after `must be`", () => {
  expect(describeAllowed(boolean)).toBe("true or false");
  expect(describeAllowed(integer)).toBe("a whole number");
  expect(describeAllowed(port)).toBe("a whole number from 0 to 65535");
  expect(describeAllowed({ ...integer, min: 1 })).toBe("a whole number of at least 1");
  expect(describeAllowed({ ...integer, max: 1 })).toBe("a whole number of at most 1");
  expect(describeAllowed(float)).toBe("a number of at least 0");
  expect(describeAllowed(choice)).toBe("one of keystone, noauth2");
  expect(describeAllowed(level)).toBe('one of INFO, ""');
});
