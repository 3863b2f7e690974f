import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";

import { ALL_ROUTES } from "../../src/api/all-routes.ts";
import { PolicyEnforcer } from "../../src/auth/policy/enforcer.ts";
import { defaultConfig, type ConfigOverrides } from "../../src/config/config.ts";
import { startServer } from "../../src/http/server.ts";
import { createLogger } from "../../src/observability/logger.ts";
import { Metrics } from "../../src/observability/metrics.ts";
import { openService } from "../../src/operations/open-service.ts";
import type { Service } from "../../src/operations/service.ts";
import { ROOT } from "../source-files.ts";
import { Client } from "./client.ts";
import { keepLedger, noteAnswer } from "./ledger.ts";

/** A folder that is there as long as a test needs it. */
export async function makeFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "stowage-"));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** The service in this process, listening on a port of its own. */
export interface LocalStowage {
  readonly client: Client;
  readonly service: Service;
  readonly metrics: Metrics;
  /** The texts of the statements so far; to be emptied at will. */
  readonly statements: string[];
  /** What was logged so far, line by line. */
  readonly log: readonly string[];
  stop(): Promise<void>;
}

/**
 * Starts the service in this process, on an SQLite file of its own unless the configuration names
 * another database.
 */
export async function startHere(overrides: ConfigOverrides = {}): Promise<LocalStowage> {
  const folder = await makeFolder();
  const config = defaultConfig({
    ...overrides,
    api: { authStrategy: "noauth2", ...overrides.api },
    placementDatabase: {
      connection: `sqlite:///${join(folder.path, "placement.sqlite")}`,
      ...overrides.placementDatabase,
    },
    stowage: { host: "127.0.0.1", port: 0, ...overrides.stowage },
  });
  const statements: string[] = [];
  const log: string[] = [];
  const logger = createLogger(config.default, collectLines(log));
  const policy = PolicyEnforcer.load({ config, directories: [] }, (warning) =>
    logger.warn(warning),
  );
  const metrics = new Metrics();
  const service = await openService(config, {
    metrics,
    logger,
    mayMigrate: true,
    onStatement: (text) => statements.push(text),
  });
  const server = await startServer({
    config,
    service,
    routes: ALL_ROUTES,
    policy,
    logger,
    metrics,
  });
  const client = new Client(server.url);
  client.onReply = noteAnswer;
  return {
    client,
    service,
    metrics,
    statements,
    log,
    async stop() {
      client.close();
      keepLedger();
      await server.stop();
      await service.close();
      await folder.remove();
    },
  };
}

function collectLines(lines: string[]): PassThrough {
  const stream = new PassThrough();
  createInterface({ input: stream }).on("line", (line) => lines.push(line));
  return stream;
}

/** For a process that is to know nothing of the machine's own configuration. */
export function cleanEnvironment(configDir: string): NodeJS.ProcessEnv {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return {
    PATH,
    HOME: configDir,
    OS_PLACEMENT_CONFIG_DIR: configDir,
    ...(NODE_COMPILE_CACHE !== undefined && { NODE_COMPILE_CACHE }),
  };
}

/** What every service says at its start that asks nobody for a password. */
export const NOAUTH_WARNING = / WARNING stowage .*auth_strategy = noauth2: nobody is asked/;

/** The service as an operator runs it: a process of its own, started by `bin/stowage`. */
export interface StowageProcess {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it wrote to standard error so far, but for the warning of `noauth2`. */
  readonly errors: readonly string[];
  /** Asks it to finish, and returns its exit code. */
  stop(): Promise<number | null>;
  /** Ends it with SIGKILL, at once. */
  kill(): Promise<void>;
}

/**
 * Starts `bin/stowage serve --config-dir …` and waits until it listens.
 *
 * @param configDir holds a `placement.conf`
 *
 * @param port 0 lets the system choose one
 * @param environment more than it is to know of otherwise
 */
export async function startProcess(
  configDir: string,
  port = 0,
  environment: NodeJS.ProcessEnv = {},
): Promise<StowageProcess> {
  const child = spawn(
    join(ROOT, "bin", "stowage"),
    ["serve", "--config-dir", configDir, "--port", String(port)],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...cleanEnvironment(configDir), ...environment },
    },
  );
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (!NOAUTH_WARNING.test(line)) errors.push(line);
  });
  const exit = once(child, "exit") as Promise<[number | null]>;
  const url = await announcedUrl(child.stdout);
  if (url === undefined) throw new Error(`the service did not start:\n${errors.join("\n")}`);
  return {
    url,
    process: child,
    errors,
    async stop() {
      child.kill("SIGTERM");
      const [code] = await exit;
      return code;
    },
    async kill() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/**
 * Where the service says that it listens; `undefined` when it ends without saying so. The rest of
 * its output is read and dropped, so that it never waits for a reader.
 */
function announcedUrl(output: NodeJS.ReadableStream): Promise<string | undefined> {
  return new Promise((resolve) => {
    createInterface({ input: output })
      .on("line", (line) => {
        const url = /https?:\/\/\S+/.exec(line)?.[0];
        if (url !== undefined) resolve(url);
      })
      .on("close", () => resolve(undefined));
  });
}

/** Writes a `placement.conf` into a folder, options by group. */
export async function writeConfig(
  folder: string,
  groups: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>,
): Promise<string> {
  const text = Object.entries(groups)
    .map(([group, options]) =>
      [`[${group}]`, ...Object.entries(options).map(([name, value]) => `${name} = ${value}`)]
        .join("\n")
        .concat("\n"),
    )
    .join("\n");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "placement.conf"), text);
  return folder;
}
