import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { ROOT } from "./source-files.ts";
import { makeFolder } from "./support/stowage.ts";

const VULNERABLE = { vulnerabilities: { pg: { severity: "high", range: "<9" } } };

/** Runs the audit with an npm that prints this. */
async function auditWith(answer: string) {
  const folder = await makeFolder();
  onTestFinished(() => folder.remove());
  const npm = join(folder.path, "npm");
  writeFileSync(npm, `#!/bin/sh\ncat <<'END'\n${answer}\nEND\n`);
  chmodSync(npm, 0o755);
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts/audit.ts")], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${folder.path}:${process.env["PATH"]}` },
  });
  return { status, text: stdout + stderr };
}

test.each([
  ['{"message": "request failed"}', "request failed"],
  ["<html>a proxy's own words</html>", "not JSON"],
  ["", "not JSON"],
  ["null", "no answer"],
])("an audit that got no answer says so, and is no pass: %j", async (answer, reason) => {
  const { status, text } = await auditWith(answer);
  expect(status).toBe(2);
  expect(text).toContain("advisories: NOT CHECKED");
  expect(text).toContain(reason);
});

test("one that found nothing passes, one that found something fails", async () => {
  expect((await auditWith('{"vulnerabilities": {}}')).status).toBe(0);
  expect((await auditWith(JSON.stringify(VULNERABLE))).status).toBe(1);
});
