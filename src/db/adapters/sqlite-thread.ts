import path from "node:path";
import { Worker } from "node:worker_threads";

import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import type { SqliteOptions } from "./sqlite-session.ts";
import type { PlainError, SqliteRequest, SqliteResponse } from "./sqlite-worker.ts";

/**
 * A connection to SQLite in a thread of its own, so that nobody but who asked waits while a commit
 * reaches the disk.
 *
 * A failure of the thread itself ends the process: nobody would know how far it got.
 */
export class SqliteThread implements Session {
  readonly isBroken = false;
  readonly runsInTurn = true;
  readonly #worker: Worker;
  /** The thread answers in the order in which it was asked. */
  readonly #pending: ((response: SqliteResponse) => void)[] = [];
  #lastTookMs = 0;
  #lastDataVersion: number | undefined;

  /** The database is opened with the first request, which fails when that fails. */
  constructor(options: SqliteOptions) {
    // Compiled or not, the other end is beside this file.
    const worker = `./sqlite-worker${path.extname(import.meta.filename)}`;
    this.#worker = new Worker(new URL(worker, import.meta.url), { workerData: options });
    this.#worker.on("message", (response: SqliteResponse) => this.#pending.shift()?.(response));
  }

  /** How long the last series to be answered took the database. */
  get lastTookMs(): number {
    return this.#lastTookMs;
  }

  /** What its connection knew of others right after the last commit that was answered. */
  get lastDataVersion(): number | undefined {
    return this.#lastDataVersion;
  }

  async run(text: string, parameters: readonly unknown[]): Promise<SessionResult> {
    const { results, failure } = await this.runSeries([{ text, parameterSets: [parameters] }]);
    if (failure) throw failure.error;
    const [result] = results;
    if (!result) throw new Error("the thread of SQLite answered without a result");
    return result;
  }

  /** One message there and one back, however many statements: that is most of what a short one costs. */
  async runSeries(statements: readonly Statement[]): Promise<SeriesOutcome> {
    const { results, failure, tookMs, dataVersion } = await this.#ask(statements.map(sendable));
    this.#lastTookMs = tookMs;
    this.#lastDataVersion = dataVersion ?? this.#lastDataVersion;
    if (!failure) return { results };
    return { results, failure: { error: failure.error && revive(failure.error) } };
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

  #ask(request: SqliteRequest): Promise<SqliteResponse> {
    return new Promise((resolve) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.#worker.postMessage(request);
      this.#pending.push(resolve);
    });
  }
}

/** Functions do not travel, and whoever asks may know a statement by more than what is sent. */
function sendable({ text, parameterSets, mustAffect }: Statement): Statement {
  return mustAffect === undefined ? { text, parameterSets } : { text, parameterSets, mustAffect };
}

function revive({ message, errcode }: PlainError): Error {
  return Object.assign(new Error(message), { errcode });
}
