import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate } from "node:timers/promises";

import { beforeEach, describe, expect, test } from "vitest";

import { SharedQuestion } from "./shared-question.ts";

let events: string[];
/** Answers the questions that were asked, one after the other. */
let answers: PromiseWithResolvers<void>[];
let question: SharedQuestion;

beforeEach(() => {
  events = [];
  answers = [];
  question = new SharedQuestion(() => {
    const asked = Promise.withResolvers<void>();
    answers.push(asked);
    events.push(`question ${answers.length}`);
    return asked.promise;
  });
});

function come(...names: readonly string[]): void {
  for (const name of names) {
    question.answered().then(
      () => events.push(name),
      (error: unknown) => events.push(`${name}: ${String(error)}`),
    );
  }
}

async function answer(number: number): Promise<void> {
  await passTurns();
  answers[number - 1]?.resolve();
  await passTurns();
}

/** More turns of the event loop than anything here takes. */
async function passTurns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await setImmediate();
}

test("one question is asked for all who have come", async () => {
  come("a", "b", "c");
  await answer(1);
  expect(events).toEqual(["question 1", "a", "b", "c"]);
});

test("those who come while it is being answered wait for the next one", async () => {
  come("a");
  await passTurns();
  come("b");
  await answer(1);
  expect(events).toEqual(["question 1", "a", "question 2"]);
  await answer(2);
  expect(events).toEqual(["question 1", "a", "question 2", "b"]);
});

test("each is asked anew once nobody has waited", async () => {
  come("a");
  await answer(1);
  come("b");
  await answer(2);
  expect(events).toEqual(["question 1", "a", "question 2", "b"]);
});

test("it is asked in the name of none of those who wait", async () => {
  const names = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const nameless = new SharedQuestion(async () => void seen.push(names.getStore()));
  await names.run("a", () => nameless.answered());
  expect(seen).toEqual([undefined]);
});

test("a failure is that of all who waited for it, and of nobody else", async () => {
  come("a", "b", "c", "d");
  await passTurns();
  come("e");
  answers[0]?.reject(new Error("lost"));
  await passTurns();
  const failures = ["a", "b", "c", "d"].map((name) => `${name}: Error: lost`);
  expect(events).toEqual(["question 1", ...failures, "question 2"]);
  await answer(2);
  expect(events.at(-1)).toBe("e");
});

describe("of many, the last ones go on", () => {
  test("when the next question has been asked, before it is answered", async () => {
    come("a", "b", "c", "d", "e");
    await passTurns();
    come("f");
    await answer(1);
    expect(events).toEqual(["question 1", "a", "b", "c", "question 2", "d", "e"]);
    await answer(2);
    expect(events.at(-1)).toBe("f");
  });

  test("though the next question is never answered, or fails", async () => {
    come("a", "b", "c", "d");
    await passTurns();
    come("e");
    await answer(1);
    answers[1]?.reject(new Error("lost"));
    await passTurns();
    expect(events).toEqual(["question 1", "a", "b", "question 2", "c", "d", "e: Error: lost"]);
  });

  test("though nobody asks anything more", async () => {
    come("a", "b", "c", "d");
    await answer(1);
    expect(events).toEqual(["question 1", "a", "b", "c", "d"]);
  });
});
