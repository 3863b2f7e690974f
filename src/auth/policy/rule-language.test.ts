import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PolicyValues } from "../credentials.ts";
import { evaluate, UndecidableRule } from "./evaluate.ts";
import { checksWithin, formatCheck, parseRule, type RuleSource } from "./rule-language.ts";

/** Who asks in these tests: a reader and `Member` of project p, by the user u, of no domain. */
const READER: PolicyValues = {
  user_id: "u",
  project_id: "p",
  domain_id: null,
  is_admin_project: true,
  roles: ["reader", "Member"],
  nested: { owner: { id: "n" }, groups: [{ id: "g" }, { id: "h" }], empty: [] },
};
const TARGET = new Map([
  ["project_id", "p"],
  ["user_id", undefined],
  ["wanted_role", "READER"],
]);

function passes(source: RuleSource, rules: Record<string, RuleSource> = {}): boolean {
  const findRule = (name: string) => {
    const rule = rules[name];
    return rule === undefined ? undefined : parseRule(rule);
  };
  return evaluate(parseRule(source), { values: READER, target: TARGET, findRule });
}

describe("a check", () => {
  test.each([
    ["", true],
    ["@", true],
    ["!", false],
    ["role:reader", true],
    ["role:READER", true],
    ["role:member", true],
    ["role:admin", false],
    ["role:%(wanted_role)s", true],
    ["role:%(unknown)s", false],
    ["Role:reader", false],
    ["project_id:%(project_id)s", true],
    ["user_id:%(project_id)s", false],
    ["user_id:%(unknown)s", false],
    ["user_id:u", true],
    ["user_id:U", false],
    ["roles:reader", true],
    ["roles:READER", false],
    ["domain_id:None", true],
    ["domain_id:%(user_id)s", true],
    ["is_admin_project:True", true],
    ["is_admin_project:true", false],
    ["is_admin:True", false],
    ["constructor:None", false],
    ["nested.owner.id:n", true],
    ["nested.groups.id:h", true],
    ["nested.groups.id:n", false],
    ["nested.empty.id:n", false],
    ["nested.unknown.id:n", false],
    ["'p':%(project_id)s", true],
    ['"p":%(project_id)s', true],
    ["'x':%(project_id)s", false],
    ["True:True", true],
    ["None:%(user_id)s", true],
    ["-7:-7", true],
    ["-0:0", true],
    ["'100%':100%%", true],
    ["rule:nowhere", false],
    ["not rule:nowhere", true],
  ])("%j gives %j", (source, expected) => {
    expect(passes(source)).toBe(expected);
  });

  test.each([
    "http://policy.example.org/%(project_id)s",
    "https://policy.example.org/",
    "not http:anything",
    "user_id.name:u",
    "user_id:%(project_id)d",
    "user_id:100%",
    ":u",
    "1.5:1.5",
    "[1]:1",
  ])("%j has no answer", (source) => {
    expect(() => passes(source)).toThrow(UndecidableRule);
  });
});

describe("a rule", () => {
  test.each([
    ["role:admin or role:reader", true],
    ["role:admin OR role:reader", true],
    ["role:reader and role:admin", false],
    ["not role:admin", true],
    ["not not role:admin", false],
    ["not role:admin and role:reader", true],
    ["@ or @ and !", true],
    ["! and @ or @", true],
    ["(@ or @) and !", false],
    ["@ and not (! or @)", false],
    ["((role:reader))", true],
    ["(role:admin or(role:reader))", false],
    ["  role:reader  ", true],
  ])("%j gives %j", (source, expected) => {
    expect(passes(source)).toBe(expected);
  });

  test.each([
    " ",
    "()",
    "role:reader role:reader",
    "role:reader or",
    "and role:reader",
    "(role:reader",
    "role:reader)",
    "not",
    "'quoted'",
    "'p':'p'",
    "role:reader or 'quoted'",
  ])("%j makes no sense and refuses", (source) => {
    expect(passes(source)).toBe(false);
    expect(parseRule(source)).toMatchObject({ problem: expect.stringContaining("cannot parse") });
  });

  test("a word without a colon refuses and can be negated, as in oslo.policy", () => {
    expect(passes("reader or role:reader")).toBe(true);
    expect(passes("reader")).toBe(false);
    expect(passes("not reader")).toBe(true);
  });

  test("refers to others by their names", () => {
    expect(passes("rule:a", { a: "rule:b", b: "role:reader" })).toBe(true);
    expect(passes("rule:a and rule:a", { a: "role:reader" })).toBe(true);
  });

  test("that leads back to itself has no answer, unless something else decides before", () => {
    expect(() => passes("rule:a", { a: "rule:b", b: "not rule:a" })).toThrow(UndecidableRule);
    expect(passes("rule:a", { a: "role:reader or rule:a" })).toBe(true);
  });
});

describe("the old list form", () => {
  test.each<[RuleSource, boolean]>([
    [[], true],
    [[[]], false],
    [[["role:admin"], ["role:reader"]], true],
    [[["role:reader", "role:admin"]], false],
    [["role:admin", "role:reader"], true],
    [[["rule:nowhere"], "role:reader"], true],
    [[["not role:admin"]], false],
    [[["role:admin or role:reader"]], false],
    [[["not role:admin"], ["role:reader"]], true],
    [["", "role:reader"], true],
  ])("%j gives %j", (source, expected) => {
    expect(passes(source)).toBe(expected);
  });
});

const WORDS = ["role:reader", "role:admin", "@", "!", "user_id:u", "and", "or", "not", "(", ")"];
const LEAVES = ["role:reader", "role:admin", "project_id:%(project_id)s", "'x':y", "@", "!"];

describe("the parser", () => {
  test("takes any text: it has an answer, or is said to have none", () => {
    const unit = fc.constantFrom(...Array.from("()'\"%:.!@ \taornotds"));
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit }));
    fc.assert(
      fc.property(text, (source) => {
        const isUndecidable = [...checksWithin(parseRule(source))].some(
          ({ type }) => type === "undecidable",
        );
        if (!isUndecidable) expect([true, false]).toContain(passes(source));
      }),
    );
  });

  test("reads what it writes", () => {
    const words = fc.array(fc.constantFrom(...WORDS), { maxLength: 12 });
    fc.assert(
      fc.property(words, (list) => {
        const check = parseRule(list.join(" ") || "@");
        const text = formatCheck(check);
        expect(formatCheck(parseRule(text))).toBe(text);
        expect(passes(text)).toBe(passes(list.join(" ") || "@"));
      }),
    );
  });

  test("gives a rule with all its brackets the meaning that the brackets say", () => {
    interface Expression {
      readonly text: string;
      readonly value: boolean;
    }
    const { expression } = fc.letrec<{ expression: Expression; leaf: Expression }>((tie) => ({
      leaf: fc.constantFrom(...LEAVES).map((text) => ({ text, value: passes(text) })),
      expression: fc.oneof(
        { depthSize: "medium" },
        tie("leaf"),
        tie("expression").map(({ text, value }) => ({ text: `not (${text})`, value: !value })),
        fc.tuple(tie("expression"), tie("expression")).map(([left, right]) => ({
          text: `(${left.text}) and (${right.text})`,
          value: left.value && right.value,
        })),
        fc.tuple(tie("expression"), tie("expression")).map(([left, right]) => ({
          text: `(${left.text}) or (${right.text})`,
          value: left.value || right.value,
        })),
      ),
    }));
    fc.assert(
      fc.property(expression, ({ text, value }) => {
        expect(passes(text)).toBe(value);
      }),
    );
  });
});
