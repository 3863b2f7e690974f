import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { askAt, makePlace, serve, until } from "./support.ts";

test("signals for other servers neither open a debugger nor end the service", async () => {
  const served = serve(await makePlace());
  const url = await served.url();
  // Node takes no notice of the first one, so nothing is said of it.
  served.process.kill("SIGUSR1");
  served.process.kill("SIGUSR2");
  await until(() => served.errors.some((line) => line.includes("SIGUSR2 does nothing")));
  expect((await askAt(url)).status).toBe(200);
  expect(served.errors.join("\n")).not.toContain("Debugger listening");
  served.process.kill("SIGTERM");
  expect(await served.ended).toEqual([0, null]);
});

test.skipIf(!existsSync("/proc/self/cmdline"))(
  "no debugger can be asked for by a signal, not even while the service starts",
  async () => {
    const served = serve(await makePlace());
    await served.url();
    const commandLine = readFileSync(join("/proc", String(served.process.pid), "cmdline"), "utf8");
    expect(commandLine.split("\0")).toContain("--disable-sigusr1");
  },
);
