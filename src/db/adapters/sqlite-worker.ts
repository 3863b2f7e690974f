import { parentPort, workerData } from "node:worker_threads";

import type { SessionResult } from "./session.ts";
import { LocalSqliteSession } from "./sqlite-session.ts";
import type { SqliteOptions } from "./sqlite-session.ts";

// What runs in the thread of a `SqliteThread`.

export type SqliteRequest =
  | { readonly text: string; readonly parameters: readonly unknown[] }
  | "close";

/** Errors do not travel with what makes them errors of SQLite. */
export type SqliteResponse =
  | { readonly result: SessionResult | undefined }
  | { readonly message: string; readonly errcode: number | undefined };

let session: LocalSqliteSession | undefined;

parentPort?.on("message", (request: SqliteRequest) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort?.postMessage(answer(request));
});

function answer(request: SqliteRequest): SqliteResponse {
  try {
    // Opened here, so that a failure is the answer to a request.
    session ??= new LocalSqliteSession(workerData as SqliteOptions);
    if (request !== "close") return { result: session.run(request.text, request.parameters) };
    session.close();
    return { result: undefined };
  } catch (error) {
    const { message, errcode } = error as Error & { readonly errcode?: number };
    return { message, errcode };
  }
}
