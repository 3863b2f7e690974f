import { expect, test } from "vitest";

import { readText } from "./source-files.ts";
import type { Entry } from "./support/ledger.ts";
import { changesByPath, ledgerOf } from "./support/whole-run.ts";

const gapsOf = (entries: readonly Entry[]) =>
  ledgerOf(entries)
    .filter(({ answers }) => answers.length === 0)
    .map(({ what, when }) => `${what}: ${when}`);

const answer = (method: string, route: string, minor: number, status: number): Entry => ({
  method,
  route,
  minor,
  status,
  code: undefined,
});

test("The ledger has a line for each stretch of microversions in which a route stays the same", () => {
  const lines = ledgerOf([])
    .filter(({ what }) => what === "PUT /resource_providers/{uuid}/aggregates")
    .map(({ when }) => when);
  expect(lines).toEqual(["1.0", "1.1 to 1.18", "1.19 to 1.39"]);
});

test("A line is a gap until an answer of its microversions is what the route gives", () => {
  const all = gapsOf([]);
  const traits = all.filter((name) => name.startsWith("GET /traits:"));
  expect(traits).toEqual(["GET /traits: 1.0 to 1.5", "GET /traits: 1.6 to 1.39"]);
  const without = (entry: Entry) => all.filter((name) => !gapsOf([entry]).includes(name));
  expect(without(answer("GET", "/traits", 5, 404))).toEqual(["GET /traits: 1.0 to 1.5"]);
  expect(without(answer("GET", "/traits", 6, 200))).toEqual(["GET /traits: 1.6 to 1.39"]);
  expect(without(answer("GET", "/traits", 6, 400))).toEqual([]);
  expect(without(answer("GET", "/traits", 5, 200))).toEqual([]);
});

test("A code is a gap until an error has had it", () => {
  const entry = { ...answer("GET", "/traits", 39, 400), code: "placement.query.bad_value" };
  expect(gapsOf([])).toContain("placement.query.bad_value: an error with it");
  expect(gapsOf([entry])).not.toContain("placement.query.bad_value: an error with it");
});

test("The microversions in which routes change are read from the page that lists them", () => {
  const changes = changesByPath(readText("docs/reference/compatibility.md"));
  expect(changes.get("/allocations/{consumer_uuid}")).toEqual([8, 12, 28, 34, 38]);
  expect(changes.get("/usages")).toEqual([38]);
});
