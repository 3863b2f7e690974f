import { expect, test } from "vitest";
import { OutcomePending } from "./errors.ts";
import { PendingOutcomes } from "./pending-outcomes.ts";

test("what is pending twice is pending until both outcomes are known", async () => {
  const pending = new PendingOutcomes();
  const isSettled = [pending.add(new Set(["a", "b"])), pending.add(new Set(["b"]))] as const;
  isSettled[0]();
  expect(pending.find("a")).toBeUndefined();
  expect(() => pending.check("b")).toThrow(OutcomePending);
  const known = pending.find("b");
  isSettled[1]();
  await known;
  expect(pending.find("b")).toBeUndefined();
});
