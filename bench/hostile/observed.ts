import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { writeConfig } from "../../test/support/stowage.ts";

/** Options by group, as `placement.conf` has them. */
export type OptionGroups = Parameters<typeof writeConfig>[1];

/** The service of a checkout as an operator runs it, with `observer.ts` loaded into it. */
export async function startService(
  checkout: string,
  folder: string,
  database: string,
  options: OptionGroups,
): Promise<{ child: ChildProcess; url: string }> {
  await writeConfig(folder, {
    DEFAULT: { log_file: join(folder, "stowage.log") },
    api: { auth_strategy: "noauth2" },
    placement_database: {
      connection: `sqlite:///${database}`,
      sync_on_startup: true,
    },
    stowage: { host: "127.0.0.1", port: 0 },
    ...options,
  });
  const observer = new URL("observer.ts", import.meta.url).href;
  const child = spawn(
    process.execPath,
    ["--import", observer, join(checkout, "src/main.ts"), "serve", "--config-dir", folder],
    { stdio: ["ignore", "pipe", "inherit", "ipc"], env: { PATH: process.env["PATH"] } },
  );
  for await (const line of createInterface({ input: child.stdout! })) {
    const url = /http:\/\/\S+/.exec(line)?.[0];
    if (url !== undefined) return { child, url };
  }
  throw new Error(`the service of ${checkout} did not start`);
}
