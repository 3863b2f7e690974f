import path from "node:path";
import { Worker } from "node:worker_threads";

import type { Session, SessionResult } from "./session.ts";
import type { SqliteOptions } from "./sqlite-session.ts";
import type { SqliteRequest, SqliteResponse } from "./sqlite-worker.ts";

interface PendingRequest {
  readonly resolve: (result: SessionResult | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A connection to SQLite in a thread of its own, so that nobody but who asked waits while a commit
 * reaches the disk; docs/decisions/0003-sqlite-driver.md tells what that costs and gains.
 *
 * A failure of the thread itself ends the process: nobody would know how far it got.
 */
export class SqliteThread implements Session {
  readonly isBroken = false;
  readonly #worker: Worker;
  /** The thread answers in the order in which it was asked. */
  readonly #pending: PendingRequest[] = [];

  /** The database is opened with the first request, which fails when that fails. */
  constructor(options: SqliteOptions) {
    // Compiled or not, the other end is beside this file.
    const worker = `./sqlite-worker${path.extname(import.meta.filename)}`;
    this.#worker = new Worker(new URL(worker, import.meta.url), { workerData: options });
    this.#worker.on("message", (response: SqliteResponse) => this.#receive(response));
  }

  async run(text: string, parameters: readonly unknown[]): Promise<SessionResult> {
    const result = await this.#ask({ text, parameters });
    if (!result) throw new Error("the thread of SQLite answered without a result");
    return result;
  }

  async *iterate(text: string, parameters: readonly unknown[]): AsyncIterable<unknown> {
    const { rows } = await this.run(text, parameters);
    yield* rows;
  }

  async close(): Promise<void> {
    try {
      await this.#ask("close");
    } finally {
      await this.#worker.terminate();
    }
  }

  #ask(request: SqliteRequest): Promise<SessionResult | undefined> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.#worker.postMessage(request);
    });
  }

  #receive(response: SqliteResponse): void {
    const pending = this.#pending.shift();
    if ("result" in response) pending?.resolve(response.result);
    else pending?.reject(Object.assign(new Error(response.message), { errcode: response.errcode }));
  }
}
