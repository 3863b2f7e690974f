import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { loadConfig } from "../config/config.ts";
import { makeDatabaseFolder } from "./make-database-folder.ts";

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "stowage-"));
});

afterEach(() => rm(home, { recursive: true, force: true }));

test("the folder of the assumed database is made", () => {
  const environment = { HOME: home, XDG_DATA_HOME: join(home, "data") };
  const loaded = loadConfig({ environment, systemDirectory: home });

  expect(loaded.isZeroConfig).toBe(true);
  makeDatabaseFolder(loaded);
  expect(existsSync(join(home, "data", "stowage"))).toBe(true);
});

test("a folder that the configuration names is not made", () => {
  const folder = join(home, "elsewhere");
  const connection = `sqlite:///${join(folder, "placement.sqlite")}`;
  const environment = { HOME: home, OS_PLACEMENT_DATABASE__CONNECTION: connection };

  makeDatabaseFolder(loadConfig({ environment, systemDirectory: home }));
  expect(existsSync(folder)).toBe(false);
});
