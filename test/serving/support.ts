import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest, type RequestOptions } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

import { ROOT } from "../source-files.ts";
import { cleanEnvironment, makeFolder, NOAUTH_WARNING, writeConfig } from "../support/stowage.ts";

type Groups = Parameters<typeof writeConfig>[1];

/** A folder with a `placement.conf`, gone when the test is over. */
export interface Place {
  readonly folder: string;
  /** Writes the configuration anew. */
  configure(groups: Groups): Promise<void>;
}

/** A configuration for `noauth2` on an SQLite file, listening on a port of its own. */
export async function makePlace(groups: Groups = {}): Promise<Place> {
  const made = await makeFolder();
  onTestFinished(() => made.remove());
  const folder = made.path;
  const configure = async (changes: Groups) => {
    await writeConfig(folder, {
      ...changes,
      api: { auth_strategy: "noauth2", ...changes["api"] },
      placement_database: {
        connection: `sqlite:///${join(folder, "placement.sqlite")}`,
        sync_on_startup: true,
        ...changes["placement_database"],
      },
      stowage: { port: 0, ...changes["stowage"] },
    });
  };
  await configure(groups);
  return { folder, configure };
}

/** `bin/stowage serve`, started by a test and gone when it is over. */
export interface Served {
  readonly process: ChildProcess;
  /** Lines of its standard output, and of its standard error, so far. */
  readonly output: readonly string[];
  /** But for the warning of `noauth2`, which nearly all of these services have. */
  readonly errors: readonly string[];
  readonly noauthWarnings: readonly string[];
  /** Exit code and signal, once it has ended. */
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  /** Where it says that it serves; rejects when it ends without saying so. */
  url(): Promise<string>;
}

export interface ServeOptions {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Run by the shell right before the service, which takes its place: the same process id. */
  readonly before?: string;
  /** A program that becomes the service, with what it needs to do so. */
  readonly through?: string;
  /** From descriptor 3 on. */
  readonly descriptors?: readonly number[];
}

export function serve({ folder }: Pick<Place, "folder">, options: ServeOptions = {}): Served {
  const { args = [], env = {}, before = ":", through = "", descriptors = [] } = options;
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...descriptors];
  const child = spawn(
    "/bin/sh",
    ["-c", `${before}; exec ${through} "$0" serve "$@"`, join(ROOT, "bin", "stowage"), ...args],
    {
      stdio,
      env: { ...cleanEnvironment(folder), ...env },
    },
  );
  const ended = once(child, "close") as Served["ended"];
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  const output: string[] = [];
  const errors: string[] = [];
  const noauthWarnings: string[] = [];
  readLines(child.stdout, (line) => output.push(line));
  readLines(child.stderr, (line) =>
    (NOAUTH_WARNING.test(line) ? noauthWarnings : errors).push(line),
  );
  const url = () => announcedUrl(output, errors, ended);
  return { process: child, output, errors, noauthWarnings, ended, url };
}

function readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (stream) createInterface({ input: stream }).on("line", onLine);
}

async function announcedUrl(
  output: readonly string[],
  errors: readonly string[],
  ended: Promise<unknown>,
): Promise<string> {
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  const urlIn = () => /serving .* on (\S+)/.exec(output[0] ?? "")?.[1];
  await until(() => urlIn() !== undefined || hasEnded);
  const url = urlIn();
  if (url === undefined) throw new Error(`the service did not start:\n${errors.join("\n")}`);
  return url;
}

/** Waits until something is so. To look more often would take time from what is waited for. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(20);
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** Asks as an administrator; `options` tells how to reach the service. */
export function ask(options: RequestOptions, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      "x-auth-token": "admin",
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(options.headers as Record<string, string> | undefined),
    };
    const request = httpRequest({ ...options, headers, agent: false }, (response) => {
      const { statusCode: status = 0, headers: answered } = response;
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ status, headers: answered, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** {@link ask} at a URL. */
export function askAt(url: string, options: RequestOptions = {}, body?: string): Promise<Answer> {
  const { hostname, port, pathname, search } = new URL(url);
  const host = hostname.replaceAll(/[[\]]/g, "");
  return ask({ host, port, path: pathname + search, ...options }, body);
}

/** A request whose body is held back until `finish`, which returns the answer as it came. */
export async function beginRequest(url: string, providerName = "in flight") {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let received = "";
  socket.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")));
  socket.on("error", () => {});
  const closed = once(socket, "close");
  const body = JSON.stringify({ name: providerName });
  socket.write(
    "POST /resource_providers HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: admin\r\n" +
      "Content-Type: application/json\r\nExpect: 100-continue\r\n" +
      `Content-Length: ${body.length}\r\n\r\n${body[0]}`,
  );
  // By then, the server has begun with it.
  await until(() => received === "HTTP/1.1 100 Continue\r\n\r\n");
  received = "";
  const finish = async () => {
    socket.write(body.slice(1));
    await closed;
    return received;
  };
  return { finish };
}

/** Asks without a token. */
export async function askAsStranger(url: string): Promise<Pick<Answer, "status" | "text">> {
  const response = await fetch(url);
  return { status: response.status, text: await response.text() };
}

/** Runs `stowage health`; what it wrote to standard output and standard error. */
export async function askHealth(
  folder: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<[code: number | null, output: string, errors: string]> {
  const child = spawn(join(ROOT, "bin", "stowage"), ["health", ...args], {
    env: { ...cleanEnvironment(folder), ...env },
  });
  const text = { output: "", errors: "" };
  child.stdout.on("data", (part: Buffer) => (text.output += part.toString()));
  child.stderr.on("data", (part: Buffer) => (text.errors += part.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return [code, text.output, text.errors];
}
