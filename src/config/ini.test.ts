import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { parseIni } from "./ini.ts";

/** The values by key, of a text in one section. */
function valuesOf(lines: string): Record<string, string> {
  const assignments = parseIni(`[section]\n${lines}`, "placement.conf");
  return Object.fromEntries(assignments.map(({ key, value }) => [key, value]));
}

describe("the INI dialect of oslo.config", () => {
  test("a value holds comment signs, percent signs and separators as text", () => {
    expect(valuesOf("a = 1 # 2 ; 3 %(x)s = : ]")).toEqual({ a: "1 # 2 ; 3 %(x)s = : ]" });
  });

  test("the key ends at the first = or :", () => {
    expect(valuesOf("a:b=c\nd=e:f\n g")).toEqual({ a: "b=c", d: "e:f\ng" });
  });

  test("a line that starts with a blank or a tab continues the value, whatever is on it", () => {
    expect(valuesOf("a = 1\n  # 2\n\t[3]  \n  b = 4")).toEqual({ a: "1\n# 2\n[3]\nb = 4" });
  });

  test.each(["\n", "   \n", "# comment\n", "[other]\n"])(
    "%j ends a value, so that nothing is left to continue",
    (separator) => {
      expect(() => valuesOf(`a = 1\n${separator}  2`)).toThrow(ConfigError);
    },
  );

  test("one pair of equal quotes is removed from the first line", () => {
    expect(
      valuesOf(`a = " 1 "\nb = '2'\nc = ""3""\nd = "4'\ne = "\nf = "5\n  6"\ng = "7"\n  "8"`),
    ).toEqual({ a: " 1 ", b: "2", c: `"3"`, d: `"4'`, e: "", f: `"5\n6"`, g: `7\n"8"` });
  });

  test("sections and repeated keys come in the order of the file, with their lines", () => {
    expect(parseIni("[a]\r\nk = 1\r\n\r\n[b]\rk = 2\n[a]\nk = 3\n  4", "f")).toEqual([
      { section: "a", key: "k", value: "1", line: 2 },
      { section: "b", key: "k", value: "2", line: 5 },
      { section: "a", key: "k", value: "3\n4", line: 7 },
    ]);
  });

  test("a key may have the name of a property of every object", () => {
    expect(parseIni("[__proto__]\nconstructor = 1", "f")).toEqual([
      { section: "__proto__", key: "constructor", value: "1", line: 2 },
    ]);
  });

  test.each([
    ["[a", 1, "a section must end with ]"],
    ["[a] # comment", 1, "a section must end with ]"],
    ["[]", 1, "a section must have a name"],
    ["[a]\nb", 2, "a key must be followed by = or :"],
    ["[a]\n\n= b", 3, "there is no key before the = or :"],
    ["[a]\n  b = c", 2, "there is no value that this line continues"],
    ["# comment\na = secret\n\n\n", 2, "a section must come before the first key"],
  ])("%j is an error that names file and line", (text, line, problem) => {
    expect(() => parseIni(text, "/etc/placement/placement.conf")).toThrow(
      new ConfigError(`/etc/placement/placement.conf:${line}: ${problem}`),
    );
  });

  test("any strings written in the dialect read back", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ section: name, key: name, value })), (assignments) => {
        const text = assignments.map(writeAssignment).join("");
        const read = parseIni(text, "f").map(({ section, key, value: lines }) => ({
          section,
          key,
          value: lines.split("\n"),
        }));
        expect(read).toEqual(assignments);
      }),
    );
  });
});

const oneLine = fc.string({ unit: "binary" }).map((text) => text.replaceAll(/[\r\n]/g, ""));
const name = fc.stringMatching(/^[a-z][a-z0-9_ -]{0,10}[a-z]$/);
/** Later lines lose the white space around them and cannot be empty; the first one can be quoted. */
const value = fc
  .tuple(oneLine, fc.array(fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)))
  .map(([first, more]) => [first, ...more]);

function writeAssignment(assignment: { section: string; key: string; value: string[] }): string {
  const [first, ...more] = assignment.value;
  const lines = [`${assignment.key} = "${first}"`, ...more.map((line) => `\t${line}`)];
  return `[${assignment.section}]\n${lines.join("\n")}\n# end\n`;
}
