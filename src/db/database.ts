import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { Kysely, sql } from "kysely";

import type { DatabaseConnection } from "../config/connection-url.ts";
import type { Counters } from "../observability/counters.ts";
import type { Logger } from "../observability/logger.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import { Availability, type Access } from "./availability.ts";
import { deleteNoChange, listNewestChangeIds } from "./change-feed.ts";
import { hasMark, insertChanges, isMarkTaken } from "./changes.ts";
import type { CommitMark, RecordedChange } from "./changes.ts";
import {
  CommitOutcomeUnknown,
  ConnectionLost,
  DatabaseBusy,
  DatabaseUnavailable,
  TransactionConflict,
} from "./errors.ts";
import { withDeadline } from "./in-time.ts";
import { connectPatiently, openAdapter } from "./open-adapter.ts";
import type { ConnectionOptions } from "./open-adapter.ts";
import type { Schema } from "./schema.ts";
import type { Change, DatabaseContext, ReadTransaction, WriteTransaction } from "./transaction.ts";

export interface DatabaseOptions extends ConnectionOptions {
  /** Where retries and rollbacks are counted. */
  readonly counters?: Pick<Counters, "increment">;
  /** Where it is said that the database is away, and that it is back. */
  readonly logger?: Pick<Logger, "error" | "info">;
  /** Sees the text of every statement, for tests that count or read them. */
  readonly onStatement?: (text: string) => void;
}

/** How often a transaction is run at most when it conflicts with those of other processes. */
const MAX_ATTEMPTS = 10;

const PROBE: DatabaseContext = { requestId: "probe", userId: undefined, projectId: undefined };
const PROBE_TIMEOUT_MS = 2000;

/**
 * The way into the database: `reader` and `writer` are the only ones.
 *
 * A transaction cannot be begun inside another one of the same database: pass the transaction on.
 */
export class Database {
  readonly adapter: DatabaseAdapter;
  readonly #readers: Kysely<Schema>;
  readonly #writers: Kysely<Schema>;
  readonly #counters: DatabaseOptions["counters"];
  readonly #availability: Availability | undefined;
  readonly #enclosing = new AsyncLocalStorage<{ isOpen: boolean }>();

  private constructor(adapter: DatabaseAdapter, options: DatabaseOptions) {
    const { onStatement, counters, logger } = options;
    this.#counters = counters;
    this.#availability = logger && new Availability(logger, (access) => this.#probe(access));
    const log =
      onStatement && ((event: { query: { sql: string } }) => onStatement(event.query.sql));
    this.adapter = adapter;
    this.#readers = new Kysely({ dialect: adapter.createDialect("read"), ...(log && { log }) });
    this.#writers = new Kysely({ dialect: adapter.createDialect("write"), ...(log && { log }) });
  }

  /** @throws {DatabaseUnavailable} when there is nothing at the other end. */
  static async open(
    connection: DatabaseConnection,
    options: DatabaseOptions = {},
  ): Promise<Database> {
    const database = new Database(await openAdapter(connection, options), options);
    const connect = () => database.#writers.connection().execute(() => Promise.resolve());
    // A file is there or is not.
    const report = ({ message }: DatabaseUnavailable) =>
      options.logger?.error(`The database is away: ${message}; the start waits for it`);
    if (database.adapter.isShared) await connectPatiently(connect, options, report);
    else await connect();
    return database;
  }

  /** Runs a function that sees one consistent snapshot of the database. */
  async reader<Result>(
    context: DatabaseContext,
    work: (tx: ReadTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#repeatOnConflict("read", context, () => this.#read(context, work));
  }

  /**
   * Commits what a function has written when it returns; undoes it when it throws.
   *
   * When the transaction conflicts with one of another process, the function is run again from the
   * start, a limited number of times and until the deadline of the context. So it must not do anything that a repetition would double;
   * `afterCommit` is for that.
   */
  async writer<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#repeatOnConflict("write", context, () => this.#write(context, work));
  }

  /** Waits for the transactions under way, then closes the connections. */
  async close(): Promise<void> {
    this.#availability?.stop();
    await Promise.all([this.#readers.destroy(), this.#writers.destroy()]);
  }

  #read<Result>(
    context: DatabaseContext,
    work: (tx: ReadTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#readers
      .transaction()
      .setAccessMode("read only")
      .execute((query) => this.#enclose(() => work({ query, adapter: this.adapter, context })));
  }

  async #write<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction) => Promise<Result>,
  ): Promise<Result> {
    // The callbacks run while the connection is still held: no other transaction writes meanwhile.
    return this.#writers.connection().execute(async (connection) => {
      const callbacks: (() => void)[] = [];
      const result = await this.#commit(connection, context, async (query) => {
        const tx = new OpenWriteTransaction(query, this.adapter, context, callbacks);
        const value = await this.#enclose(() => work(tx));
        return { value, mark: await insertChanges(tx, tx.recorded) };
      });
      for (const callback of callbacks) callback();
      return result;
    });
  }

  /** Begins, works and commits; finds out what became of a commit that was not answered. */
  async #commit<Result>(
    connection: Kysely<Schema>,
    context: DatabaseContext,
    work: (query: Kysely<Schema>) => Promise<Outcome<Result>>,
  ): Promise<Result> {
    let outcome: Outcome<Result> | undefined;
    try {
      outcome = await connection
        .transaction()
        .execute(async (query) => (outcome = await work(query)));
      return outcome.value;
    } catch (error) {
      if (!(error instanceof CommitOutcomeUnknown) || !outcome?.mark) throw error;
      if (await this.#wasCommitted(context, outcome.mark)) return outcome.value;
      throw new ConnectionLost(error.message, { cause: error });
    }
  }

  /** Asks on other connections, as the one that writes is of no use any more. */
  async #wasCommitted(context: DatabaseContext, mark: CommitMark): Promise<boolean> {
    const asking = await this.#readers.startTransaction().execute();
    let isTaken: boolean;
    try {
      isTaken = await isMarkTaken(asking, mark);
    } finally {
      await asking.rollback().execute();
    }
    return isTaken && this.#read(context, (tx) => hasMark(tx, mark));
  }

  /** Runs a transaction, again and again if need be, and takes note of what becomes of it. */
  async #repeatOnConflict<Result>(
    access: Access,
    { deadlineMs = Infinity }: DatabaseContext,
    attempt: () => Promise<Result>,
  ): Promise<Result> {
    this.#checkIsOutermost();
    const startedAtMs = performance.now();
    try {
      const result = await withDeadline(deadlineMs, () => this.#attempt(deadlineMs, attempt));
      this.#availability?.succeeded(access);
      return result;
    } catch (error) {
      this.#counters?.increment("rollbacks");
      this.#availability?.failed(access, error, performance.now() - startedAtMs);
      throw error;
    }
  }

  async #attempt<Result>(deadlineMs: number, attempt: () => Promise<Result>): Promise<Result> {
    let conflict: TransactionConflict | undefined;
    for (let count = 1; ; count += 1) {
      const delayMs = delayBeforeNextAttemptMs(count);
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof TransactionConflict) conflict = error;
        else if (!conflict || performance.now() < deadlineMs) throw error;
        const isTooLate = performance.now() + delayMs >= deadlineMs;
        if (isTooLate || count === MAX_ATTEMPTS) throw asFinal(conflict, isTooLate);
      }
      this.#counters?.increment("retries");
      await sleep(delayMs);
    }
  }

  /** Does what requests of a kind do, in vain. */
  #probe(access: Access): Promise<unknown> {
    const context = { ...PROBE, deadlineMs: performance.now() + PROBE_TIMEOUT_MS };
    return access === "read"
      ? this.reader(context, (tx) => listNewestChangeIds(tx, 1))
      : this.writer(context, deleteNoChange);
  }

  /** Fails where waiting for a connection could mean to wait for oneself. */
  #checkIsOutermost(): void {
    if (this.#enclosing.getStore()?.isOpen) {
      throw new Error(
        "a transaction was begun inside another one: pass on the transaction instead",
      );
    }
  }

  async #enclose<Result>(work: () => Promise<Result>): Promise<Result> {
    const transaction = { isOpen: true };
    try {
      return await this.#enclosing.run(transaction, work);
    } finally {
      // What was begun inside and not waited for may run on, but is inside no longer.
      transaction.isOpen = false;
    }
  }
}

/** What is thrown when a transaction is not tried again. */
function asFinal(error: TransactionConflict, isTooLate: boolean): Error {
  if (error instanceof ConnectionLost) {
    return new DatabaseUnavailable(error.message, { cause: error });
  }
  return isTooLate ? new DatabaseBusy(error.message, { cause: error }) : error;
}

/** What a function that writes has returned, and what tells whether it was committed. */
interface Outcome<Result> {
  readonly value: Result;
  readonly mark: CommitMark | undefined;
}

class OpenWriteTransaction implements WriteTransaction {
  readonly query: Kysely<Schema>;
  readonly adapter: DatabaseAdapter;
  readonly context: DatabaseContext;
  readonly now = new Date();
  readonly recorded: RecordedChange[] = [];
  readonly #callbacks: (() => void)[];
  #savepoints = 0;

  constructor(
    query: Kysely<Schema>,
    adapter: DatabaseAdapter,
    context: DatabaseContext,
    callbacks: (() => void)[],
  ) {
    this.query = query;
    this.adapter = adapter;
    this.context = context;
    this.#callbacks = callbacks;
  }

  get changes(): readonly Change[] {
    return this.recorded.map(({ change }) => change);
  }

  recordChange(change: Change, by = this.context): void {
    this.recorded.push({ change, by });
  }

  afterCommit(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  async savepoint<Result>(work: () => Promise<Result>): Promise<Result> {
    const name = sql.id(`part_${(this.#savepoints += 1)}`);
    const recorded = this.recorded.length;
    const callbacks = this.#callbacks.length;
    await sql`savepoint ${name}`.execute(this.query);
    try {
      const result = await work();
      await sql`release savepoint ${name}`.execute(this.query);
      return result;
    } catch (error) {
      // After a conflict there is no transaction left that could be rolled back in part.
      if (!(error instanceof TransactionConflict)) {
        await sql`rollback to savepoint ${name}`.execute(this.query);
        await sql`release savepoint ${name}`.execute(this.query);
      }
      this.recorded.length = recorded;
      this.#callbacks.length = callbacks;
      throw error;
    } finally {
      this.#savepoints -= 1;
    }
  }
}

/** Doubles from attempt to attempt; random, so that two that conflict do not meet again. */
function delayBeforeNextAttemptMs(attempt: number): number {
  return Math.random() * Math.min(5 * 2 ** attempt, 500);
}
