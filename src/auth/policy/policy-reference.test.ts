import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { policyReference } from "./policy-reference.ts";

test("the reference page of the policy rules is what their table says", () => {
  const page = new URL("../../../docs/reference/policy.md", import.meta.url);
  // If this fails, run: node scripts/write-policy-reference.ts
  expect(readFileSync(page, "utf8")).toBe(policyReference());
});
