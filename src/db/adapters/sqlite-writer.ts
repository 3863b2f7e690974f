import type { SeriesOutcome, Session, SessionResult, Statement } from "./session.ts";
import { LocalSqliteSession } from "./sqlite-session.ts";
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
  #commitsOfThread = 0;
  #seen: Seen | undefined;

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
   * same time as both of them is noticed when it writes again.
   */
  async wasOvertaken(): Promise<boolean> {
    const before = this.#seen;
    const version = versionOf(this.#here.run(DATA_VERSION, []));
    if (version === before?.here) return false;
    const [byThread, byHere] = [this.#commitsOfThread, this.#commitsHere];
    if (before && byThread === before.byThread) {
      this.#seen = { ...before, here: version };
      return true;
    }
    const thread = versionOf(await this.#thread.run(DATA_VERSION, []));
    this.#seen = { here: versionOf(this.#here.run(DATA_VERSION, [])), thread, byThread, byHere };
    return before !== undefined && byHere === before.byHere && thread !== before.thread;
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
    if (statements.at(-1)?.text === "commit") this.#commitsOfThread += 1;
    return this.#thread.runSeries(statements);
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
      runs <= this.#limits.runs &&
      statements[0]?.text === "begin immediate" &&
      statements.at(-1)?.text === "commit"
    );
  }
}

const DATA_VERSION = "pragma data_version";

/** What was so when it was asked last whether others write. */
interface Seen {
  /** The versions that the two connections told. */
  readonly here: number;
  readonly thread: number;
  /** How often each had been told to commit. */
  readonly byThread: number;
  readonly byHere: number;
}

function versionOf({ rows }: SessionResult): number {
  return (rows as { readonly data_version: number }[])[0]?.data_version ?? 0;
}
