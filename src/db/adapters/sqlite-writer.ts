import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import { isCommit, LocalSqliteSession } from "./sqlite-session.ts";
import type { SqliteOptions } from "./sqlite-session.ts";
import { SqliteThread } from "./sqlite-thread.ts";

/** When a transaction is run in this thread. */
export interface SqliteWriterLimits {
  /** A transaction that takes the database less is quick. */
  readonly quickMs: number;
  /** So many have to be quick, one after the other, for each millisecond that the last slow one took. */
  readonly quickOnesPerMs: number;
  /** So many times at most the statements of a transaction are run. */
  readonly runs: number;
  /** So many transactions are run here, and then one in the other thread, which looks after the log. */
  readonly turn: number;
}

const LIMITS: SqliteWriterLimits = { quickMs: 1, quickOnesPerMs: 10, runs: 24, turn: 256 };

/**
 * The session that writes. A transaction is run in a thread of its own, so that nobody but who asked
 * waits while a commit reaches the disk. Where the disk has been quick of late, a short one that comes as
 * a whole is run in this thread: it takes less time than to wake the other one and to be woken by it.
 * docs/decisions/0011-short-transactions-here.md has figures.
 */
export class SqliteWriter implements Session {
  readonly isBroken = false;
  readonly runsInTurn = true;
  readonly #limits: SqliteWriterLimits;
  readonly #here: LocalSqliteSession;
  readonly #options: SqliteOptions;
  /** Started when it is first needed: it takes some 80 ms, and many a command writes nothing. */
  #startedThread: SqliteThread | undefined;
  /** So many have yet to be quick. */
  #toProve: number;
  #leftOfTurn: number;

  #commitsHere = 0;
  #seen: Seen | undefined;
  #isOvertaken = false;
  /** So many series that end with a commit are with the other thread; this is the last of them. */
  #commitsUnderWay = 0;
  #lastCommit: Promise<unknown> | undefined;

  /** Throws what SQLite throws when the database cannot be opened. */
  constructor(options: SqliteOptions, limits = LIMITS) {
    this.#limits = limits;
    this.#toProve = limits.quickOnesPerMs;
    this.#leftOfTurn = limits.turn;
    this.#here = new LocalSqliteSession({ ...options, busyTimeoutMs: 0, checkpointAfterPages: 0 });
    this.#options = options;
  }

  get #thread(): SqliteThread {
    return (this.#startedThread ??= new SqliteThread(this.#options));
  }

  /** Lets readers and writers not wait for each other. A database for which that is so needs no thread. */
  async writeAhead(): Promise<void> {
    if (!this.#isWritingAhead()) await this.run("pragma journal_mode = wal", []);
  }

  /**
   * Whether another process has written since this was asked last. A connection tells whether any other one
   * has, so the two here vouch for each other: what neither has done, somebody else has. One that writes at the
   * same time as both of them is noticed when the other thread writes again.
   */
  async wasOvertaken(): Promise<boolean> {
    let here = this.#here.dataVersion();
    while (this.#commitsUnderWay > 0 && here !== this.#seen?.here) {
      await this.#lastCommit;
      here = this.#here.dataVersion();
    }
    if (this.#seen && here !== this.#seen.here) this.#isOvertaken = true;
    this.#seen = { commitsHere: this.#commitsHere, ...this.#seen, here };
    const wasOvertaken = this.#isOvertaken;
    this.#isOvertaken = false;
    return wasOvertaken;
  }

  run(text: string, parameters: readonly unknown[]): Promise<SessionResult> {
    return this.#thread.run(text, parameters);
  }

  runSeries(statements: readonly Statement[]): SeriesOutcome | Promise<SeriesOutcome> {
    if (!this.#isShortTransaction(statements)) return this.#runInThread(statements);
    if (this.#toProve > 0) return this.#prove(statements);
    if (this.#leftOfTurn > 0) {
      this.#leftOfTurn -= 1;
      const outcome = this.#runHere(statements);
      if (outcome) return outcome;
    }
    this.#leftOfTurn = this.#limits.turn;
    return this.#runInThread(statements);
  }

  iterate(text: string, parameters: readonly unknown[]): AsyncIterable<unknown> {
    return this.#thread.iterate(text, parameters);
  }

  async close(): Promise<void> {
    this.#here.close();
    await this.#startedThread?.close();
  }

  /** Not as far as can be told where another process has the lock: the other thread waits for it. */
  #isWritingAhead(): boolean {
    const [mode] = this.#here.runSeries([
      { text: "pragma journal_mode", parameterSets: [[]] },
    ]).results;
    return (mode?.rows[0] as { journal_mode?: unknown } | undefined)?.journal_mode === "wal";
  }

  #runInThread(statements: readonly Statement[]): Promise<SeriesOutcome> {
    if (!isCommit(statements)) return this.#thread.runSeries(statements);
    const commit = this.#commitInThread(statements);
    this.#lastCommit = commit;
    return commit;
  }

  async #commitInThread(statements: readonly Statement[]): Promise<SeriesOutcome> {
    this.#commitsUnderWay += 1;
    const outcome = await this.#thread.runSeries(statements);
    this.#commitsUnderWay -= 1;
    const thread = this.#thread.lastDataVersion;
    const before = this.#seen;
    const isNews = before?.thread !== undefined && thread !== before.thread;
    if (isNews && this.#commitsHere === before.commitsHere) this.#isOvertaken = true;
    this.#seen = { here: this.#here.dataVersion(), thread, commitsHere: this.#commitsHere };
    return outcome;
  }

  async #prove(statements: readonly Statement[]): Promise<SeriesOutcome> {
    const outcome = await this.#runInThread(statements);
    this.#note(this.#thread.lastTookMs);
    return outcome;
  }

  /** Returns nothing where another process has the lock, and nothing was done: here is no place to wait. */
  #runHere(statements: readonly Statement[]): SeriesOutcome | undefined {
    const startedAtMs = performance.now();
    const outcome = this.#here.runSeries(statements);
    this.#commitsHere += 1;
    if (outcome.failure) this.#here.run("rollback", []);
    this.#note(performance.now() - startedAtMs);
    return outcome.results.length === 0 ? undefined : outcome;
  }

  #note(tookMs: number): void {
    const { quickMs, quickOnesPerMs } = this.#limits;
    if (tookMs < quickMs) this.#toProve = Math.max(0, this.#toProve - 1);
    else this.#toProve = Math.ceil(tookMs * quickOnesPerMs);
  }

  #isShortTransaction(statements: readonly Statement[]): boolean {
    const runs = statements.reduce((sum, { parameterSets }) => sum + parameterSets.length, 0);
    return (
      runs <= this.#limits.runs && statements[0]?.text === "begin immediate" && isCommit(statements)
    );
  }
}

/** What the two connections knew of others. */
interface Seen {
  /** Of that in this thread, when it was looked at last. */
  readonly here: number;
  /** Of the other one when it committed last, and how often this one had until then. */
  readonly thread?: number | undefined;
  readonly commitsHere: number;
}
