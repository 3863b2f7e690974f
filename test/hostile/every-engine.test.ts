import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { SERVER_ENGINES } from "../db/server-engines.ts";
import { ENGINES } from "../support/engines.ts";
import { spoil, TARGETS, TARGETS_WITH_BODY, type Attack } from "./attack.ts";
import { HOSTILE_JSON, HOSTILE_TEXTS } from "./hostile-values.ts";
import { placesOf, writeJson } from "./json-text.ts";
import { FUZZ_RUNS, IS_LONG_RUN } from "./long-run.ts";
import { existingParameters, pathTo, requestOf, SPECIMENS } from "./specimens.ts";
import { TargetService } from "./target-service.ts";

/** Some hundred requests by default; `STOWAGE_FUZZ_RUNS=100000` for a night. The seed is printed. */
const RUNS = { numRuns: FUZZ_RUNS };
const PATIENCE = IS_LONG_RUN ? { timeout: 12 * 3_600_000 } : {};

const text = fc.oneof(
  fc.constantFrom(...HOSTILE_TEXTS),
  // As the unit "binary", for which fast-check makes a table of all characters first: no half of a pair.
  fc.string({
    unit: fc
      .nat(0x10_ff_ff - 0x800)
      .map((point) => String.fromCodePoint(point < 0xd800 ? point : point + 0x800)),
    maxLength: 40,
  }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
);

/** Encoded as it should be, or bytes at random. */
const urlPart = fc.oneof(
  text.map(encodeURIComponent),
  fc
    .uint8Array({ minLength: 1, maxLength: 12 })
    .map((bytes) => Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("")),
  fc.string({ maxLength: 12 }).map((part) => part.replaceAll(/[^!-~]|[/?#]/g, "")),
);

const json = fc.oneof(fc.constantFrom(...HOSTILE_JSON), fc.jsonValue({ maxDepth: 4 }));

const anyVersion = fc.integer({ min: 0, max: 39 }).map((minor) => `1.${minor}`);

describe.each([...ENGINES, ...SERVER_ENGINES])("on $name", (engine) => {
  let target: TargetService;

  beforeAll(async () => {
    target = await TargetService.start(engine);
  });

  afterAll(() => target.stop());

  test("random paths and queries do no harm", PATIENCE, async () => {
    const pair = fc.tuple(
      fc.oneof(
        fc.constantFrom("name", "resources", "resources1", "required", "member_of", "in_tree1"),
        fc.constantFrom("limit", "group_policy", "same_subtree", "root_required", "project_id"),
        urlPart,
      ),
      urlPart,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...TARGETS.filter(({ method }) => method === "GET")),
        anyVersion,
        urlPart,
        fc.array(pair, { maxLength: 4 }),
        async ({ method, template }, version, segment, pairs) => {
          const parameters = Object.fromEntries(
            Object.keys(existingParameters(template)).map((name) => [name, segment || "a"]),
          );
          const query = pairs.map((parts) => parts.join("=")).join("&");
          const path = `${pathTo(template, parameters)}?${query}`;
          await expectNoHarm({ label: "random", method, path, version });
        },
      ),
      RUNS,
    );
  });

  test("random bodies do no harm", PATIENCE, async () => {
    const anyBody = fc.oneof(json.map(writeJson), fc.uint8Array({ maxLength: 200 }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...TARGETS_WITH_BODY),
        anyVersion,
        anyBody,
        async (route, version, body) => {
          await expectNoHarm({
            label: "random",
            method: route.method,
            path: pathTo(route.template),
            version,
            body,
          });
        },
      ),
      RUNS,
    );
  });

  test("good documents with random changes do no harm", PATIENCE, async () => {
    const change = fc.tuple(fc.nat(), fc.oneof({ weight: 2, arbitrary: json }, text));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SPECIMENS),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async ({ route, version, body }, changes) => {
          let document = await body(target.world);
          for (const [position, value] of changes) {
            const places = placesOf(document);
            document = places[position % places.length]?.replace(value);
          }
          const [method, path] = requestOf({ route });
          await expectNoHarm({
            label: "changed",
            method,
            path,
            version,
            body: writeJson(document),
          });
        },
      ),
      RUNS,
    );
  });

  async function expectNoHarm(attack: Attack): Promise<void> {
    expect(await target.attackAll([attack])).toEqual([]);
  }

  test.each(SPECIMENS)("known evils do no harm: $route in $version", async (specimen) => {
    expect(await target.attackFields(specimen, spoil)).toEqual([]);
  });

  test("nobody was surprised", async () => {
    expect(await target.stowage.metrics.total("stowage_unexpected_errors_total")).toBe(0);
  });
});
