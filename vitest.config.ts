import { defineConfig } from "vitest/config";

/** `npm test` runs what is quick; what takes minutes has a script of its own. */
const PACKAGE = ["test/package.test.ts"];
const GALERA = ["test/galera/**/*.test.ts"];
const DATABASE_FAULTS = ["test/faults/database*.test.ts"];

/** A file for the results, for machines to read. */
const results = process.env["STOWAGE_TEST_RESULTS"];

export default defineConfig({
  test: {
    reporters: results ? ["default", "json"] : ["default"],
    ...(results && { outputFile: { json: results } }),
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: {
          name: "quick",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...PACKAGE, ...GALERA, ...DATABASE_FAULTS],
        },
      },
      {
        extends: true,
        test: { name: "package", include: PACKAGE, testTimeout: 300_000, hookTimeout: 300_000 },
      },
      {
        extends: true,
        test: {
          name: "galera",
          include: GALERA,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: "database-faults",
          include: DATABASE_FAULTS,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
