/**
 * Runs the checks that take seconds, all at once, and tells everything that is wrong.
 *
 *     npm run check:quick
 *
 * Exits with 1 when one of them fails.
 */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

const CHECKS: Readonly<Record<string, string>> = {
  format: "oxfmt --check",
  lint: "oxlint --type-aware --deny-warnings",
  // What has not changed since the last time is not looked at again.
  types: "tsc --incremental --tsBuildInfoFile node_modules/.cache/check-quick.tsbuildinfo",
  "house rules and layers":
    "vitest run --project pure --maxWorkers=1 --reporter=dot test/house-rules.test.ts test/house-limits.test.ts test/layers.test.ts",
};

const outcomes = await Promise.all(Object.entries(CHECKS).map(runCheck));
for (const { name, seconds, output } of outcomes) {
  console.log(`${output === undefined ? "ok    " : "FAILED"}  ${name} (${seconds} s)`);
}
const failed = outcomes.filter(({ output }) => output !== undefined);
for (const { name, output } of failed) console.log(`\n== ${name}\n${output}`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** What it printed, if it failed. */
async function runCheck([name, command]: [string, string]) {
  const startedAtMs = performance.now();
  const child = spawn(`${command} 2>&1`, { shell: true, stdio: ["ignore", "pipe", "inherit"] });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  const [output, code] = await Promise.all([text(child.stdout), exit]);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  return { name, seconds, output: code === 0 ? undefined : output.trimEnd() };
}
