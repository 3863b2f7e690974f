import { parentPort, workerData } from "node:worker_threads";

import type { SeriesOutcome, Statement } from "./session.ts";
import { isCommit, LocalSqliteSession } from "./sqlite-session.ts";
import type { SqliteOptions } from "./sqlite-session.ts";

// What runs in the thread of a `SqliteThread`.

export type SqliteRequest = readonly Statement[] | "close";

export type SqliteResponse = Pick<SeriesOutcome, "results"> & {
  /** Errors do not travel with what makes them errors of SQLite. */
  readonly failure?: { readonly error: PlainError | undefined };
  /** How long it took the database. */
  readonly tookMs: number;
  /** Of this connection, after it was told to commit. */
  readonly dataVersion: number | undefined;
};

export interface PlainError {
  readonly message: string;
  readonly errcode: number | undefined;
}

let session: LocalSqliteSession | undefined;

parentPort?.on("message", (request: SqliteRequest) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(answer(request));
});

function answer(request: SqliteRequest): SqliteResponse {
  const startedAtMs = performance.now();
  const { results, failure } = outcomeOf(request);
  const tookMs = performance.now() - startedAtMs;
  return {
    results,
    ...(failure && { failure: { error: plain(failure.error) } }),
    tookMs,
    dataVersion: isCommit(request) ? session?.dataVersion() : undefined,
  };
}

function outcomeOf(request: SqliteRequest): SeriesOutcome {
  try {
    // Opened here, so that a failure is the answer to a request.
    session ??= new LocalSqliteSession(workerData as SqliteOptions);
    if (request !== "close") return session.runSeries(request);
    session.close();
    return { results: [] };
  } catch (error) {
    return { results: [], failure: { error } };
  }
}

function plain(error: unknown): PlainError | undefined {
  if (error === undefined) return undefined;
  const { message, errcode } = error as Error & { readonly errcode?: number };
  return { message, errcode };
}
