/**
 * Runs everything that has to hold before a change is published.
 *
 *     npm run ci
 *
 * The last line sums up all tests and checks: "N passed, N failed, N skipped". Exits with 0 when nothing
 * failed that has to pass.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.join(import.meta.dirname, "..");
const CONFORMANCE = path.join(ROOT, "..", "shared", "conformance", "run");

/** An engine that cannot be reached fails the tests instead of leaving them out. */
const ENGINES = process.env["STOWAGE_TEST_ENGINES"] ?? "sqlite,postgres,mysql";

const results = mkdtempSync(path.join(tmpdir(), "stowage-ci-"));
const total = { passed: 0, failed: 0, skipped: 0 };
/** What is said once more at the end, where it is found. */
const failures: string[] = [];

try {
  suite(readmeTestCommand(), { STOWAGE_TEST_ENGINES: ENGINES });
  // As on a machine without servers.
  suite("npm test", { STOWAGE_TEST_ENGINES: "sqlite" });
  check("npm run format:check");
  check("npm run lint");
  check("npm run types");
  audit();
  for (const name of ["package", "database", "galera"]) {
    suite(`npm run test:${name}`, { STOWAGE_TEST_ENGINES: ENGINES });
  }
  if (existsSync(CONFORMANCE)) {
    await conformance("sqlite");
    if (await listens(5432)) await conformance("postgres");
    if (await listens(3306)) await conformance("mysql");
  }
} finally {
  rmSync(results, { recursive: true });
}
if (failures.length > 0) console.log(`\n== failed:\n${failures.join("\n")}`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;

/** What a newcomer types. */
function readmeTestCommand(): string {
  const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
  const command = /^## Test\n+```sh\n(.+)\n```$/m.exec(readme)?.[1];
  if (command === undefined) throw new Error("README.md does not say how to run the tests");
  return command;
}

/** A command that counts as one test. */
function check(command: string): void {
  if (run(command)) total.passed += 1;
  else fail(command);
}

/** Advisories that could not be asked for are neither a pass nor a failure. */
function audit(): void {
  const command = "npm run audit";
  const status = exitStatus(command);
  if (status === 0) total.passed += 1;
  else if (status !== 2) fail(command);
  else {
    total.skipped += 1;
    console.log(`** not checked: ${command} got no answer`);
  }
}

/** A command that runs tests with vitest, which counts them. */
function suite(command: string, environment: NodeJS.ProcessEnv): void {
  const file = path.join(results, "vitest.json");
  rmSync(file, { force: true });
  // vitest.config.ts has the results written there.
  const hasSucceeded = run(command, { ...environment, STOWAGE_TEST_RESULTS: file });
  const found = existsSync(file)
    ? (JSON.parse(readFileSync(file, "utf8")) as VitestResults)
    : undefined;
  if (found) {
    total.passed += found.numPassedTests;
    total.failed += found.numFailedTests;
    total.skipped += found.numPendingTests + found.numTodoTests;
    failures.push(...found.testResults.filter(({ status }) => status === "failed").map(reasonsOf));
  }
  if (hasSucceeded && found) return;
  // It can fail although no test does: when what a file needs cannot be set up, its tests are skipped.
  if (found && found.numFailedTests > 0) failures.push(command);
  else fail(command);
}

interface VitestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly TestFile[];
}

interface TestFile {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly { readonly failureMessages: readonly string[] }[];
}

function reasonsOf({ name, message, assertionResults }: TestFile): string {
  const messages = assertionResults.flatMap(({ failureMessages }) => failureMessages);
  return [name, message, ...messages].filter(Boolean).join("\n");
}

/** Upstream's functional tests: fails when a file fails that is known to pass. */
async function conformance(engine: string): Promise<void> {
  const args = ["--expect", "test/conformance.txt", "--jobs", "2", "--db", engine];
  const command = [CONFORMANCE, ...args].join(" ");
  announce(command);
  const child = spawn(CONFORMANCE, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    process.stdout.write(text);
    output += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  const counts = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(lastLine(output));
  total.passed += Number(counts?.[1] ?? 0);
  total.failed += Number(counts?.[2] ?? 0);
  total.skipped += Number(counts?.[3] ?? 0);
  if (code === 0 && counts) return;
  if (counts && Number(counts[2]) > 0) failures.push(command);
  else fail(command);
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/** Whether a database server is there; where it is not, upstream's tests of it are left out. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => {
      announce(`nothing listens on port ${port}: no tests of upstream's on that engine`);
      resolve(false);
    });
  });
}

function run(command: string, environment?: NodeJS.ProcessEnv): boolean {
  return exitStatus(command, environment) === 0;
}

function exitStatus(command: string, environment: NodeJS.ProcessEnv = {}): number | null {
  announce(command);
  const env = { ...process.env, ...environment };
  return spawnSync(command, { cwd: ROOT, env, shell: true, stdio: "inherit" }).status;
}

function announce(what: string): void {
  console.log(`\n== ${what}`);
}

function fail(command: string): void {
  console.log(`** failed: ${command}`);
  failures.push(command);
  total.failed += 1;
}
