import { appendFileSync } from "node:fs";
import { join } from "node:path";

import { ALL_ROUTES } from "../../src/api/all-routes.ts";
import { Router } from "../../src/http/router.ts";
import type { Reply } from "./client.ts";

// What the tests ask of services in their own process, and what they are answered, by route, microversion,
// status and code. test/support/whole-run.ts puts it together and looks for what nobody asked.

/** A line of the ledger. */
export interface Entry {
  readonly method: string;
  /** As in the table of routes. */
  readonly route: string;
  /** `1.<minor>`; undefined in an answer that speaks no version. */
  readonly minor: number | undefined;
  readonly status: number;
  /** Of an error. */
  readonly code: string | undefined;
}

/** The folder that the entries of a run go to; without it, nobody keeps them. */
export const LEDGER_FOLDER = "STOWAGE_TEST_LEDGER";

const router = new Router(ALL_ROUTES);
const fresh = new Set<string>();
const written = new Set<string>();

export function noteAnswer(method: string, path: string, { status, headers, text }: Reply): void {
  if (process.env[LEDGER_FOLDER] === undefined) return;
  const route = router.find(path.split("?")[0] ?? "")?.template;
  if (route === undefined) return;
  const minor = /^placement 1\.(\d+)$/.exec(String(headers["openstack-api-version"]))?.[1];
  const code = status < 400 ? undefined : /"code": ?"([\w.]+)"/.exec(text)?.[1];
  const entry: Entry = {
    method,
    route,
    minor: minor === undefined ? undefined : Number(minor),
    status,
    code,
  };
  const line = JSON.stringify(entry);
  if (!written.has(line)) fresh.add(line);
}

/** Writes what is new: a worker may be ended at any time once its tests are over. */
export function keepLedger(): void {
  const folder = process.env[LEDGER_FOLDER];
  if (folder === undefined || fresh.size === 0) return;
  const lines = Array.from(fresh, (line) => `${line}\n`).join("");
  appendFileSync(join(folder, `${process.pid}.jsonl`), lines);
  for (const line of fresh) written.add(line);
  fresh.clear();
}
