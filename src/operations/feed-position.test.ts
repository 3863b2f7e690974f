import { expect, test } from "vitest";

import { FeedPosition } from "./feed-position.ts";

test("ids without gaps settle at once", () => {
  const position = new FeedPosition(10);
  for (const id of [12, 11, 13]) position.add(id, 0);
  position.settle(0);

  expect(position).toMatchObject({ floor: 13, count: 0, lastId: 13 });
});

test("an id that becomes visible late is new, and closes its gap", () => {
  const position = new FeedPosition(10);
  position.add(12, 0);
  position.settle(0);

  expect(position).toMatchObject({ floor: 10, count: 1 });
  expect(position.has(11)).toBe(false);
  position.add(11, 5000);
  position.settle(5000);
  expect(position).toMatchObject({ floor: 12, count: 0 });
});

test("a gap that nothing fills is given up after a while, with all that is as old", () => {
  const position = new FeedPosition(10);
  position.add(12, 0);
  position.add(15, 0);
  position.add(18, 9000);
  position.settle(10_000);

  expect(position).toMatchObject({ floor: 15, count: 1 });
  expect(position.has(13)).toBe(true);
  expect(position.has(16)).toBe(false);
});
