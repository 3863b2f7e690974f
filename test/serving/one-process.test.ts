import { execFile } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

import { ROOT } from "../source-files.ts";
import { askAt, makePlace, serve } from "./support.ts";

const run = promisify(execFile);

describe("an SQLite file", () => {
  test("is served from by one process at a time, whatever name it has", async () => {
    const place = await makePlace();
    const first = serve(place);
    const url = await first.url();
    const second = serve(place);
    expect(await second.ended).toEqual([1, null]);
    expect(second.errors).toHaveLength(1);
    expect(second.errors[0]).toContain(
      `another process serves from ${join(place.folder, "placement.sqlite")}: `,
    );
    const link = join(place.folder, "link.sqlite");
    symlinkSync(join(place.folder, "placement.sqlite"), link);
    await place.configure({ placement_database: { connection: `sqlite:///${link}` } });
    expect(await serve(place).ended).toEqual([1, null]);
    expect((await askAt(`${url}/resource_providers`)).status).toBe(200);
  });

  test("is free again when the process has ended, even by a crash", async () => {
    const place = await makePlace();
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      const served = serve(place);
      await served.url();
      served.process.kill(signal);
      await served.ended;
    }
    await expect(serve(place).url()).resolves.toMatch(/^http/);
  });

  test("can be looked at and migrated with the commands while it is served from", async () => {
    const place = await makePlace();
    await serve(place).url();
    for (const command of [
      ["db", "version"],
      ["db", "sync"],
      ["status", "upgrade", "check"],
    ]) {
      const running = run(join(ROOT, "bin", "stowage"), [...command, "--config-dir", place.folder]);
      await expect(running).resolves.toMatchObject({ stderr: "" });
    }
  });
});
