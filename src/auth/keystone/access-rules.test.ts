import { describe, expect, test } from "vitest";

import { isAdmitted } from "./access-rules.ts";

function admits(pattern: string, path: string): boolean {
  const rules = [{ service: "placement", method: "GET", path: pattern }];
  return isAdmitted(rules, "placement", { method: "GET", path });
}

describe("a path of an access rule", () => {
  test.for([
    ["/traits", "/traits", true],
    ["/traits", "/traits/", false],
    ["/traits", "/traits/A", false],
    ["/traits/*", "/traits/A", true],
    ["/traits/*", "/traits/", false],
    ["/traits/*", "/traits/A/B", false],
    ["/traits/{name}", "/traits/A", true],
    ["/traits/{name}", "/traits/A/B", false],
    ["/*/A", "/traits/A", true],
    ["/t*s", "/traits", true],
    ["/t*s", "/ts", false],
    ["/resource_providers/*/inventories/{class}", "/resource_providers/1/inventories/VCPU", true],
    ["/resource_providers/*/inventories/{class}", "/resource_providers/1/2/inventories/V", false],
    ["/**", "/", true],
    ["/**", "/a/b", true],
    ["/a**", "/a", true],
    ["/**/b", "/a/a/b", true],
    ["/**/b", "/a/a/c", false],
    ["**", "/anything/at/all", true],
    ["/***", "/a/b", true],
    ["/a}b", "/ab", true],
    ["/v2.1", "/v2.1", true],
    ["", "/", false],
  ] as const)("%s against %s: %s", ([pattern, path, expected]) => {
    expect(admits(pattern, path)).toBe(expected);
  });

  test("is no regular expression", () => {
    expect(admits("/v2.1", "/v2x1")).toBe(false);
    expect(admits("/(a|b)+", "/a")).toBe(false);
  });

  test("is compared with the path as it reads when only what must be encoded is", () => {
    expect(admits("/traits/A_B", "/traits/A%5FB")).toBe(true);
    expect(admits("/traits/*", "/traits/A%2FB")).toBe(false);
    expect(admits("/traits/A%3FB", "/traits/A%3FB")).toBe(true);
    expect(admits("/**", "/%FF")).toBe(false);
  });

  test("that is made to take long takes no longer than any other", () => {
    const begun = process.threadCpuUsage();
    expect(admits(`/${"{a}".repeat(60)}/b`, `/${"a".repeat(5000)}`)).toBe(false);
    expect(admits(`/${"**a".repeat(60)}/b`, `/${"a".repeat(5000)}`)).toBe(false);
    // Of the processor, so that it makes no difference what else is running.
    expect(process.threadCpuUsage(begun).user).toBeLessThan(2_000_000);
  });
});

test("a rule is for one method of one service", () => {
  const rules = [{ service: "placement", method: "GET", path: "/traits" }];
  expect(isAdmitted(rules, "placement", { method: "PUT", path: "/traits" })).toBe(false);
  expect(isAdmitted(rules, "compute", { method: "GET", path: "/traits" })).toBe(false);
});

test("no rules admit nothing", () => {
  expect(isAdmitted([], "placement", { method: "GET", path: "/traits" })).toBe(false);
});
