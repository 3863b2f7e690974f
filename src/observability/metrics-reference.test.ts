import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { metricsReference } from "./metrics-reference.ts";

test("the reference page of the metrics is what the table of series says", () => {
  const page = new URL("../../docs/reference/metrics.md", import.meta.url);
  // If this fails, run: node scripts/write-metrics-reference.ts
  expect(readFileSync(page, "utf8")).toBe(metricsReference());
});
