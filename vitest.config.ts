import { defineConfig } from "vitest/config";

/** `npm test` runs what is quick; a project that takes minutes has a script of its own. */
const SLOW = ["test/package.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: {
          name: "quick",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: SLOW,
        },
      },
      { extends: true, test: { name: "package", include: SLOW } },
    ],
  },
});
