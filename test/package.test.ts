import { execFile, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { ROOT } from "./source-files.ts";

const run = promisify(execFile);

/** Without the Node that npm's scripts and these tests run on. */
const STRANGER = { ...process.env, PATH: pathWithout("node_modules") };

/** A stranger's folder, with nothing in it but what `npm pack` and `npm install` make. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stowage-package-"));
  await npm(["pack", "--pack-destination", folder], ROOT);
  const [archive = ""] = await readdir(folder);
  await npm(["install", "--no-audit", "--no-fund", join(folder, archive)], folder);
});

const CONFIG = `
[api]
auth_strategy = noauth2
[placement_database]
connection = sqlite:///placement.sqlite
sync_on_startup = true
`;

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the package holds the program and its documentation, no sources and no tests", async () => {
  const files = await readdir(join(folder, "node_modules", "stowage"), { recursive: true });
  expect(files).toEqual(
    expect.arrayContaining(["bin/stowage", "dist/main.js", "README.md", "CHANGELOG.md", "LICENSE"]),
  );
  expect(
    files.filter((path) => /^(src|test|bench|scripts)\b|\.test\.|(?<!\.d)\.ts$/.test(path)),
  ).toEqual([]);
});

test("npx finds the command", async () => {
  const { stdout } = await run("npx", ["stowage", "--version"], { cwd: folder, env: STRANGER });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("the installed package serves the API and stops when it is told to", async () => {
  // Whatever configuration the machine has: this one and no other.
  const configFile = join(folder, "placement.conf");
  await writeFile(configFile, CONFIG);
  const command = join("node_modules", ".bin", "stowage");
  const server = spawn(command, ["serve", "--config-file", configFile, "--port", "0"], {
    cwd: folder,
    env: STRANGER,
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void server.kill("SIGKILL"));
  const exit = new Promise((resolve) => server.once("exit", (...how) => resolve(how)));
  const url = await announcedUrl(server.stdout);

  const response = await fetch(`${url}/resource_classes`, {
    headers: { "x-auth-token": "admin", "openstack-api-version": "placement latest" },
  });
  expect(response.status).toBe(200);
  // The standard resource classes are data beside the program.
  expect(await response.text()).toContain('"VCPU"');

  server.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});

describe("without a Node that runs, it says what to do", () => {
  test("where there is none", async () => {
    expect(await complaintOf(await makeLonely())).toMatch(/^stowage: it needs Node/);
  });

  test("where the one that came with it lacks a library", async () => {
    const lonely = await makeLonely();
    const bundled = join(lonely, "node_modules", `node-${process.platform}-${process.arch}`, "bin");
    await mkdir(bundled, { recursive: true });
    const complaint = "libatomic.so.1: cannot open shared object file";
    const script = `#!/bin/sh\necho '${complaint}' >&2\nexit 127\n`;
    await writeFile(join(bundled, "node"), script, { mode: 0o755 });
    expect(await complaintOf(lonely)).toMatch(
      new RegExp(`^stowage: the Node that came with it does not run:\n${complaint}\n`),
    );
  });

  /** A copy of the package for which there is no Node. */
  async function makeLonely(): Promise<string> {
    const elsewhere = await mkdtemp(join(tmpdir(), "stowage-alone-"));
    onTestFinished(() => rm(elsewhere, { recursive: true }));
    await cp(join(folder, "node_modules", "stowage"), elsewhere, { recursive: true });
    return elsewhere;
  }

  async function complaintOf(elsewhere: string): Promise<string> {
    const tools = join(elsewhere, "tools");
    await mkdir(tools);
    for (const name of ["dirname", "readlink", "uname"]) {
      await symlink(join("/usr/bin", name), join(tools, name));
    }
    const command = join(elsewhere, "bin", "stowage");
    const failure = await run(command, ["--version"], { env: { PATH: tools } }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 1, stdout: "" });
    return (failure as { stderr: string }).stderr;
  }
});

function pathWithout(part: string): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.filter((path) => !path.includes(part)).join(delimiter);
}

/** The scripts that npm runs say on standard output what went wrong. */
async function npm(parameters: readonly string[], cwd: string): Promise<void> {
  await run("npm", parameters, { cwd }).catch((error: Error & { stdout: string }) => {
    throw new Error(`${error.message}\n${error.stdout}`, { cause: error });
  });
}

/** Where the server says that it listens. */
async function announcedUrl(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const url = /https?:\/\/\S+/.exec(line)?.[0];
    if (url !== undefined) return url;
  }
  throw new Error("the server ended without saying where it listens");
}
