import {
  findSettledChangeId,
  listChangesAfter,
  listFirstChangesAfter,
  summarizeChangesAfter,
  type FeedEntry,
} from "../db/change-feed.ts";
import { listConsumerSpellings } from "../db/consumers.ts";
import type { Database } from "../db/database.ts";
import { DatabaseUnavailable } from "../db/errors.ts";
import { inTime } from "../db/in-time.ts";
import { listNames } from "../db/names.ts";
import { listProviderIds, loadProviderRecords } from "../db/provider-records.ts";
import type {
  Change,
  DatabaseContext,
  ReadTransaction,
  WriteTransaction,
} from "../db/transaction.ts";
import type { NamedRecord, ProviderRecord } from "../domain/provider-record.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { FeedPosition } from "./feed-position.ts";
import { OwnChanges } from "./own-changes.ts";
import { SharedQuestion } from "./shared-question.ts";

/** So many providers are read at once while the read model is built. */
const BUILD_CHUNK = 1000;

/** Up to so many entries of the feed are listed without counting them first. */
const LISTED_AT_ONCE = 100;

/** Following the feed belongs to no request: one query serves all that wait. */
const FOLLOW: DatabaseContext = { requestId: "feed", userId: undefined, projectId: undefined };

/**
 * Keeps the read model true to the database.
 *
 * What this process writes is put into the read model right after its commit. What others write is
 * learnt from the change feed, which is asked before each answer where others can write at all.
 */
export class IndexKeeper {
  readonly #database: Database;
  readonly #staleAfterMs: number;
  #index = new ProviderIndex();
  #position = new FeedPosition(0);
  #caughtUpAtMs = 0;
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
  #onUnknownWriter: (() => void) | undefined;
  #consumerSpellings: ReadonlyMap<string, string> = new Map();
  /** Whether a program has written that is not to. */
  #isOvertaken = false;

  /**
   * @param changeRetentionMs how long changes stay in the feed
   * @param onUnknownWriter is called once when a program writes that does not write to the feed
   */
  constructor(database: Database, changeRetentionMs: number, onUnknownWriter?: () => void) {
    this.#database = database;
    this.#onUnknownWriter = onUnknownWriter;
    this.#staleAfterMs = changeRetentionMs / 2;
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
  async build(): Promise<void> {
    const database = this.#database;
    this.#takeOver(await database.reader(FOLLOW, (tx) => readAll(tx, database.serversMet)));
  }

  #takeOver({ index, consumerSpellings, serversMet, position }: ReadAll): void {
    // What is still being written knows the read model of before: the feed will tell of it.
    this.#news += 1;
    this.#own.clear();
    this.#index = index;
    this.#consumerSpellings = consumerSpellings;
    this.#serversMet = serversMet;
    this.#position = position;
    this.#caughtUpAtMs = performance.now();
  }

  /**
   * The read model with every change that was committed before the call.
   *
   * @throws DatabaseUnavailable when that is not known by the deadline
   */
  async fresh({
    deadlineMs = Infinity,
  }: Pick<DatabaseContext, "deadlineMs">): Promise<ProviderIndex> {
    const { adapter } = this.#database;
    if (!adapter.isShared && (await this.#database.wasOvertaken())) this.#isOvertaken = true;
    if (adapter.isShared || this.#doubted.size > 0 || this.#isOvertaken) {
      await inTime(this.#question.answered(), deadlineMs);
    }
    return this.#index;
  }

  /**
   * After a write by a program that is not to write at all: while it is read, nothing is written here, as
   * there is no feed to tell of it.
   */
  async #buildAlone(): Promise<void> {
    await this.#database.writer(FOLLOW, async (tx) => {
      this.#isOvertaken = false;
      const all = await readAll(tx, this.#database.serversMet);
      tx.afterCommit(() => this.#takeOver(all));
    });
    this.#reportUnknownWriter();
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
      tx.afterCommit(() => {
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
    const startedAtMs = performance.now();
    // Changes that were never seen may be gone from the feed by now.
    const isStale = startedAtMs - this.#caughtUpAtMs > this.#staleAfterMs;
    if (isStale || this.#isOfLostServer) return this.build();
    const position = this.#position;
    this.#own.beginToLook();
    if (this.#doubted.size > 0 || !(await this.#hasNothingToRead(position))) {
      const isKnown = await this.#readNews(position);
      if (!isKnown) return this.build();
    }
    // It may have been another server that was asked.
    if (this.#isOfLostServer) return this.build();
    position.settle(startedAtMs);
    this.#caughtUpAtMs = startedAtMs;
    this.#closeGaps(position);
  }

  /** One statement, so that asking costs little when there is nothing new, which is mostly so. */
  #hasNothingToRead(position: FeedPosition): Promise<boolean> {
    return this.#database.readOnce(FOLLOW, async (tx) => {
      if (position.count > LISTED_AT_ONCE) return isUpToDate(tx, position);
      const { entries, isComplete } = await listFirstChangesAfter(tx, position.floor);
      const unseen = entries.filter(({ id }) => !position.has(id));
      if (!isComplete || !this.#own.takeAll(unseen)) return false;
      remember(position, unseen);
      return true;
    });
  }

  /** @returns false when the feed does not tell what has changed */
  #readNews(position: FeedPosition): Promise<boolean> {
    const doubted = this.#doubted;
    this.#doubted = new Set();
    return this.#database
      .reader(FOLLOW, async (tx) => {
        const unseen = await listUnseenChanges(tx, position);
        if (unseen.some(({ kind }) => kind === "everything")) return false;
        const fresh = unseen.filter((entry) => !this.#own.take(entry));
        const told = new Set(fresh.map(({ providerId }) => providerId));
        const untold = [...doubted.difference(told)].map(
          (providerId) => ({ kind: "provider", providerId }) as const,
        );
        if (fresh.length + untold.length === 0) {
          remember(position, unseen);
          return true;
        }
        const apply = await readEffects(tx, [...fresh, ...untold]);
        const generations = untold.map(({ providerId }) => this.#generationOf(providerId));
        apply(this.#index);
        this.#own.forgetAdded();
        remember(position, unseen);
        this.#news += 1;
        // What this process has committed meanwhile may be newer than what was read, and is told later.
        const isAhead = untold.some(({ providerId }, i) => {
          const [before, after] = [generations[i], this.#generationOf(providerId)];
          return before !== undefined && (after === undefined || after > before);
        });
        if (isAhead) this.#reportUnknownWriter();
        return true;
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
  #closeGaps(position: FeedPosition): void {
    if (this.#defect) throw this.#defect;
    const gaps = position.takeGaps();
    if (!gaps) return;
    this.#database.closeGaps(gaps).catch((error: unknown) => {
      this.#defect = error instanceof Error ? error : new Error(String(error));
    });
  }

  #generationOf(providerId: number): number | undefined {
    return this.#index.getById(providerId)?.generation;
  }

  #reportUnknownWriter(): void {
    this.#onUnknownWriter?.();
    this.#onUnknownWriter = undefined;
  }
}

function remember(position: FeedPosition, entries: readonly FeedEntry[]): void {
  for (const { id, settled } of entries) {
    position.add(id);
    if (settled !== undefined) position.close(settled);
  }
}

async function isUpToDate(tx: ReadTransaction, position: FeedPosition): Promise<boolean> {
  const { count, lastId } = await summarizeChangesAfter(tx, position.floor);
  return count === position.count && lastId === position.lastId;
}

async function listUnseenChanges(
  tx: ReadTransaction,
  position: FeedPosition,
): Promise<FeedEntry[]> {
  const entries = await listChangesAfter(tx, position.floor);
  return entries.filter(({ id }) => !position.has(id));
}

/**
 * Reads again what changes are about. The result puts all of it into a read model at once, so that
 * nobody sees half of a change.
 */
async function readEffects(
  tx: ReadTransaction,
  changes: readonly Pick<Change | FeedEntry, "kind" | "providerId">[],
): Promise<(index: ProviderIndex) => void> {
  const removed = new Set(changes.flatMap(({ providerId }) => providerId ?? []));
  const records: readonly ProviderRecord[] = await loadProviderRecords(tx, [...removed]);
  for (const { id } of records) removed.delete(id);
  const names = changes.some(({ kind }) => NAME_KINDS.has(kind)) ? await readNames(tx) : undefined;
  return (index) => {
    for (const id of removed) index.remove(id);
    for (const record of records) index.put(record);
    if (names) setNames(index, names);
  };
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
  readonly position: FeedPosition;
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
  return { index, consumerSpellings, serversMet, position: await readPosition(tx) };
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

async function readPosition(tx: ReadTransaction): Promise<FeedPosition> {
  if (!tx.adapter.isShared) return new FeedPosition(0);
  const position = new FeedPosition(await findSettledChangeId(tx));
  remember(position, await listChangesAfter(tx, position.floor));
  return position;
}
