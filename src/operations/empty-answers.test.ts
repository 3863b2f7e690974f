import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { unsuffixedQuery } from "../domain/candidate-query.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { EmptyAnswers } from "./empty-answers.ts";

const QUERY = unsuffixedQuery(new Map([["VCPU", 8]]));

let nowMs = 0;
/** By how much each look at the clock finds it later. */
let stepMs = 0;
beforeEach(() => {
  nowMs = 100_000;
  stepMs = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (nowMs += stepMs));
});
afterEach(() => vi.restoreAllMocks());

function emptyAnswers(): EmptyAnswers {
  const index = new ProviderIndex();
  const times = { createdAt: null, updatedAt: null };
  index.resourceClasses.replaceAll([{ id: 0, name: "VCPU", ...times }]);
  return new EmptyAnswers(() => index, Infinity);
}

test("no more than ten empty answers are explained in a second", async () => {
  const answers = emptyAnswers();
  const burst = () => Array.from({ length: 30 }, () => answers.explain(QUERY));
  expect(burst().filter((explained) => explained !== undefined)).toHaveLength(10);
  nowMs += 1000;
  const next = burst().filter((explained) => explained !== undefined);
  expect(next).toHaveLength(10);
  expect(await next.at(-1)).toMatchObject({ explanation: { verdict: "never" } });
});

test("what explaining has taken is paid for with twenty times as long without", async () => {
  const answers = emptyAnswers();
  stepMs = 100;
  await answers.explain(QUERY);
  stepMs = 0;
  // A tenth of a second was taken: two are owed, of which one is made up for.
  expect(answers.explain(QUERY)).toBeUndefined();
  nowMs += 400;
  expect(answers.explain(QUERY)).toBeUndefined();
  nowMs += 600;
  expect(await answers.explain(QUERY)).toMatchObject({ explanation: { verdict: "never" } });
});
