import * as fc from "fast-check";
import { expect, test } from "vitest";

import { type OnBudget, Purse } from "./budget.ts";
import { canAllBeServed, isReached } from "./matching.ts";

const STEPS = 512;

/** Does work with a new budget after each pause; how often it paused, and by how much it overdrew one at most. */
function run<Result>(work: (purse: Purse) => OnBudget<Result>) {
  let budget = { left: STEPS };
  const running = work(new Purse(budget));
  let pauses = 0;
  let overdrawn = 0;
  for (;;) {
    const step = running.next(budget);
    overdrawn = Math.max(overdrawn, -budget.left);
    if (step.done) return { result: step.value, pauses, overdrawn };
    pauses += 1;
    budget = { left: STEPS };
  }
}

/** By trying everything. */
function canBeServed(options: readonly (readonly number[])[], capacities: readonly number[]) {
  const [first, ...others] = options;
  if (first === undefined) return true;
  return first.some(
    (provider): boolean =>
      capacities[provider]! > 0 &&
      canBeServed(others, capacities.with(provider, capacities[provider]! - 1)),
  );
}

test("groups can be served if some way of giving each a provider is found by trying", () => {
  const providers = fc.uniqueArray(fc.nat(4), { maxLength: 4 });
  const capacities = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(providers, { maxLength: 7 }), capacities, (options, room) => {
      const { result } = run((purse) => canAllBeServed(options, (it) => room[it]!, purse));
      expect(result).toBe(canBeServed(options, room));
    }),
    { numRuns: 2000 },
  );
});

test("what very many providers have together is counted in steps, and no further than needed", () => {
  const options = Array.from({ length: 100 }, (_, group) =>
    Array.from({ length: 20_000 }, (_each, provider) => provider + group),
  );
  const short = run((purse) => isReached(30_000, options, () => 1, purse));
  expect(short.result).toBe(false);
  expect(short.pauses).toBeGreaterThan(100);
  expect(short.overdrawn).toBeLessThan(STEPS);
  const enough = run((purse) => isReached(3000, options, () => 1, purse));
  expect(enough).toMatchObject({ result: true, pauses: 0 });
});

test("groups that fight for providers are matched in steps", () => {
  const all = Array.from({ length: 127 }, (_, provider) => provider);
  // All but the last one fit, which is found when everybody was asked to move.
  const options = Array.from({ length: 128 }, () => all.slice(0, 126));
  const { result, pauses, overdrawn } = run((purse) =>
    canAllBeServed([...options, all.slice(126)], (it) => (it === 126 ? 3 : 1), purse),
  );
  expect(result).toBe(false);
  expect(pauses).toBeGreaterThan(0);
  expect(overdrawn).toBeLessThan(STEPS);
});
