import { execFileSync } from "node:child_process";
import { Ajv } from "ajv";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { HttpError } from "../http-error.ts";
import type { QueryParameters } from "../request.ts";
import type { SchemaDocument } from "./explain.ts";
import { parseJson } from "./parse-json.ts";
import { compileLargeSchemas, defineSchema, readJson, validateQuery } from "./schema.ts";

const UUID = "12345678-1234-5678-1234-56781234abcd";
const CLASS_AMOUNTS = {
  type: "object",
  minProperties: 1,
  patternProperties: { "^[A-Z0-9_]+$": { type: "integer", minimum: 1 } },
  additionalProperties: false,
};
const INVENTORY = {
  type: "object",
  properties: {
    total: { type: "integer", maximum: 2147483647, minimum: 1 },
    allocation_ratio: { type: "number", maximum: 3.40282e38 },
  },
  required: ["total", "generation"],
  additionalProperties: false,
};
const NAME = { type: "string", minLength: 1, maxLength: 20, pattern: "^CUSTOM_[A-Z0-9_]+$" };
const TRAITS = { type: "object", properties: { traits: { type: "array", items: NAME } } };
const PARENT = { anyOf: [{ type: "string", format: "uuid" }, { type: "null" }] };
const PROVIDER = { type: "object", properties: { parent: PARENT } };
const AGGREGATES = { type: "array", items: { type: "string", format: "uuid" }, uniqueItems: true };
const POLICY = { type: "string", enum: ["none", "isolate"] };
const GENERATION = { type: ["integer", "null"] };
const CLAIM = {
  type: "object",
  properties: {
    allocations: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        properties: { resources: CLASS_AMOUNTS },
        required: ["resources"],
        additionalProperties: false,
      },
    },
  },
  required: ["allocations"],
};

/** Each schema of the kinds that Placement has, with values that it refuses. */
const CASES: readonly (readonly [schema: SchemaDocument, value: unknown])[] = [
  [INVENTORY, {}],
  [INVENTORY, []],
  [INVENTORY, null],
  [INVENTORY, "it's"],
  [INVENTORY, "both ' and \""],
  [INVENTORY, { total: 0, generation: 1 }],
  [INVENTORY, { total: 0 }],
  [INVENTORY, { total: "7", allocation_ratio: true }],
  [INVENTORY, { total: 1.5, generation: 1 }],
  [INVENTORY, { total: 2147483648, z: 1, a: 2 }],
  [INVENTORY, { total: 1, allocation_ratio: 1e39, generation: 1 }],
  [INVENTORY, { total: 1, generation: 1, "new\nline": 1 }],
  [CLASS_AMOUNTS, {}],
  [CLASS_AMOUNTS, { bad: 1 }],
  [CLASS_AMOUNTS, { worse: 1, bad: 1, VCPU: 1 }],
  [CLASS_AMOUNTS, { VCPU: 0, DISK_GB: -1 }],
  [CLASS_AMOUNTS, { VCPU: null }],
  [TRAITS, { traits: ["CUSTOM_A", "bad", ""] }],
  [TRAITS, { traits: [""] }],
  [TRAITS, { traits: [`CUSTOM_${"X".repeat(20)}`] }],
  [TRAITS, { traits: [5] }],
  [TRAITS, { traits: ["\u0000\u00a0é😀\u{e000}"] }],
  [PROVIDER, { parent: "foo" }],
  [PROVIDER, { parent: 5 }],
  [PROVIDER, { parent: {} }],
  [AGGREGATES, [UUID, "foo"]],
  [AGGREGATES, [UUID, UUID]],
  [AGGREGATES, {}],
  [POLICY, "other"],
  [GENERATION, "1"],
  [GENERATION, [1, { a: [true, false, null, 0.5, 1e-7] }]],
  [CLAIM, { allocations: [] }],
  [CLAIM, { allocations: [{}] }],
  [CLAIM, { allocations: [{ resources: { VCPU: 0 } }] }],
  [CLAIM, { allocations: [{ resources: {} }, { resources: { VCPU: 1 }, x: 1 }] }],
];

/** What the library itself says about each case, where this machine has the version that counts. */
const PYTHON_TEXTS = askPython();

describe("a body that does not meet its schema", () => {
  test.skipIf(!PYTHON_TEXTS)("is refused in the words of Python's jsonschema", () => {
    const texts = CASES.map(([schema, value]) =>
      refusalOf(() => defineSchema(schema).validate(value)),
    );
    expect(texts).toEqual(PYTHON_TEXTS?.map((text) => `JSON does not validate: ${text}`));
  });

  test("names the keyword and where it stands", () => {
    expect(refusalOf(() => defineSchema(INVENTORY).validate({ total: 0, generation: 1 }))).toBe(
      [
        "JSON does not validate: Additional properties are not allowed ('generation' was unexpected)",
        "",
        "Failed validating 'additionalProperties' in schema:",
        "    {'additionalProperties': False,",
        "     'properties': {'allocation_ratio': {'maximum': 3.40282e+38,",
        "                                         'type': 'number'},",
        "                    'total': {'maximum': 2147483647,",
        "                              'minimum': 1,",
        "                              'type': 'integer'}},",
        "     'required': ['total', 'generation'],",
        "     'type': 'object'}",
        "",
        "On instance:",
        "    {'generation': 1, 'total': 0}",
      ].join("\n"),
    );
  });

  test("is echoed in short, however long it is", () => {
    const long = "x".repeat(1_000_000);
    const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`key${at}`, long]));
    for (const value of [long, [long], many, { total: long }, { [long]: 1 }]) {
      expect(refusalOf(() => defineSchema(INVENTORY).validate(value)).length).toBeLessThan(2000);
    }
  });

  test("may be a number beyond all limits", () => {
    const schema = defineSchema({ properties: { total: INVENTORY.properties.total } });
    const refuse = (text: string) =>
      refusalOf(() => schema.validate(parseJson(Buffer.from(`{"total": ${text}}`))));
    expect(refuse("1".repeat(30))).toContain("is greater than the maximum of 2147483647");
    expect(refuse("1".repeat(400))).toContain("is greater than the maximum of 2147483647");
    expect(refuse(`-${"1".repeat(400)}`)).toContain("is less than the minimum of 1");
    expect(refuse("1e400")).toContain("inf is not of type 'integer'");
  });

  test("gets an explanation whenever it is refused, and only then", () => {
    const leaf = fc.oneof(
      fc.constantFrom(UUID, "CUSTOM_A", "none", "", "VCPU", 0, 1, 1.5, null, true),
      fc.string(),
      fc.integer(),
      fc.double(),
    );
    const key = fc.oneof(
      fc.constantFrom(
        "total",
        "generation",
        "allocations",
        "resources",
        "traits",
        "VCPU",
        "parent",
      ),
      fc.string(),
    );
    const { value: body } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(key, tie("value"), { maxKeys: 4 }),
      ),
    }));
    const schemas = [...new Set(CASES.map(([schema]) => schema))].map((schema) =>
      defineSchema(schema),
    );
    fc.assert(
      fc.property(fc.constantFrom(...schemas), body, (schema, value) => {
        let detail = "";
        try {
          schema.validate(value);
        } catch (error) {
          expect(error).toBeInstanceOf(HttpError);
          ({ detail } = error as HttpError);
        }
        // Ajv's own words would begin with `data`: the explanation must never be missing.
        expect(detail).toMatch(/^$|Failed validating '\w+' in schema/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a body that meets its schema", () => {
  test("is returned", async () => {
    const body = Buffer.from(`{"parent": "{${UUID.replaceAll("-", "").toUpperCase()}}"}`);
    const readBody = () => Promise.resolve(body);
    expect(await readJson({ readBody }, defineSchema(PROVIDER))).toHaveProperty("parent");
    expect(defineSchema(GENERATION).validate(1)).toBe(1);
  });
});

test("A large schema can be compiled before the first request, with pauses", () => {
  const large = Array.from({ length: 2 }, (_, at) =>
    defineSchema({ ...TRAITS, description: "x".repeat(1000), title: String(at) }),
  );
  const small = defineSchema(NAME);
  expect([...compileLargeSchemas()].length).toBeGreaterThanOrEqual(2);
  const compile = vi.spyOn(Ajv.prototype, "compile");
  for (const schema of large) schema.validate({ traits: [] });
  expect(compile).not.toHaveBeenCalled();
  small.validate("CUSTOM_A");
  expect(compile).toHaveBeenCalledOnce();
  compile.mockRestore();
});

describe("a query string", () => {
  const schema = defineSchema({
    type: "object",
    properties: { uuid: { type: "string", format: "uuid" } },
    additionalProperties: false,
  });

  test("must spell a UUID with its dashes in their places", () => {
    validateQuery(schema, queryOf(["uuid", UUID.toUpperCase()]));
    expect(
      refusalOf(() => validateQuery(schema, queryOf(["uuid", UUID.replaceAll("-", "")]))),
    ).toMatch(/^Invalid query string parameters: '\w+' is not a 'uuid'\n/);
  });

  test("counts with the last value of a name", () => {
    const query = queryOf(["uuid", "foo"], ["uuid", UUID]);
    expect(() => validateQuery(schema, query)).not.toThrow();
  });

  test("must not have names that are not known, whatever they mean to JavaScript", () => {
    expect(refusalOf(() => validateQuery(schema, queryOf(["__proto__", "x"])))).toMatch(
      /^Invalid query string parameters: Additional properties are not allowed \('__proto__' was/,
    );
  });
});

function queryOf(...pairs: [string, string][]): QueryParameters {
  return { pairs, get: () => undefined, getAll: () => [], has: () => false };
}

function refusalOf(validate: () => unknown): string {
  try {
    validate();
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError);
    expect((error as HttpError).status).toBe(400);
    return (error as HttpError).detail;
  }
  throw new Error("nothing was refused");
}

function askPython(): readonly string[] | undefined {
  const program = `
import json, sys, uuid, warnings
warnings.simplefilter("ignore")
import jsonschema
if not jsonschema.__version__.startswith("4.10."):
    sys.exit("jsonschema is " + jsonschema.__version__)
checker = jsonschema.FormatChecker()
@checker.checks("uuid")
def check(value):
    try:
        uuid.UUID(value)
        return True
    except (ValueError, AttributeError, TypeError):
        return False
texts = []
for schema, value in json.load(sys.stdin):
    try:
        jsonschema.validate(value, schema, format_checker=checker)
        texts.append(None)
    except jsonschema.ValidationError as error:
        texts.append(str(error))
print(json.dumps(texts))
`;
  try {
    const options = { input: JSON.stringify(CASES), encoding: "utf8", stdio: "pipe" } as const;
    return JSON.parse(execFileSync("/usr/bin/python3", ["-c", program], options)) as string[];
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n").at(-2) : error;
    console.warn(
      `Not compared with Python's jsonschema 4.10, which is not here: ${String(reason)}`,
    );
    return undefined;
  }
}
