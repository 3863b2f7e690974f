import { isDeepStrictEqual } from "node:util";

import type { FeedEntry } from "../db/change-feed.ts";
import { internalContext, type DatabaseContext } from "../db/change.ts";
import type { FeedGaps } from "../db/changes.ts";
import type { Database } from "../db/database.ts";
import { MissingTable, SchemaMismatch } from "../db/errors.ts";
import { inTime } from "../db/in-time.ts";
import { adopt } from "../db/migrations/migrate.ts";
import { ensureStandardNames } from "../db/standard-names.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import { DatabaseUnavailable } from "../domain/errors.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { FeedReader, readPositionAlone } from "./feed-reader.ts";
import { OwnChanges } from "./own-changes.ts";
import { lacksStandardNames, readAll, readEffects, type ReadAll } from "./read-records.ts";
import { SharedQuestion } from "./shared-question.ts";

/** So many providers in use, and as many others, are compared each minute. */
const SAMPLES = 100;

/** Following the feed belongs to no request: one query serves all that wait. */
const FOLLOW = internalContext("feed");

/**
 * Keeps the read model true to the database.
 *
 * What this process writes is put into the read model right after its commit. What others write is
 * learnt from the change feed, which is asked before each answer where others can write at all.
 */
export class IndexKeeper {
  readonly #database: Database;
  readonly #reports: KeeperReports;
  #index = new ProviderIndex();
  #reader = FeedReader.ofNothing();
  #builds = 0;
  /** No two run at once: the older one could put back what the newer one has brought up to date. */
  readonly #question = new SharedQuestion(() => this.#catchUp());
  #defect: Error | undefined;
  #isStopped = false;
  /** How many servers had been met when the read model was built. */
  #serversMet = 0;
  readonly #own = new OwnChanges();
  /** Providers to be read again, by id. */
  #doubted = new Set<number>();
  /** How often the feed has told anything. */
  #news = 0;
  #consumerSpellings: ReadonlyMap<string, string> = new Map();
  /** Whether a program has written that is not to. */
  #isOvertaken = false;
  #hasUnknownWriter = false;
  /** Providers among the doubted which there was no cause to doubt. */
  #samples: ReadonlySet<number> = new Set();
  /** After a breach, what caused it may still have gone on when everything was read. */
  #isToBeReadAgain = false;
  #hasToBuild = false;
  /** Whether gaps were closed since the feed told of anything but that. */
  #hasTold = false;

  constructor(database: Database, reports: KeeperReports = {}) {
    this.#database = database;
    this.#reports = reports;
    this.#beWatched();
  }

  /** How often the read model was built: what was learnt before may be of another database. */
  get builds(): number {
    return this.#builds;
  }

  /** The read model as far as it is known here, for use inside a transaction that has to wait. */
  get current(): ProviderIndex {
    return this.#index;
  }

  /** A consumer as it is stored, if that was in another spelling when the read model was built. */
  storedConsumer(uuid: string): string {
    return this.#consumerSpellings.get(uuid) ?? uuid;
  }

  /** Builds the read model from the tables; before that, the service must not be used. */
  async build(reason: BuildReason = "start"): Promise<void> {
    const database = this.#database;
    const startedAtMs = performance.now();
    this.#takeOver(await database.reader(FOLLOW, (tx) => readAll(tx, database.serversMet)));
    this.#countBuild(reason, startedAtMs);
  }

  #countBuild(reason: BuildReason, startedAtMs: number): void {
    const { metrics } = this.#database;
    const seconds = (performance.now() - startedAtMs) / 1000;
    metrics.increment("stowage_index_builds_total", { reason });
    metrics.observe("stowage_index_build_duration_seconds", { reason }, seconds);
  }

  #beWatched(): void {
    const { metrics, adapter } = this.#database;
    metrics.watch("stowage_index_providers", {}, () => this.#index.size);
    metrics.watch("stowage_index_trees", {}, () => this.#index.trees.size);
    metrics.watch("stowage_index_views_open", {}, () => this.#index.viewsOpen);
    metrics.watch("stowage_index_retired_bytes", {}, () => this.#index.retiredBytes);
    metrics.watch("stowage_feed_unknown_writer", {}, () => Number(this.#hasUnknownWriter));
    if (!adapter.isShared) return;
    metrics.watch("stowage_feed_floor", {}, () => this.#reader.floor);
    metrics.watch("stowage_feed_open_entries", {}, () => this.#reader.openEntries);
  }

  #takeOver({ index, consumerSpellings, serversMet, reader }: ReadAll): void {
    // What is still being written knows the read model of before: the feed will tell of it.
    this.#news += 1;
    this.#own.clear();
    this.#index = index;
    this.#consumerSpellings = consumerSpellings;
    this.#serversMet = serversMet;
    this.#reader = reader;
    this.#builds += 1;
    this.#hasToBuild = false;
  }

  /**
   * The read model with every change that was committed before the call.
   *
   * @throws DatabaseUnavailable when that is not known by the deadline
   */
  async fresh({
    deadlineMs = Infinity,
    effort,
  }: Pick<DatabaseContext, "deadlineMs" | "effort">): Promise<ProviderIndex> {
    const { adapter } = this.#database;
    if (!adapter.isShared && (await this.#database.wasOvertaken())) this.#isOvertaken = true;
    if (adapter.isShared || this.#doubted.size > 0 || this.#isOvertaken) {
      const startedAtMs = performance.now();
      await inTime(this.#question.answered(), deadlineMs);
      const waitedMs = performance.now() - startedAtMs;
      if (effort) effort.freshnessMs += waitedMs;
      this.#database.metrics.observe("stowage_feed_wait_seconds", {}, waitedMs / 1000);
    }
    return this.#index;
  }

  /**
   * How far the feed tells of what is committed, as a text: what is read afterwards has all of it.
   *
   * @throws DatabaseUnavailable when that is not known by the deadline
   */
  async position(context: DatabaseContext): Promise<string> {
    if (!this.#database.adapter.isShared) return this.#database.reader(context, readPositionAlone);
    await this.fresh(context);
    return this.#reader.writePosition();
  }

  /**
   * After a write by a program that is not to write at all: while it is read, nothing is written here, as
   * there is no feed to tell of it.
   */
  async #buildAlone(): Promise<void> {
    const startedAtMs = performance.now();
    await this.#database.writer(FOLLOW, async (tx) => {
      this.#isOvertaken = false;
      const all = await readAll(tx, this.#database.serversMet);
      tx.afterCommit(() => this.#takeOver(all));
    });
    this.#countBuild("overtaken", startedAtMs);
    this.#reportUnknownWriter();
  }

  /**
   * To be called every minute: looks for what the feed does not tell of, because a table was emptied at
   * once, or a backup is being restored table by table. What some providers have is compared.
   */
  async check(context: DatabaseContext): Promise<void> {
    if (!this.#database.adapter.isShared) return;
    if (this.#isToBeReadAgain) {
      this.#isToBeReadAgain = false;
      this.#hasToBuild = true;
    }
    this.#samples = new Set(this.#index.nextToCheck(SAMPLES));
    this.doubt(this.#samples);
    await this.fresh(context);
    this.#samples = new Set();
    if (this.#hasTold) return;
    // So that nothing is taken for lost, when it is collected, that only waits behind a gap.
    const gaps = this.#reader.takeGaps(1);
    if (gaps) this.#hasTold = true;
    this.#closeGaps(gaps);
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Has providers read again, as they may have changed without a word in the feed. */
  doubt(ids: Iterable<number>): void {
    for (const id of ids) this.#doubted.add(id);
  }

  /** Reads what a transaction has changed, and puts it into the read model after the commit. */
  async followAfterCommit(tx: WriteTransaction): Promise<void> {
    const apply = this.beginToFollow(tx);
    const effects = await readEffects(
      tx,
      tx.recorded.map(({ change }) => change),
      this.#index,
    );
    apply(effects);
  }

  /**
   * To be called when a transaction begins to rely on what the read model knows. What is given to the
   * result is put into the read model after the commit, unless the feed has told anything meanwhile:
   * then what the transaction knew of providers may be older than what the read model knows by now,
   * and the feed will tell of the transaction, too.
   */
  beginToFollow(tx: WriteTransaction): (apply: (index: ProviderIndex) => void) => void {
    const news = this.#news;
    return (apply) => {
      tx.afterCommit((mark) => {
        if (mark) this.#reader.noteWritten(mark);
        this.#reports.onNews?.();
        if (this.#news !== news) return;
        apply(this.#index);
        if (this.#database.adapter.isShared) this.#own.add(tx.recorded);
      });
    };
  }

  /** Whether the database may have lost what the read model knows. */
  get #isOfLostServer(): boolean {
    return this.#database.serversMet > this.#serversMet;
  }

  async #catchUp(): Promise<void> {
    if (this.#isStopped) throw new DatabaseUnavailable("the service is being stopped");
    if (this.#isOvertaken) return this.#buildAlone();
    const breach = await this.#follow().catch((error: unknown) => this.#adoptAnew(error));
    if (breach !== undefined) await this.#beginAnew(breach);
  }

  /** @returns why the feed cannot be followed any more */
  async #follow(): Promise<string | undefined> {
    const startedAtMs = performance.now();
    if (this.#isOfLostServer || this.#hasToBuild) {
      await this.build(this.#isOfLostServer ? "server" : "breach");
      return undefined;
    }
    const reader = this.#reader;
    this.#own.beginToLook();
    const hasNothingToRead = this.#doubted.size === 0 && (await this.#hasNothingToRead(reader));
    const news = hasNothingToRead ? { isTold: true } : await this.#readNews(reader);
    if (news.breach !== undefined) return news.breach;
    // It may have been another server that was asked.
    if (!news.isTold || this.#isOfLostServer) {
      await this.build(news.isTold ? "server" : "told");
      return undefined;
    }
    this.#closeGaps(reader.settle(startedAtMs));
    return undefined;
  }

  /**
   * A database that was dropped may have been made anew by a release that makes fewer tables.
   *
   * @throws DatabaseUnavailable it is not ready
   */
  async #adoptAnew(error: unknown): Promise<string> {
    if (!(error instanceof MissingTable)) throw error;
    try {
      await adopt(this.#database);
    } catch (failure) {
      if (!(failure instanceof SchemaMismatch || failure instanceof MissingTable)) throw failure;
      throw new DatabaseUnavailable(failure.message, { cause: failure });
    }
    return "was gone";
  }

  /** Nothing that was known is of use. */
  async #beginAnew(breach: string): Promise<void> {
    await this.build("breach");
    if (lacksStandardNames(this.#index)) {
      await this.#database.writer(FOLLOW, ensureStandardNames);
      await this.build("breach");
    }
    this.#isToBeReadAgain = true;
    this.#reports.onBreach?.(breach);
  }

  #hasNothingToRead(reader: FeedReader): Promise<boolean> {
    const { newest } = reader;
    const takeAll = (entries: readonly FeedEntry[]) => this.#own.takeAll(entries);
    return this.#database.readOnce(FOLLOW, (tx) => reader.hasNothingNew(tx, newest, takeAll));
  }

  #readNews(reader: FeedReader): Promise<News> {
    const { newest } = reader;
    const doubted = this.#doubted;
    this.#doubted = new Set();
    // What is committed here from now on may or may not be part of what will be read.
    const before = new Map([...this.#samples].map((id) => [id, this.#index.getById(id)]));
    return this.#database
      .reader(FOLLOW, async (tx): Promise<News> => {
        const news = await reader.read(tx, newest);
        if (news.breach !== undefined) return { isTold: false, breach: news.breach };
        const unseen = news.entries;
        if (unseen.some(({ kind }) => kind === "everything")) return { isTold: false };
        const fresh = unseen.filter((entry) => !this.#own.take(entry));
        const told = new Set(fresh.map(({ providerId }) => providerId));
        const untold = [...doubted.difference(told)].map(
          (providerId) => ({ kind: "provider", providerId }) as const,
        );
        if (fresh.length + untold.length === 0) {
          news.remember();
          return { isTold: true };
        }
        const apply = await readEffects(tx, [...fresh, ...untold], this.#index);
        const generations = untold.map(({ providerId }) => this.#generationOf(providerId));
        const isSame = (id: number) => isDeepStrictEqual(before.get(id), this.#index.getById(id));
        // What was changed here meanwhile is no sample.
        const samples = untold
          .map(({ providerId }) => providerId)
          .filter((id) => before.has(id) && isSame(id));
        apply(this.#index);
        if (!samples.every(isSame))
          return { isTold: false, breach: "does not tell of all changes" };
        if (fresh.some(({ settled }) => settled === undefined)) this.#hasTold = false;
        this.#reports.onNews?.();
        this.#own.forgetAdded();
        news.remember();
        this.#news += 1;
        // What this process has committed meanwhile may be newer than what was read, and is told later.
        const isAhead = untold.some(({ providerId }, i) => {
          const [known, found] = [generations[i], this.#generationOf(providerId)];
          return known !== undefined && (found === undefined || found > known);
        });
        if (isAhead) this.#reportUnknownWriter();
        return { isTold: true };
      })
      .catch((error: unknown) => {
        this.doubt(doubted);
        throw error;
      });
  }

  /**
   * Nobody waits for it: that it is done is learnt from the feed. A failure that is a defect fails the
   * next answer.
   */
  #closeGaps(gaps: FeedGaps | undefined): void {
    if (this.#defect) throw this.#defect;
    if (!gaps) return;
    this.#database.closeGaps(gaps).catch((error: unknown) => {
      this.#defect = error instanceof Error ? error : new Error(String(error));
    });
  }

  #generationOf(providerId: number): number | undefined {
    return this.#index.getById(providerId)?.generation;
  }

  #reportUnknownWriter(): void {
    if (!this.#hasUnknownWriter) this.#reports.onUnknownWriter?.();
    this.#hasUnknownWriter = true;
  }
}

/** Why everything was read; the table of metrics says what each means. */
type BuildReason = "start" | "told" | "server" | "breach" | "overtaken";

/** What a keeper tells of what it meets. */
export interface KeeperReports {
  /** Once, when a program writes that does not write to the feed. */
  readonly onUnknownWriter?: () => void;
  /** That everything was read anew because the feed does not go with what was read: what it has. */
  readonly onBreach?: (breach: string) => void;
  /** Something was committed. */
  readonly onNews?: () => void;
}

/** Whether the feed tells what has changed; if not, perhaps because it cannot be followed any more. */
interface News {
  readonly isTold: boolean;
  readonly breach?: string;
}
