import { isDeepStrictEqual } from "node:util";

import {
  findNewestChange,
  findSettledChangeId,
  listChangesAfter,
  lookAtFeed,
  readFeed,
  summarizeChangesAfter,
  type FeedEntry,
  type FeedLook,
} from "../db/change-feed.ts";
import type { FeedGaps } from "../db/changes.ts";
import { listConsumerSpellings } from "../db/consumers.ts";
import type { Database } from "../db/database.ts";
import { DatabaseUnavailable } from "../domain/errors.ts";
import { MissingTable, SchemaMismatch } from "../db/errors.ts";
import { readFeedState, type FeedState } from "../db/feed-state.ts";
import { inTime } from "../db/in-time.ts";
import { adopt } from "../db/migrations/migrate.ts";
import { listNames } from "../db/names.ts";
import { listProviderIds, loadProviderRecords } from "../db/provider-records.ts";
import { ensureStandardNames } from "../db/standard-names.ts";
import {
  internalContext,
  type Change,
  type DatabaseContext,
  type CommitMark,
} from "../db/change.ts";
import type { ReadTransaction, WriteTransaction } from "../db/transaction.ts";
import type { NamedRecord, ProviderRecord } from "../domain/provider-record.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../standard/standard-names.ts";
import { FeedContinuity, type FeedMark } from "./feed-continuity.ts";
import { FeedPosition } from "./feed-position.ts";
import { OwnChanges } from "./own-changes.ts";
import { SharedQuestion } from "./shared-question.ts";
import { markNewest, writePosition } from "./written-position.ts";

/** So many providers are read at once while the read model is built. */
const BUILD_CHUNK = 1000;

/** Up to so many entries of the feed are listed without counting them first. */
const LISTED_AT_ONCE = 100;

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
  #reading = beginReading(0, NO_FEED);
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
    metrics.watch("stowage_feed_floor", {}, () => this.#reading.position.floor);
    metrics.watch("stowage_feed_open_entries", {}, () => this.#reading.position.count);
  }

  #takeOver({ index, consumerSpellings, serversMet, reading }: ReadAll): void {
    // What is still being written knows the read model of before: the feed will tell of it.
    this.#news += 1;
    this.#own.clear();
    this.#index = index;
    this.#consumerSpellings = consumerSpellings;
    this.#serversMet = serversMet;
    this.#reading = reading;
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
    const { position, continuity } = this.#reading;
    return writePosition({
      epoch: continuity.epoch,
      floor: position.floor,
      seen: position.seen,
      newest: continuity.newest && markNewest(continuity.newest),
    });
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
    const gaps = this.#reading.position.takeGaps(1);
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
        if (mark) this.#reading.continuity.remember(toFeedMark(mark));
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
    const reading = this.#reading;
    this.#own.beginToLook();
    const hasNothingToRead = this.#doubted.size === 0 && (await this.#hasNothingToRead(reading));
    const news = hasNothingToRead ? { isTold: true } : await this.#readNews(reading);
    if (news.breach !== undefined) return news.breach;
    // It may have been another server that was asked.
    if (!news.isTold || this.#isOfLostServer) {
      await this.build(news.isTold ? "server" : "told");
      return undefined;
    }
    reading.position.settle(startedAtMs);
    this.#closeGaps(reading.position.takeGaps());
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

  /** One statement, so that asking costs little when there is nothing new, which is mostly so. */
  #hasNothingToRead({ position, continuity }: FeedReading): Promise<boolean> {
    const { newest } = continuity;
    return this.#database.readOnce(FOLLOW, async (tx) => {
      if (position.count > LISTED_AT_ONCE) {
        const seen = await summarizeChangesAfter(tx, position.floor, newest?.id ?? 0);
        if (continuity.findBreach(seen, newest) !== undefined) return false;
        const isUpToDate = seen.count === position.count && seen.lastId === position.lastId;
        if (isUpToDate) continuity.accept(seen.state);
        return isUpToDate;
      }
      const look = await lookAtFeed(tx, firstIdFor(position, newest));
      if (!look.isComplete || findBreach(continuity, look, newest) !== undefined) return false;
      const unseen = look.entries.filter(({ id }) => !position.has(id));
      if (!this.#own.takeAll(unseen)) return false;
      remember({ position, continuity }, unseen, look.state);
      return true;
    });
  }

  #readNews(reading: FeedReading): Promise<News> {
    const { position, continuity } = reading;
    const { newest } = continuity;
    const doubted = this.#doubted;
    this.#doubted = new Set();
    // What is committed here from now on may or may not be part of what will be read.
    const before = new Map([...this.#samples].map((id) => [id, this.#index.getById(id)]));
    return this.#database
      .reader(FOLLOW, async (tx): Promise<News> => {
        const look = await readFeed(tx, firstIdFor(position, newest));
        const breach = findBreach(continuity, look, newest);
        if (breach !== undefined) return { isTold: false, breach };
        const unseen = look.entries.filter(({ id }) => !position.has(id));
        if (unseen.some(({ kind }) => kind === "everything")) return { isTold: false };
        const fresh = unseen.filter((entry) => !this.#own.take(entry));
        const told = new Set(fresh.map(({ providerId }) => providerId));
        const untold = [...doubted.difference(told)].map(
          (providerId) => ({ kind: "provider", providerId }) as const,
        );
        if (fresh.length + untold.length === 0) {
          remember(reading, unseen, look.state);
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
        this.#own.forgetAdded();
        remember(reading, unseen, look.state);
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
}

/** Where one process writes, ids become visible in their order. */
async function readPositionAlone(tx: ReadTransaction): Promise<string> {
  const { epoch } = await readFeedState(tx);
  const newest = await findNewestChange(tx);
  return writePosition({
    epoch,
    floor: newest?.id ?? 0,
    seen: new Set(),
    newest: newest && markNewest(newest),
  });
}

/** How far the feed was read, and of which feed that was. */
interface FeedReading {
  readonly position: FeedPosition;
  readonly continuity: FeedContinuity;
}

/** Whether the feed tells what has changed; if not, perhaps because it cannot be followed any more. */
interface News {
  readonly isTold: boolean;
  readonly breach?: string;
}

const NO_FEED: FeedState = { epoch: undefined, collectedUpTo: 0, collections: 0 };

function beginReading(floor: number, state: FeedState): FeedReading {
  const position = new FeedPosition(floor);
  return { position, continuity: new FeedContinuity(position, state) };
}

function remember(
  { position, continuity }: FeedReading,
  entries: readonly FeedEntry[],
  state: FeedState,
): void {
  for (const entry of entries) {
    position.add(entry.id);
    if (entry.settled !== undefined) position.close(entry.settled);
    continuity.remember(entry);
  }
  continuity.accept(state);
}

/** From where the feed has to be looked at to tell whether it still is the same. */
function firstIdFor({ floor }: FeedPosition, newest: FeedMark | undefined): number {
  return Math.min(floor, newest?.id ?? Infinity);
}

/** @param look all of the feed from there */
function findBreach(
  continuity: FeedContinuity,
  { state, entries }: FeedLook,
  newest: FeedMark | undefined,
): string | undefined {
  const found = entries.find(({ id }) => id === newest?.id);
  return continuity.findBreach({ state, found, lastId: entries.at(-1)?.id ?? 0 }, newest);
}

function toFeedMark({ id, kind, subject, ...row }: CommitMark): FeedMark {
  const providerId = row.resource_provider_id ?? null;
  return { id, kind, subject, providerId, requestId: row.request_id };
}

/**
 * Reads again what changes are about. The result puts all of it into a read model at once, so that
 * nobody sees half of a change.
 */
async function readEffects(
  tx: ReadTransaction,
  changes: readonly Pick<Change | FeedEntry, "kind" | "providerId">[],
  known: ProviderIndex,
): Promise<(index: ProviderIndex) => void> {
  const removed = new Set(changes.flatMap(({ providerId }) => providerId ?? []));
  const records: readonly ProviderRecord[] = await loadProviderRecords(tx, [...removed]);
  for (const { id } of records) removed.delete(id);
  const haveNamesChanged =
    changes.some(({ kind }) => NAME_KINDS.has(kind)) ||
    records.some((record) => !hasNamesOf(known, record));
  const names = haveNamesChanged ? await readNames(tx) : undefined;
  return (index) => {
    for (const id of removed) index.remove(id);
    for (const record of records) index.put(record);
    if (names) setNames(index, names);
  };
}

/** Whether all that a provider has is known by name: who makes names may not tell of it. */
function hasNamesOf(index: ProviderIndex, { inventories, traitIds }: ProviderRecord): boolean {
  return (
    inventories.every(({ resourceClassId }) => index.resourceClasses.has(resourceClassId)) &&
    traitIds.every((id) => index.traits.has(id))
  );
}

/** Changes of what the read model knows by name. */
const NAME_KINDS: ReadonlySet<string> = new Set([
  "resource_class",
  "resource_class_deleted",
  "trait",
  "trait_deleted",
]);

interface ReadAll {
  readonly index: ProviderIndex;
  readonly consumerSpellings: ReadonlyMap<string, string>;
  readonly serversMet: number;
  readonly reading: FeedReading;
}

/** @param serversMet before anything was read */
async function readAll(tx: ReadTransaction, serversMet: number): Promise<ReadAll> {
  const index = new ProviderIndex();
  setNames(index, await readNames(tx));
  const ids = await listProviderIds(tx);
  for (let start = 0; start < ids.length; start += BUILD_CHUNK) {
    const records = await loadProviderRecords(tx, ids.slice(start, start + BUILD_CHUNK));
    for (const record of records) index.put(record);
  }
  const consumerSpellings = await listConsumerSpellings(tx);
  return { index, consumerSpellings, serversMet, reading: await readAllOfFeed(tx) };
}

interface Names {
  readonly resourceClasses: readonly NamedRecord[];
  readonly traits: readonly NamedRecord[];
}

async function readNames(tx: ReadTransaction): Promise<Names> {
  return {
    resourceClasses: await listNames(tx, "resource_classes"),
    traits: await listNames(tx, "traits"),
  };
}

function setNames(index: ProviderIndex, { resourceClasses, traits }: Names): void {
  index.resourceClasses.replaceAll(resourceClasses);
  index.traits.replaceAll(traits);
}

/** A database that was made anew has none before a process starts on it. */
function lacksStandardNames({ resourceClasses, traits }: ProviderIndex): boolean {
  return (
    STANDARD_RESOURCE_CLASSES.some((name) => resourceClasses.idOf(name) === undefined) ||
    STANDARD_TRAITS.some((name) => traits.idOf(name) === undefined)
  );
}

async function readAllOfFeed(tx: ReadTransaction): Promise<FeedReading> {
  if (!tx.adapter.isShared) return beginReading(0, NO_FEED);
  const state = await readFeedState(tx);
  const reading = beginReading(await findSettledChangeId(tx), state);
  remember(reading, await listChangesAfter(tx, reading.position.floor), state);
  return reading;
}
