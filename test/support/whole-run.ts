import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

import { ERROR_CODES } from "../../src/api/error-codes.ts";
import { minorOf } from "../../src/api/microversions.ts";
import { PLACEMENT_ROUTES } from "../../src/api/placement/routes.ts";
import { STOWAGE_ROUTES } from "../../src/api/stowage/routes.ts";
import { readText, ROOT } from "../source-files.ts";
import { LEDGER_FOLDER, type Entry } from "./ledger.ts";
import { RUN, SERVER_ENGINES } from "./servers.ts";

/** Where the ledger of the last whole run is. */
const PAGE = join("coverage", "ledger.md");

/**
 * Keeps a ledger of what the tests ask and are answered. Of a run of all tests, it fails the run that asked
 * nothing of a route in some stretch of microversions, or saw no error of some code. In the end, it drops the
 * databases that were lent.
 */
export default function setUpRun(project: TestProject): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "stowage-ledger-"));
  process.env[LEDGER_FOLDER] = folder;
  process.env[RUN] = String(process.pid);
  return async () => {
    await Promise.all(SERVER_ENGINES.map((engine) => engine.dropLeftDatabases()));
    const entries = readEntries(folder);
    rmSync(folder, { recursive: true });
    if (!isWhole(project)) return;
    const rows = ledgerOf(entries);
    mkdirSync(join(ROOT, "coverage"), { recursive: true });
    writeFileSync(join(ROOT, PAGE), pageOf(rows));
    const gaps = rows.filter(({ answers }) => answers.length === 0);
    console.log(`\n${PAGE}: ${rows.length - gaps.length} of ${rows.length} lines have an answer`);
    if (gaps.length === 0) return;
    const names = gaps.map(({ what, when }) => `  ${what}: ${when}`).join("\n");
    console.error(`No test asked for this, or none of those that did was run:\n${names}`);
    // What is thrown here is printed, and the run has succeeded all the same.
    process.exitCode = 1;
  };
}

/** Neither files nor names of tests were picked. */
function isWhole({ vitest }: TestProject): boolean {
  const { testNamePattern, related, changed, shard } = vitest.config;
  const isPicked = testNamePattern ?? related ?? changed ?? shard;
  // What was typed behind the options; vitest has it, and does not show it to the compiler.
  const { filenamePattern } = vitest as unknown as { readonly filenamePattern?: readonly string[] };
  return !isPicked && !vitest.config.watch && !filenamePattern?.length;
}

function readEntries(folder: string): Entry[] {
  return readdirSync(folder)
    .flatMap((name) => readFileSync(join(folder, name), "utf8").trimEnd().split("\n"))
    .map((line) => JSON.parse(line) as Entry);
}

export interface LedgerRow {
  readonly what: string;
  readonly when: string;
  /** The statuses that were seen. */
  readonly answers: readonly number[];
}

/** Every line that a whole run has to have an answer for. */
export function ledgerOf(entries: readonly Entry[]): LedgerRow[] {
  return [...routeRows(entries), ...ownRouteRows(entries), ...codeRows(entries)];
}

/** A method has a line for each stretch of microversions in which its route stays the same. */
function* routeRows(entries: readonly Entry[]): Generator<LedgerRow> {
  const changes = changesByPath(readText("docs/reference/compatibility.md"));
  for (const [path, methods] of Object.entries(PLACEMENT_ROUTES)) {
    for (const [method, { since = "initial", statusBefore = 404 }] of Object.entries(methods)) {
      const first = minorOf(since);
      const what = `${method} ${path}`;
      const own = entries.filter((entry) => entry.method === method && entry.route === path);
      const row = (from: number, to: number, isWanted: (status: number) => boolean) => ({
        what,
        when: from === to ? `1.${from}` : `1.${from} to 1.${to}`,
        answers: statusesOf(
          own.filter(
            ({ minor, status }) =>
              minor !== undefined && minor >= from && minor <= to && isWanted(status),
          ),
        ),
      });
      if (first > 0) yield row(0, first - 1, (status) => status === statusBefore);
      const starts = [first, ...(changes.get(path) ?? []).filter((minor) => minor > first)];
      for (const [at, start] of starts.entries()) {
        yield row(start, (starts[at + 1] ?? NEWEST + 1) - 1, (status) => status < 300);
      }
    }
  }
}

const NEWEST = minorOf("anyTraits");

/** What Placement does not have has one line for each method: microversions are nothing to it. */
function ownRouteRows(entries: readonly Entry[]): LedgerRow[] {
  return Object.entries(STOWAGE_ROUTES).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      what: `${method} ${path}`,
      when: "whatever the microversion",
      answers: statusesOf(
        entries.filter(
          (entry) => entry.method === method && entry.route === path && entry.status < 300,
        ),
      ),
    })),
  );
}

/** A code is told since the microversion that brought codes. */
function codeRows(entries: readonly Entry[]): LedgerRow[] {
  return Object.values(ERROR_CODES).map((code) => ({
    what: code,
    when: "an error with it",
    answers: statusesOf(entries.filter((entry) => entry.code === code)),
  }));
}

function statusesOf(entries: readonly Entry[]): number[] {
  return Array.from(new Set(entries.map(({ status }) => status))).toSorted((a, b) => a - b);
}

/** The microversions in which each path changes, as the page of routes has them. */
export function changesByPath(page: string): ReadonlyMap<string, readonly number[]> {
  const rows = page.matchAll(/^\| `(\/\S*)` \| [^|]* \| [^|]* \| ([^|]*) \|$/gm);
  return new Map(
    Array.from(rows, ([, path = "", changes = ""]) => [
      path,
      Array.from(changes.matchAll(/\b1\.(\d+)/g), ([, minor]) => Number(minor)).toSorted(
        (a, b) => a - b,
      ),
    ]),
  );
}

function pageOf(rows: readonly LedgerRow[]): string {
  const lines = rows.map(
    ({ what, when, answers }) => `| \`${what}\` | ${when} | ${answers.join(", ") || "NONE"} |`,
  );
  return [
    "# What the tests asked, and were answered",
    "",
    "Written by the last run of all tests that kept services in its own processes.",
    "",
    "| route or code | microversions | statuses |",
    "| --- | --- | --- |",
    ...lines,
    "",
  ].join("\n");
}
