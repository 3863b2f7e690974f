import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { askAt, makePlace, serve } from "./support.ts";

const NO_FOLDER = { OS_PLACEMENT_CONFIG_DIR: "" };

test("a folder that was asked for and holds no configuration is no reason to open the API", async () => {
  const place = await makePlace();
  const folder = join(place.folder, "empty");
  mkdirSync(folder);
  writeFileSync(join(folder, "policy.yaml"), "{}");
  const served = serve({ folder }, { env: NO_FOLDER, args: ["--config-dir", folder] });
  expect(await served.ended).toEqual([1, null]);
  expect(served.errors).toEqual([`stowage: ${folder}: there is no *.conf file in this directory`]);
});

test("nothing is assumed under a service manager", async () => {
  const place = await makePlace();
  const env = { ...NO_FOLDER, NOTIFY_SOCKET: "/nowhere" };
  const served = serve({ folder: join(place.folder, "home") }, { env });
  expect(await served.ended).toEqual([1, null]);
  expect(served.errors).toEqual([expect.stringContaining("there is no configuration")]);
});

test("the greeting names the files and variables that were read, and the log warns of noauth2", async () => {
  const place = await makePlace();
  const served = serve(place, { env: { OS_STOWAGE__SHUTDOWN_TIMEOUT: "1" } });
  await served.url();
  expect(served.output.join("\n")).toContain(
    `  configuration   ${join(place.folder, "placement.conf")}, OS_STOWAGE__SHUTDOWN_TIMEOUT\n`,
  );
  expect(served.noauthWarnings).toHaveLength(1);
});

test("a variable of [stowage] alone is a first look with that one difference", async () => {
  const place = await makePlace();
  const env = { ...NO_FOLDER, OS_STOWAGE__PORT: "0" };
  const served = serve({ folder: join(place.folder, "home") }, { env });
  const url = await served.url();
  expect((await askAt(`${url}/resource_providers`)).status).toBe(200);
  expect(served.output.join("\n")).toContain(
    "none, defaults for a first look, and OS_STOWAGE__PORT",
  );
});

test("files of records and log lines are for owner and group at most, whatever the umask", async () => {
  const place = await makePlace();
  const logFile = join(place.folder, "stowage.log");
  const served = serve(place, { before: "umask 0", args: ["--log-file", logFile] });
  await askAt(`${await served.url()}/resource_providers`);
  const made = readdirSync(place.folder).filter((name) => name !== "placement.conf");
  expect(made).toEqual(expect.arrayContaining(["placement.sqlite", "placement.sqlite-wal"]));
  const modes = made.map((name) => [
    name,
    (statSync(join(place.folder, name)).mode & 0o777).toString(8),
  ]);
  expect(modes).toEqual(made.map((name) => [name, "640"]));
  expect(made).toContain("stowage.log");
});
