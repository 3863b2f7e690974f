import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HttpError } from "../http-error.ts";
import { JsonCursor } from "./json-cursor.ts";

const MAX_VALUE_BYTES = 4096;

/** An object of objects, read member by member. */
async function readAll(text: string): Promise<Record<string, Record<string, unknown>>> {
  const cursor = new JsonCursor(Buffer.from(text), MAX_VALUE_BYTES);
  const whole: Record<string, Record<string, unknown>> = {};
  for await (const key of cursor.members()) {
    const members: [string, unknown][] = [];
    for await (const inner of cursor.members()) members.push([inner, cursor.value()]);
    Object.defineProperty(whole, key, {
      value: Object.fromEntries(members),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  cursor.end();
  return whole;
}

async function refusalOf(text: string): Promise<string> {
  try {
    await readAll(text);
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError);
    expect((error as HttpError).status).toBe(400);
    return (error as HttpError).detail;
  }
  throw new Error(`was accepted: ${text}`);
}

test("Member by member is read what is read at once", async () => {
  const text = fc.string({ unit: "grapheme", maxLength: 20 });
  const objects = fc.dictionary(text, fc.dictionary(text, fc.jsonValue({ maxDepth: 3 })));
  await fc.assert(
    fc.asyncProperty(objects, fc.constantFrom(undefined, 1, "\t"), async (value, space) => {
      const written = JSON.stringify(value, undefined, space);
      expect(await readAll(written)).toEqual(JSON.parse(written));
    }),
  );
});

test("What cannot be parsed at once cannot be parsed member by member", async () => {
  const good = '{"a": {"b": [1, "x\\n", {"c": null}], "d": "}"}, "e": {}}';
  await fc.assert(
    fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.constantFrom("", "{", "}", "[", "]", '"', ",", ":", "\\", "0", " ", "x"),
      async (at, other) => {
        const spoilt = good.slice(0, at) + other + good.slice(at + 1);
        let expected: unknown;
        try {
          expected = JSON.parse(spoilt);
        } catch {
          expect(await refusalOf(spoilt)).toMatch(/^(Malformed JSON|JSON does not validate): /);
          return;
        }
        // Well-formed, but maybe no longer an object of objects.
        const outcome = await readAll(spoilt).catch((error: unknown) => error);
        if (outcome instanceof HttpError) expect(outcome.status).toBe(400);
        else expect(outcome).toEqual(expected);
      },
    ),
    { numRuns: 1000 },
  );
});

test("What is wrong is told with its place in the whole", async () => {
  expect(await refusalOf('{"a": {"b": 1 2}}')).toBe(
    "Malformed JSON: Expecting ',' delimiter: (char 14)",
  );
  expect(await refusalOf('{"a": {"b": [1 2]}}')).toMatch(/\(char 15\)$/);
  expect(await refusalOf("[1]")).toMatch(/^JSON does not validate: /);
  expect(await refusalOf('{"a": {}} x')).toMatch(/^Malformed JSON: Extra data/);
});

test("A member has a size of its own, and is not looked at beyond it", async () => {
  for (const large of [`"${"x".repeat(5000)}"`, "[".repeat(5000), "1".repeat(5000)]) {
    expect(await refusalOf(`{"a": {"b": ${large}}}`)).toBe("A member is larger than 4096 bytes.");
  }
});

test("Blanks do not hold others up either", async () => {
  const blanks = " ".repeat(5000);
  for (const text of [`{${blanks}}`, `{"a"${blanks}: {}}`, `{"a": ${blanks}{}}`, `{}${blanks}x`]) {
    expect(await refusalOf(text)).toBe("There are more than 4096 blanks in a row.");
  }
});

test("Others have their turn while a large object is read", async () => {
  const members = Array.from({ length: 50_000 }, (_, at) => `"${at}":{"a":[${at}]}`);
  let turns = 0;
  let isReading = true;
  const takeTurns = () => {
    turns++;
    if (isReading) setImmediate(takeTurns);
  };
  setImmediate(takeTurns);
  await readAll(`{${members.join(",")}}`);
  isReading = false;
  expect(turns).toBeGreaterThan(3);
});
