import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HttpError } from "../http-error.ts";
import { parseJson } from "./parse-json.ts";

function parse(text: string): unknown {
  return parseJson(Buffer.from(text));
}

/** The detail of the 400 that a body gets. */
function refusalOf(body: string | Uint8Array): string {
  try {
    parseJson(Buffer.from(body));
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError);
    const { status, detail } = error as HttpError;
    expect(status).toBe(400);
    return detail;
  }
  throw new Error("the body was accepted");
}

describe("a JSON body", () => {
  test("may hold any value", () => {
    expect(parse(' {"a": [1, 2.5, true, null, "ü"]} ')).toEqual({ a: [1, 2.5, true, null, "ü"] });
  });

  test("takes the last of several equal keys, as Python does", () => {
    expect(parse('{"a": 1, "a": 2}')).toEqual({ a: 2 });
  });

  test("keeps an integer that no double holds an integer, and a huge one", () => {
    const value = parse(`[${"9".repeat(400)}, -${"9".repeat(400)}]`) as number[];
    expect(value.every((number) => Number.isInteger(number))).toBe(true);
    expect(value[0]).toBeGreaterThan(1e308);
    expect(value[1]).toBeLessThan(-1e308);
  });

  test("may have keys that mean something to JavaScript, and they mean nothing", () => {
    const value = parse('{"__proto__": {"polluted": true}, "constructor": 1}') as object;
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"]);
    expect("polluted" in {}).toBe(false);
    expect("polluted" in value).toBe(false);
  });

  test("holds no NUL character, neither in a key nor in a value", () => {
    for (const text of ['{"a\\u0000b": 1}', '["\\u0000"]']) {
      expect(refusalOf(text)).toBe("Malformed JSON: NUL character in a string");
    }
    expect(parse('["\\\\u0000"]')).toEqual(["\\u0000"]);
  });

  test("may escape a surrogate pair, but not half of one", () => {
    expect(parse(String.raw`"\ud83d\ude00"`)).toBe("😀");
    for (const text of [
      String.raw`"\ud800"`,
      String.raw`{"\uDC00": 1}`,
      String.raw`[["\udbff!"]]`,
    ]) {
      expect(refusalOf(text)).toBe("Malformed JSON: Unpaired surrogate");
    }
  });

  test("must be UTF-8", () => {
    expect(refusalOf(Buffer.from([0x22, 0xff, 0x22]))).toMatch(/^Malformed JSON: 'utf-8' codec/);
    expect(refusalOf("\uFEFF{}")).toMatch(/^Malformed JSON: /);
  });

  test.each(["NaN", "Infinity", "-Infinity", '{"ratio": NaN}'])("must not be %s", (text) => {
    expect(refusalOf(text)).toMatch(/^Malformed JSON: Expecting value/);
  });

  test("must not be nested deeply, however it is done", () => {
    const depth = 200_000;
    for (const text of [
      "[".repeat(depth),
      "[".repeat(depth) + "]".repeat(depth),
      '{"a":'.repeat(depth) + "1" + "}".repeat(depth),
    ]) {
      expect(refusalOf(text)).toBe("Malformed JSON: nested deeper than 100 levels");
    }
    expect(parse("[".repeat(100) + "]".repeat(100))).toBeDefined();
    expect(parse(JSON.stringify("[".repeat(depth)))).toBe("[".repeat(depth));
  });

  // What Python's json.loads says.
  test.each([
    ["", "Expecting value: line 1 column 1 (char 0)"],
    ["{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"],
    ['{"a" 1}', "Expecting ':' delimiter: line 1 column 6 (char 5)"],
    ["[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)"],
    ["[1,\n 2 3]", "Expecting ',' delimiter: line 2 column 4 (char 7)"],
    ["1 2", "Extra data: line 1 column 3 (char 2)"],
    ['{"a":1,}', "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)"],
  ])("%j is refused in Python's words", (text, words) => {
    expect(refusalOf(text)).toBe(`Malformed JSON: ${words}`);
  });

  test("is not quoted when it is refused", () => {
    expect(refusalOf("secret")).toBe("Malformed JSON: Expecting value");
  });

  test("is parsed or refused, whatever the bytes are", () => {
    const tokens = [
      "[",
      "]",
      "{",
      "}",
      '"',
      ":",
      ",",
      "\\u",
      "d8",
      "0",
      "-",
      ".",
      "e",
      "t",
      "null",
    ];
    const jsonLike = fc
      .array(fc.constantFrom(...tokens, " ", "\n", "\u00ff"))
      .map((parts) => Buffer.from(parts.join(""), "latin1"));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), jsonLike), (bytes) => {
        try {
          parseJson(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(HttpError);
        }
      }),
    );
  });

  test("is what JSON.parse makes of it, where that is JSON", () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: "grapheme" }), (text) => {
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("is refused where it would take far more memory than its text, and not where it says something", () => {
    const list = (item: string, count: number) => `[${Array(count).fill(item).join(",")}]`;
    for (const dense of ["{}", "[]", "[1]", '{"a":1}', '{"a":{}}']) {
      expect(refusalOf(list(dense, 60_000))).toContain("far more members");
    }
    const object = (count: number, member: (at: number) => unknown) =>
      JSON.stringify(
        Object.fromEntries(Array.from({ length: count }, (_, at) => [`CUSTOM_${at}`, member(at)])),
      );
    const inventory = { total: 1, reserved: 0, min_unit: 1, max_unit: 1, step_size: 1 };
    const inventories = { VCPU: inventory, MEMORY_MB: inventory, DISK_GB: inventory };
    const reshaped = { inventories, resource_provider_generation: 1 };
    const uuid = "a0000000-0000-4000-8000-000000000001";
    const claim = { allocations: { [uuid]: { resources: { VCPU: 1, MEMORY_MB: 1 } } } };
    for (const body of [
      list('"CUSTOM_TRAIT"', 17_000),
      list(`"${uuid}"`, 6500),
      list("1", 60_000),
      object(20_000, () => inventory),
      object(20_000, () => ({ total: 1 })),
      object(20_000, () => ({ ...claim, project_id: "lab", user_id: "ann" })),
      object(20_000, () => reshaped),
    ]) {
      expect(parse(body)).toBeTruthy();
    }
  });
});
