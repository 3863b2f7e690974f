import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const UWSGI = "/usr/bin/uwsgi";
const PLUGIN = "/usr/lib/uwsgi/plugins/python3_plugin.so";

/** Whether Debian's packages are there. */
export const isUwsgiInstalled = existsSync(UWSGI) && existsSync(PLUGIN);

/** A service of OpenStack. */
export interface UwsgiSettings {
  /** For who reads that it did not start. */
  readonly name: string;
  /** The Python module, with the call that makes the application. */
  readonly module: string;
  readonly port: number;
  /** What it answers when it is up. */
  readonly path: string;
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly processes?: number;
}

/**
 * Serves on loopback, and waits until each process is up: uWSGI ends them all when one cannot start, even
 * if others serve already.
 */
export async function startUwsgi(settings: UwsgiSettings): Promise<ChildProcess> {
  const { name, module, port, path, logFile, environment, processes = 1 } = settings;
  const options = {
    plugin: "python3",
    "http-socket": `127.0.0.1:${port}`,
    "buffer-size": "65535",
    module,
    processes,
    logto: logFile,
    // It closes them without saying so, and clients would run into that.
    "add-header": "Connection: close",
  };
  const flags = ["--need-app", "--master", "--die-on-term", "--no-orphans", "--lazy-apps"];
  const child = spawn(UWSGI, [...optionsOf(options), ...flags], {
    stdio: "ignore",
    env: { ...process.env, ...environment },
  });
  // Not even a test run that is cut short leaves it behind.
  process.once("exit", () => child.kill("SIGKILL"));
  for (let attempt = 0; attempt < 300 && child.exitCode === null; attempt++) {
    const isReady = (await countReady(logFile)) >= processes;
    if (isReady && (await isUp(`http://127.0.0.1:${port}${path}`))) return child;
    await sleep(200);
  }
  await endProcess(child);
  throw new Error(`${name} did not start:\n${await read(logFile)}`);
}

export function optionsOf(options: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** How many processes have said that they serve. */
async function countReady(logFile: string): Promise<number> {
  const log = await read(logFile);
  return log.match(/^WSGI app .* ready in /gm)?.length ?? 0;
}

/** Nothing, as long as there is no log. */
function read(logFile: string): Promise<string> {
  return readFile(logFile, "utf8").catch(() => "");
}

async function isUp(url: string): Promise<boolean> {
  try {
    const reply = await fetch(url);
    return reply.ok;
  } catch {
    return false;
  }
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  await exit;
}
