import { availableParallelism } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** `npm test` runs what is quick; what takes minutes has a script of its own. */
const PACKAGE = ["test/package.test.ts"];
const GALERA = ["test/galera/**/*.test.ts"];
const DATABASE_FAULTS = ["test/faults/database*.test.ts"];

/** Read the sources, which are parsed once for all of them. */
const HOUSE = ["test/{house-limits,house-rules,layers,regular-expressions}.test.ts"];

/**
 * Compute, and start no service. They run in threads that are not made anew for each file: half of the time
 * of the others' way.
 */
const PURE = ["src/{api,auth,config,domain,http,index,search}/**/*.test.ts", ...HOUSE];

/** Those that take longest, the longest first: begun last, they would leave all workers but one idle. */
const LONG = [
  "test/serving/workers.test.ts",
  "test/hostile/every-engine.test.ts",
  "test/keystone/keystone.test.ts",
  "test/races.test.ts",
  "test/placement/beside-placement.test.ts",
  "test/faults/trees.test.ts",
  "test/hostile/hostile-bodies.test.ts",
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((left, right) => rankOf(left) - rankOf(right));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONG.findIndex((path) => moduleId.endsWith(path));
  return rank === -1 ? LONG.length : rank;
}

// What a test starts takes half the CPU when its modules are compiled already, and so do the workers.
process.env["NODE_COMPILE_CACHE"] ??= join(
  import.meta.dirname,
  "node_modules",
  ".cache",
  "stowage-tests",
);

/** A file for the results, for machines to read. */
const results = process.env["STOWAGE_TEST_RESULTS"];

export default defineConfig({
  test: {
    reporters: results ? ["default", "json"] : ["default"],
    ...(results && { outputFile: { json: results } }),
    // Safety nets: what a test does is bounded by cases, however busy the machine is. On two cores that
    // twenty processes wanted, a Keystone was not set up after two minutes.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Many a test waits for a server, a process or the clock. One worker fewer than cores is the default.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongFirst },
    // To translate all of src took a third of the CPU that the checks of `npm run check:quick` on it take.
    experimental: { fsModuleCache: true, fsModuleCachePath: "node_modules/.cache/vitest" },
    projects: [
      {
        extends: true,
        test: {
          name: "quick",
          globalSetup: "test/support/whole-run.ts",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...PURE, ...PACKAGE, ...GALERA, ...DATABASE_FAULTS],
        },
      },
      {
        extends: true,
        test: { name: "pure", include: PURE, pool: "threads", isolate: false },
      },
      {
        extends: true,
        test: { name: "package", include: PACKAGE },
      },
      {
        extends: true,
        test: {
          name: "galera",
          include: GALERA,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: { name: "database-faults", include: DATABASE_FAULTS },
      },
    ],
  },
});
