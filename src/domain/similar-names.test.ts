import { expect, test } from "vitest";
import { similarNames } from "./similar-names.ts";

const NAMES = [
  "VCPU",
  "PCPU",
  "MEMORY_MB",
  "DISK_GB",
  "CUSTOM_GOLD",
  "CUSTOM_GOLDEN",
  "HW_NUMA_ROOT",
];

test("a name with a typing error is told what it may have been meant for, the likeliest first", () => {
  expect(similarNames("CUSTOM_GLOD", NAMES)).toEqual(["CUSTOM_GOLD"]);
  expect(similarNames("vcpu", NAMES)).toEqual(["VCPU", "PCPU"]);
  expect(similarNames("MEMORY", NAMES)).toEqual([]);
  expect(similarNames("x".repeat(255), NAMES)).toEqual([]);
});
