import { expect } from "vitest";

import type { TargetService } from "./target-service.ts";

/** To be compared with after the attacks. */
export function prototypeMembers(): string[] {
  return Object.getOwnPropertyNames(Object.prototype).toSorted();
}

/** Nobody was surprised, no line was forged and no prototype has grown. */
export async function expectNoTrace(
  target: TargetService,
  prototypeBefore: readonly string[],
): Promise<void> {
  const { metrics, log } = target.stowage;
  await expect(metrics.total("stowage_unexpected_errors_total")).resolves.toBe(0);
  expect(
    log.filter((line) => !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ [A-Z]+ /.test(line)),
  ).toEqual([]);
  expect(log.filter((line) => line.includes("INFO stowage forged"))).toEqual([]);
  expect(prototypeMembers()).toEqual(prototypeBefore);
  expect({}).not.toHaveProperty("polluted");
}
