import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SQLITE } from "../support/engines.ts";
import { attackBodies, bloat, TARGETS_WITH_BODY } from "./attack.ts";
import { expectNoTrace, prototypeMembers } from "./no-trace.ts";
import { NEWEST_SPECIMENS, requestOf, SPECIMENS } from "./specimens.ts";
import { TargetService } from "./target-service.ts";

let target: TargetService;
const prototypeBefore = prototypeMembers();

beforeAll(async () => {
  target = await TargetService.start(SQLITE);
});

afterAll(() => target.stop());

describe("does no harm", () => {
  test.each(TARGETS_WITH_BODY)("as a body: $method $template", async (route) => {
    expect(await target.attackAll(attackBodies(route))).toEqual([]);
  });

  test.each(NEWEST_SPECIMENS)("huge in each field: $route in $version", async (specimen) => {
    expect(await target.attackFields(specimen, bloat)).toEqual([]);
  });
});

test("every route that takes a body is attacked in each field of it", () => {
  const covered = new Set(SPECIMENS.map(({ route }) => route));
  const missing = TARGETS_WITH_BODY.map(({ method, template }) => `${method} ${template}`).filter(
    (route) => !covered.has(route) && !BODILESS.has(route),
  );
  expect(missing, "add a good request to specimens.ts").toEqual([]);
});

const BODILESS = new Set(["PUT /traits/{name}"]);

test.each(SPECIMENS)("the specimen is good: $route in $version", async (specimen) => {
  const body = await specimen.body(target.world);
  const { version } = specimen;
  const reply = await target.stowage.client.send(...requestOf(specimen), { body, version });
  expect([reply.text, reply.status < 300]).toEqual([expect.any(String), true]);
});

test("after all that, nobody was surprised, no line was forged and no prototype has grown", async () => {
  await expectNoTrace(target, prototypeBefore);
});
