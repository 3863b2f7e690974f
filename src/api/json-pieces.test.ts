import { expect, test } from "vitest";

import { jsonPieces, Lazily } from "./json-pieces.ts";

const value = {
  plain: { text: 'a "quoted" text', nothing: null, list: [1, [2]] },
  left: undefined,
  list: Lazily.list([1, 2, 3], (number) => ({
    number,
    halves: Lazily.list([number / 2], (half) => half),
  })),
  none: Lazily.list([], (it) => it),
  object: Lazily.object(
    new Map([
      ["a key", 1],
      ["__proto__", 2],
    ]),
    (number) => ({ number }),
  ),
};

test("what is written in pieces is what is written at once", () => {
  const text = [...jsonPieces(value)].join("");
  expect(text).toBe(
    '{"plain":{"text":"a \\"quoted\\" text","nothing":null,"list":[1,[2]]},' +
      '"list":[{"number":1,"halves":[0.5]},{"number":2,"halves":[1]},{"number":3,"halves":[1.5]}],' +
      '"none":[],"object":{"a key":{"number":1},"__proto__":{"number":2}}}',
  );
  expect(JSON.stringify(value)).toBe(text);
});

test("members of long lists come in pieces of their own, rendered one after the other", () => {
  const rendered: number[] = [];
  const pieces = jsonPieces({
    list: Lazily.list([1, 2, 3], (number) => {
      rendered.push(number);
      return number;
    }),
  });
  for (const piece of pieces) if (piece === "1") break;
  expect(rendered).toEqual([1]);
});
