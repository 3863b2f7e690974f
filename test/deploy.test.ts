import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { askAt, makePlace, serve } from "./serving/support.ts";
import { readText, ROOT } from "./source-files.ts";
import { makeFolder } from "./support/stowage.ts";

const UNIT = readText("deploy/stowage.service");

test("the unit names the file that it reads, so that no other is assumed", () => {
  expect(UNIT).toMatch(/^ExecStart=\S+ serve --config-file \/etc\/placement\/placement\.conf$/m);
});

test("the unit leaves no core with secrets, and sees neither other users nor other processes", () => {
  for (const line of ["LimitCORE=0", "PrivateUsers=yes", "ProcSubset=pid"]) {
    expect(UNIT.split("\n")).toContain(line);
  }
});

const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

test.skipIf(!hasSystemd)("systemd knows every line of the unit", async () => {
  const folder = await makeFolder();
  onTestFinished(() => folder.remove());
  const unit = join(folder.path, "stowage.service");
  copyFileSync(join(ROOT, "deploy/stowage.service"), unit);
  const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
  expect(stderr).not.toMatch(/stowage\.service:\d+: (Unknown|Failed|Invalid)/);
});

/** What `ENV` of the Containerfile sets. */
const IMAGE = Object.fromEntries(
  /^ENV (.+)$/m
    .exec(readText("deploy/Containerfile"))![1]!
    .split(" ")
    .map((assignment) => assignment.split("=") as [string, string]),
);

test("in the container, --demo starts with nothing mounted", async () => {
  const place = await makePlace();
  const folder = join(place.folder, "nothing");
  const env = { ...IMAGE, OS_PLACEMENT_CONFIG_DIR: "", HOME: folder };
  const served = serve({ folder }, { env, args: ["--demo", "--port", "0"] });
  const url = await served.url();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  expect((await askAt(`${url}/resource_providers`)).status).toBe(200);
});
