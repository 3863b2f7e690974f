import { AsyncLocalStorage } from "node:async_hooks";

import type { Kysely } from "kysely";

import type { DatabaseConnection } from "../config/connection-url.ts";
import { Metrics } from "../observability/metrics.ts";
import type { Logger } from "../observability/logger.ts";
import type { DatabaseAdapter } from "./adapter.ts";
import type { DeferredStatement, SessionTransaction } from "./adapters/session-transaction.ts";
import type { TransactionPool } from "./adapters/transaction-pool.ts";
import { Availability, type Access } from "./availability.ts";
import { deleteNoChange, findAnyChangeId } from "./change-feed.ts";
import { closeGaps, insertChanges, wasCommitted, type FeedGaps } from "./changes.ts";
import {
  CommitOutcomeUnknown,
  DatabaseUnavailable,
  type DuplicateEntry,
  type TransactionConflict,
} from "../domain/errors.ts";
import { ConnectionLost, DatabaseBusy, OutcomePending } from "./errors.ts";
import { currentDeadlineMs, withDeadline } from "./in-time.ts";
import { openAdapter } from "./open-adapter.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { PendingOutcomes } from "./pending-outcomes.ts";
import { connectionRepetition, isPassing, OUTCOME, repeating, TRANSACTION } from "./repeating.ts";
import type { Schema } from "./schema.ts";
import {
  internalContext,
  type Change,
  type DatabaseContext,
  type RecordedChange,
  type CommitMark,
} from "./change.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

export interface DatabaseOptions extends ConnectionOptions {
  /** Where transactions are counted; what else is built on the database counts there as well. */
  readonly metrics?: Metrics;
  /** Where it is said that the database is away, and that it is back. */
  readonly logger?: Pick<Logger, "error" | "info" | "warn">;
  /** Is told, and not the log, when the start waits for the database. */
  readonly onAway?: (error: DatabaseUnavailable) => void;
  /** Sees the text of every statement, for tests that count or read them. */
  readonly onStatement?: (text: string) => void;
}

/** What makes a transaction hard, as it is counted. */
const COUNTED = {
  retries: "stowage_claim_retries_total",
  rollbacks: "stowage_transactions_rolled_back_total",
} as const;

const PROBE = internalContext("probe");
const PROBE_TIMEOUT_MS = 2000;

/**
 * The way into the database: `reader`, `readOnce` and `writer` are the only ones.
 *
 * A transaction cannot be begun inside another one of the same database: pass the transaction on.
 */
export class Database {
  readonly adapter: DatabaseAdapter;
  readonly metrics: Metrics;
  readonly #readers: TransactionPool;
  readonly #writers: TransactionPool;
  readonly #availability: Availability | undefined;
  readonly #enclosing = new AsyncLocalStorage<{ isOpen: boolean }>();
  readonly #servers: ReadonlySet<string>;
  readonly #pending = new PendingOutcomes();
  readonly #isReadOnly: boolean;
  #writesBegun = 0;

  private constructor(
    adapter: DatabaseAdapter,
    servers: ReadonlySet<string>,
    options: DatabaseOptions,
  ) {
    this.#servers = servers;
    this.#isReadOnly = options.isReadOnly ?? false;
    const { onStatement, metrics = new Metrics(), logger } = options;
    this.#availability = logger && new Availability(logger, (access) => this.#probe(access));
    this.adapter = adapter;
    this.metrics = metrics;
    this.#readers = adapter.createPool("read", onStatement);
    this.#writers = adapter.createPool("write", onStatement);
    this.#beWatched();
  }

  /** @throws {DatabaseUnavailable} when there is nothing at the other end. */
  static async open(
    connection: DatabaseConnection,
    options: DatabaseOptions = {},
  ): Promise<Database> {
    const servers = new Set<string>();
    const onServer = (server: string) => void servers.add(server);
    const adapter = await openAdapter(connection, { ...options, onServer });
    const database = new Database(adapter, servers, options);
    const { isReadOnly = false } = options;
    const pool = isReadOnly ? database.#readers : database.#writers;
    const connect = () => pool.run(isReadOnly ? "read" : "write", () => Promise.resolve());
    // A file is there or is not.
    const report = ({ message }: DatabaseUnavailable) =>
      options.logger?.error(`The database is away: ${message}; the start waits for it`);
    const { onAway = report } = options;
    const { maxRetries = 0, retryInterval = 0 } = options;
    const retries = database.adapter.isShared ? maxRetries : 0;
    await repeating(connectionRepetition(retries, retryInterval), connect, {
      beforeNext: (failure, attempt) => {
        if (attempt === 1) onAway(failure);
      },
    });
    return database;
  }

  /** Runs a function that sees one consistent snapshot of the database. */
  async reader<Result>(
    context: DatabaseContext,
    work: (tx: ReadTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#read("read", context, work);
  }

  /**
   * Runs a function that reads with one statement. That sees one snapshot by itself, and is one message
   * to a server where a transaction is three.
   */
  async readOnce<Result>(
    context: DatabaseContext,
    work: (tx: ReadTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#read("read once", context, work);
  }

  /**
   * Commits what a function has written when it returns; undoes it when it throws.
   *
   * When the transaction conflicts with one of another process, or inserts what another one has just
   * inserted, the function is run again from the start, a limited number of times and until the
   * deadline of the context. So it must not do anything that a repetition would double;
   * `afterCommit` is for that.
   *
   * @param onUnanswered is called when a commit was not answered: while it is found out what became of
   *   it, others may write what it has not touched
   * @throws OutcomePending it needs what another transaction has touched of which that is not known yet
   */
  async writer<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction) => Result | Promise<Result>,
    onUnanswered: () => void = () => {},
  ): Promise<Result> {
    if (this.#isReadOnly) throw new Error("the database was opened to be read only");
    return this.#repeatOnConflict("write", context, () => this.#write(context, work, onUnanswered));
  }

  /**
   * As `writer`, for what nobody waits for and no read model knows of: with a server it does not wait for its turn
   * to write, and those who claim do not wait for it. It notes no changes.
   *
   * @throws DatabaseUnavailable also where the commit was not answered: it may have been made
   */
  async background<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction) => Promise<Result>,
  ): Promise<Result> {
    if (this.#isReadOnly) throw new Error("the database was opened to be read only");
    const pool = this.adapter.isShared ? this.#readers : this.#writers;
    return this.#repeatOnConflict("write", context, () =>
      pool.run("write", async (transaction) => {
        const tx = new OpenWriteTransaction(transaction, this.adapter, context, this.#pending);
        const result = await this.#enclose(() => work(tx));
        await transaction.commit();
        return result;
      }),
    );
  }

  /**
   * When it is known what became of a change of one of these, by UUID or name; undefined where that is known of
   * all. They are listed only where anything is pending, which is hardly ever.
   */
  findPending(listSubjects: () => Iterable<string>): Promise<void> | undefined {
    if (this.#pending.isEmpty) return undefined;
    for (const subject of listSubjects()) {
      const settled = this.#pending.find(subject);
      if (settled) return settled;
    }
    return undefined;
  }

  /**
   * How many servers this was in touch with; one that was started anew is another one. What was read
   * before there was one more may be of transactions that were lost with the one before.
   */
  get serversMet(): number {
    return this.#servers.size;
  }

  /**
   * Whether another process has written since this was asked last, where nobody should.
   *
   * @throws DatabaseUnavailable the file is not the one any more that was opened
   */
  async wasOvertaken(): Promise<boolean> {
    try {
      this.adapter.checkPlace?.();
      return (await this.adapter.wasOvertaken?.()) ?? false;
    } catch (error) {
      this.#availability?.failed("read", error, 0);
      throw error;
    }
  }

  /** Waits for the transactions under way, then closes the connections. */
  async close(): Promise<void> {
    this.#availability?.stop();
    await Promise.all([this.#readers.close(), this.#writers.close()]);
  }

  #read<Result>(
    access: "read" | "read once",
    context: DatabaseContext,
    work: (tx: ReadTransaction) => Promise<Result>,
  ): Promise<Result> {
    return this.#repeatOnConflict("read", context, () =>
      this.#readers.run(access, async (transaction) => {
        const tx = { query: transaction.query, adapter: this.adapter, context };
        const result = await this.#enclose(() => work(tx));
        await transaction.commit();
        return result;
      }),
    );
  }

  async #write<Result>(
    context: DatabaseContext,
    work: (tx: WriteTransaction) => Result | Promise<Result>,
    onUnanswered: () => void,
  ): Promise<Result> {
    const { result, unanswered } = await this.#writers.run("write", async (transaction) => {
      this.#writesBegun += 1;
      const tx = new OpenWriteTransaction(transaction, this.adapter, context, this.#pending);
      const written = await this.#enclose(() => work(tx));
      const mark = await insertChanges(tx, tx.recorded);
      const lost = await this.#commit(transaction, tx, mark);
      // The session is still held: no other transaction of this process writes meanwhile.
      if (!lost) tx.runCallbacks(mark);
      return { result: written, unanswered: lost };
    });
    if (unanswered) {
      onUnanswered();
      await this.#settle(unanswered);
    }
    return result;
  }

  /** @returns what is to be found out when the commit was not answered */
  async #commit(
    transaction: SessionTransaction,
    tx: OpenWriteTransaction,
    mark: CommitMark | undefined,
  ): Promise<UnansweredCommit | undefined> {
    try {
      await transaction.commit();
      return undefined;
    } catch (error) {
      if (!(error instanceof CommitOutcomeUnknown)) throw error;
      // What tells nobody of a change finds what it has done when it is begun anew.
      if (!mark) throw new ConnectionLost(error.message, { cause: error });
      const close = this.#pending.add(tx.touched);
      return { tx, mark, error, close, writesBegun: this.#writesBegun };
    }
  }

  /**
   * Finds out what became of a commit that was not answered. Its session is of no use any more, and its turn
   * to write is over: those who write something else do not wait for this.
   *
   * @throws ConnectionLost it was not committed
   */
  async #settle({ tx, mark, error, close, writesBegun }: UnansweredCommit): Promise<void> {
    try {
      if (!(await this.#wasCommitted(mark))) {
        throw new ConnectionLost(error.message, { cause: error });
      }
      // Others may know the database as it was before: then the feed tells all of them.
      if (writesBegun === this.#writesBegun) tx.runCallbacks(mark);
    } finally {
      close();
    }
  }

  /** Asks on another session, as the one that writes is of no use any more. */
  #wasCommitted(mark: CommitMark): Promise<boolean> {
    return repeating(OUTCOME, () => this.#aside((query) => wasCommitted(query, mark)), {
      deadlineMs: currentDeadlineMs(),
      // To write again what may be there already is no way out.
      asFinal: (error) => new CommitOutcomeUnknown(error.message, { cause: error }),
    });
  }

  /**
   * Makes sure that changes that were not seen never come to light unnoticed.
   *
   * @returns whether it is so; if not, it may be another time
   */
  async closeGaps(gaps: FeedGaps): Promise<boolean> {
    try {
      await this.#aside((query) => closeGaps(query, this.adapter, gaps));
      return true;
    } catch (error) {
      if (isPassing(error)) return false;
      throw error;
    }
  }

  /** A transaction that writes and does not wait for its turn to do so. */
  #aside<Result>(work: (query: Kysely<Schema>) => Promise<Result>): Promise<Result> {
    return this.#readers.run("write", async (transaction) => {
      const result = await work(transaction.query);
      await transaction.commit();
      return result;
    });
  }

  #beWatched(): void {
    const { metrics } = this;
    metrics.watch("stowage_database_up", {}, () => Number(!this.#availability?.isAway("read")));
    metrics.watch("stowage_database_writable", {}, () =>
      Number(!this.#availability?.isAway("write")),
    );
    for (const state of ["idle", "busy", "waiting"] as const) {
      metrics.watch("stowage_database_connections", { state }, () => {
        const pools = new Set([this.#readers.sessions, this.#writers.sessions]);
        return pools.values().reduce((sum, { usage }) => sum + usage[state], 0);
      });
    }
  }

  /** Runs a transaction, again and again if need be, and takes note of what becomes of it. */
  async #repeatOnConflict<Result>(
    access: Access,
    context: DatabaseContext,
    attempt: () => Promise<Result>,
  ): Promise<Result> {
    this.#checkIsOutermost();
    const startedAtMs = performance.now();
    try {
      this.adapter.checkPlace?.();
      const result = await withDeadline(context.deadlineMs, () =>
        repeating(TRANSACTION, attempt, {
          ...(context.deadlineMs !== undefined && { deadlineMs: context.deadlineMs }),
          beforeNext: () => this.#count("retries", context),
          // Whoever only reads has changed nothing that somebody else could have been first at.
          asFinal: (error, isTooLate) => asFinal(error, isTooLate || access === "read"),
        }),
      );
      this.#availability?.succeeded(access);
      this.#observe(access, "done", startedAtMs, context);
      return result;
    } catch (error) {
      if (error instanceof OutcomePending) throw error;
      if (access === "write") this.#count("rollbacks", context);
      this.#availability?.failed(access, error, performance.now() - startedAtMs);
      this.#observe(access, "failed", startedAtMs, context);
      throw error;
    }
  }

  #observe(
    kind: Access,
    outcome: "done" | "failed",
    startedAtMs: number,
    { effort }: DatabaseContext,
  ): void {
    const labels = { kind, outcome };
    const tookMs = performance.now() - startedAtMs;
    if (effort) effort[kind === "read" ? "databaseMs" : "writingMs"] += tookMs;
    const seconds = tookMs / 1000;
    this.metrics.increment("stowage_database_transactions_total", labels);
    this.metrics.observe("stowage_database_transaction_duration_seconds", labels, seconds);
  }

  /** Notes that a transaction is begun again by whoever asked for it, as it relied on old data. */
  countRetry(context: DatabaseContext): void {
    this.#count("retries", context);
  }

  #count(what: "retries" | "rollbacks", { effort }: DatabaseContext): void {
    this.metrics.increment(COUNTED[what], {});
    if (effort) effort[what] += 1;
  }

  /** Does what requests of a kind do, in vain. */
  #probe(access: Access): Promise<unknown> {
    const context = { ...PROBE, deadlineMs: performance.now() + PROBE_TIMEOUT_MS };
    return access === "read"
      ? this.reader(context, findAnyChangeId)
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

  async #enclose<Result>(work: () => Result | Promise<Result>): Promise<Result> {
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
function asFinal(error: TransactionConflict | DuplicateEntry, isBusy: boolean): Error {
  if (error instanceof ConnectionLost) {
    return new DatabaseUnavailable(error.message, { cause: error });
  }
  return isBusy ? new DatabaseBusy(error.message, { cause: error }) : error;
}

interface UnansweredCommit {
  readonly tx: OpenWriteTransaction;
  readonly mark: CommitMark;
  readonly error: CommitOutcomeUnknown;
  /** To be called when the outcome is known. */
  readonly close: () => void;
  /** How many transactions had begun to write by then, this one among them. */
  readonly writesBegun: number;
}

class OpenWriteTransaction implements WriteTransaction {
  readonly query: Kysely<Schema>;
  readonly adapter: DatabaseAdapter;
  readonly context: DatabaseContext;
  readonly now = new Date();
  readonly recorded: RecordedChange[] = [];
  readonly #callbacks: ((mark: CommitMark | undefined) => void)[] = [];
  readonly touched = new Set<string>();
  readonly #transaction: SessionTransaction;
  readonly #pending: PendingOutcomes;

  constructor(
    transaction: SessionTransaction,
    adapter: DatabaseAdapter,
    context: DatabaseContext,
    pending: PendingOutcomes,
  ) {
    this.#pending = pending;
    this.query = transaction.query;
    this.adapter = adapter;
    this.context = context;
    this.#transaction = transaction;
  }

  defer(statement: DeferredStatement): void {
    this.#transaction.defer(statement);
  }

  sendMuch(): Promise<void> {
    return this.#transaction.sendMuch();
  }

  readonly expectSettled = (subject: string): void => this.#pending.check(subject);

  touch(subject: string): void {
    this.#pending.check(subject);
    this.touched.add(subject);
  }

  recordChange(change: Change, by = this.context): void {
    this.touch(change.subject);
    this.recorded.push({ change, by });
  }

  afterCommit(callback: (mark: CommitMark | undefined) => void): void {
    this.#callbacks.push(callback);
  }

  runCallbacks(mark: CommitMark | undefined): void {
    for (const callback of this.#callbacks) callback(mark);
  }
}
