/**
 * What a report on leaks takes: of as many consumers as there are living, by wall and processor time, and by the
 * memory of the service and of the command.
 *
 *     node bench/leaks.ts --help
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { finished } from "node:stream/promises";

import { Command } from "commander";

import { SQLITE } from "../test/support/engines.ts";
import { makeProvider, providerUuid } from "../test/support/fleet.ts";
import { makeFolder, startHere, startProcess, writeConfig } from "../test/support/stowage.ts";

const options = new Command("leaks")
  .option("--living <number>", "so many UUIDs", "1000000")
  .option(
    "--consumers <number>",
    "so many hold something; one in a thousand is not living",
    "1000000",
  )
  .parse()
  .opts<Readonly<Record<"living" | "consumers", string>>>();
const LIVING = Number(options.living);
const CONSUMERS = Number(options.consumers);

const folder = await makeFolder();
const database = await SQLITE.createDatabase();
await fill(database.connection);
await writeConfig(folder.path, {
  DEFAULT: { log_file: join(folder.path, "stowage.log") },
  api: { auth_strategy: "noauth2" },
  placement_database: { connection: database.connection },
  stowage: { max_body_size: 64 * 1024 * 1024, max_bodies_size: 256 * 1024 * 1024 },
});
const alive = join(folder.path, "alive");
await writeLiving(alive);
const stowage = await startProcess(folder.path);
const idle = await usageOf(stowage.process.pid!);
const startedAtMs = performance.now();
const command = spawn(
  join(import.meta.dirname, "..", "bin", "stowage"),
  ["leaks", "--alive", alive, "--min-age", "0", "--url", stowage.url],
  { env: { ...process.env, OS_TOKEN: "admin" }, stdio: ["ignore", "pipe", "inherit"] },
);
let output = "";
command.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
let commandMb = 0;
const sample = async () => {
  const { peakMb } = await usageOf(command.pid!).catch(() => ({ peakMb: 0 }));
  commandMb = Math.max(commandMb, peakMb);
};
const sampling = setInterval(() => void sample(), 200);
const [code] = (await once(command, "exit")) as [number];
clearInterval(sampling);
const seconds = (performance.now() - startedAtMs) / 1000;
const after = await usageOf(stowage.process.pid!);
console.log(output.trim().split("\n").at(-1));
console.log(
  `exit ${code}; ${seconds.toFixed(1)} s, of which ${(after.cpuS - idle.cpuS).toFixed(1)} s of the service's processor; ` +
    `service ${idle.peakMb} -> ${after.peakMb} MB at most, command ${commandMb} MB`,
);
await stowage.stop();
await database.remove();
await folder.remove();

/** As a cloud leaves them, an hour ago. */
async function fill(connection: string): Promise<void> {
  const here = await startHere({ placementDatabase: { connection } });
  for (let number = 0; number < 100; number += 1) {
    await makeProvider(here.client, providerUuid(number), { VCPU: 2_000_000 });
  }
  await here.stop();
  const file = new DatabaseSync(connection.slice("sqlite:///".length));
  file.exec(`
    INSERT INTO projects (external_id) VALUES ('lab');
    INSERT INTO users (external_id) VALUES ('ann');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${CONSUMERS})
      INSERT INTO consumers (created_at, updated_at, uuid, project_id, user_id, generation)
      SELECT '2020-01-01 00:00:00', NULL, 'c0000000-0000-4000-8000-' || printf('%012d', i),
        (SELECT id FROM projects), (SELECT id FROM users), 1 FROM n;
    INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used)
      SELECT (SELECT min(id) FROM resource_providers) + c.id % 100, c.uuid, 0, 1 FROM consumers AS c;
  `);
  file.close();
}

async function writeLiving(path: string): Promise<void> {
  const stream = createWriteStream(path);
  for (let number = 1; number <= LIVING; number += 1) {
    // One in a thousand consumers is not among them, and another UUID is.
    const uuid = number % 1000 === 0 ? `e0000000-0000-4000-8000-` : `c0000000-0000-4000-8000-`;
    if (!stream.write(`${uuid}${String(number).padStart(12, "0")}\n`)) await once(stream, "drain");
  }
  stream.end();
  await finished(stream);
}

async function usageOf(pid: number): Promise<{ readonly peakMb: number; readonly cpuS: number }> {
  const [status, stat] = await Promise.all([
    readFile(`/proc/${pid}/status`, "utf8"),
    readFile(`/proc/${pid}/stat`, "utf8"),
  ]);
  const peakKb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    peakMb: Math.round(peakKb / 1024),
    cpuS: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}
