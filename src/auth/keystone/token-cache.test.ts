import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { NO_CREDENTIALS } from "../credentials.ts";
import { TokenCache } from "./token-cache.ts";
import type { Token } from "./token.ts";

beforeEach(() => vi.useFakeTimers({ toFake: ["Date"], now: 0 }));
afterEach(() => void vi.useRealTimers());

function tokenUntil(expiresAtMs: number): Token {
  return { credentials: NO_CREDENTIALS, expiresAtMs, accessRules: undefined, serviceTypes: [] };
}

test("a token stays for a time, but never longer than it lives", () => {
  const cache = new TokenCache(100, { tokens: 10, bytes: 1e6 });
  cache.set("long", tokenUntil(1000));
  cache.set("short", tokenUntil(50));
  vi.setSystemTime(49);
  expect([cache.get("long"), cache.get("short")]).not.toContain(undefined);
  vi.setSystemTime(50);
  expect(cache.get("short")).toBeUndefined();
  vi.setSystemTime(100);
  expect(cache.get("long")).toBeUndefined();
});

test("a token that had expired when it came in stays as long as any other", () => {
  const cache = new TokenCache(100, { tokens: 10, bytes: 1e6 });
  vi.setSystemTime(1000);
  cache.set("expired", tokenUntil(500));
  vi.setSystemTime(1099);
  expect(cache.get("expired")).toBeDefined();
  vi.setSystemTime(1100);
  expect(cache.get("expired")).toBeUndefined();
});

test("the cache holds no more than it may: the first that came goes first", () => {
  const cache = new TokenCache(100, { tokens: 3, bytes: 1e6 });
  for (const key of ["a", "b", "a", "c", "d"]) cache.set(key, tokenUntil(1000));
  expect(["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined)).toEqual([
    true,
    false,
    true,
    true,
  ]);
});

test.for([0, -1])("with a time of %d, nothing is kept", (keepMs) => {
  const cache = new TokenCache(keepMs, { tokens: 10, bytes: 1e6 });
  cache.set("a", tokenUntil(1000));
  expect(cache.get("a")).toBeUndefined();
});

test("the cache holds no more bytes than it may, and counts what has gone", () => {
  const cache = new TokenCache(100, { tokens: 1000, bytes: 100_000 });
  const accessRules = Array.from({ length: 10 }, (_, number) => ({
    service: "placement",
    method: "GET",
    path: `/resource_providers/${number}`,
  }));
  for (let number = 0; number < 500; number++) {
    cache.set(String(number), { ...tokenUntil(1000), accessRules });
    expect(cache.bytes).toBeLessThanOrEqual(100_000);
  }
  expect([cache.get("499") === undefined, cache.get("0") === undefined]).toEqual([false, true]);
  vi.setSystemTime(200);
  cache.set("last", tokenUntil(1000));
  expect(cache.bytes).toBeLessThan(2000);
});
