import { expect, test } from "vitest";

import { ConcurrentUpdateDetected } from "../domain/errors.ts";
import { findProblem } from "./foreseen-errors.ts";

test("what was refused is a problem with the facts of the refusal", () => {
  const error = new ConcurrentUpdateDetected("consumer generation conflict", {
    reason: "consumer_generation",
    consumer: "c",
    given: 3,
    actual: 4,
  });
  expect(findProblem(error)).toMatchObject({
    status: 409,
    code: "placement.concurrent_update",
    data: { reason: "consumer_generation", given: 3, actual: 4 },
  });
});
