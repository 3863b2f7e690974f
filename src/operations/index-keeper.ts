import {
  findSettledChangeId,
  listChangesAfter,
  summarizeChangesAfter,
  type FeedEntry,
} from "../db/change-feed.ts";
import type { Database } from "../db/database.ts";
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

/** So many providers are read at once while the read model is built. */
const BUILD_CHUNK = 1000;

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
  #running: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  #defect: Error | undefined;

  /** @param changeRetentionMs how long changes stay in the feed */
  constructor(database: Database, changeRetentionMs: number) {
    this.#database = database;
    this.#staleAfterMs = changeRetentionMs / 2;
  }

  /** The read model as far as it is known here, for use inside a transaction that has to wait. */
  get current(): ProviderIndex {
    return this.#index;
  }

  /** Builds the read model from the tables; before that, the service must not be used. */
  async build(): Promise<void> {
    const index = new ProviderIndex();
    const position = await this.#database.reader(FOLLOW, async (tx) => {
      setNames(index, await readNames(tx));
      const ids = await listProviderIds(tx);
      for (let start = 0; start < ids.length; start += BUILD_CHUNK) {
        const records = await loadProviderRecords(tx, ids.slice(start, start + BUILD_CHUNK));
        for (const record of records) index.put(record);
      }
      return readPosition(tx);
    });
    this.#index = index;
    this.#position = position;
    this.#caughtUpAtMs = performance.now();
  }

  /** The read model with every change that was committed before the call. */
  async fresh(): Promise<ProviderIndex> {
    if (this.#database.adapter.isShared) await this.#catchUpForAll();
    return this.#index;
  }

  /** Reads what a transaction has changed, and puts it into the read model after the commit. */
  async followAfterCommit(tx: WriteTransaction): Promise<void> {
    const apply = await readEffects(tx, tx.changes);
    tx.afterCommit(() => apply(this.#index));
  }

  /**
   * One query for all that wait. It must not have begun before the last of them came, and no two run
   * at once: the older one could put back what the newer one has brought up to date.
   */
  #catchUpForAll(): Promise<void> {
    // One that is queued has not begun, even if the one before it has just come to its end.
    if (this.#queued) return this.#queued;
    if (!this.#running) return this.#start();
    this.#queued = this.#running
      .catch(() => {})
      .then(() => {
        this.#queued = undefined;
        return this.#start();
      });
    return this.#queued;
  }

  #start(): Promise<void> {
    const running = this.#catchUp().finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #catchUp(): Promise<void> {
    const startedAtMs = performance.now();
    // Changes that were never seen may be gone from the feed by now.
    if (startedAtMs - this.#caughtUpAtMs > this.#staleAfterMs) return this.build();
    const position = this.#position;
    await this.#database.reader(FOLLOW, async (tx) => {
      const { count, lastId } = await summarizeChangesAfter(tx, position.floor);
      if (count === position.count && lastId === position.lastId) return;
      const entries = await listChangesAfter(tx, position.floor);
      const fresh = entries.filter(({ id }) => !position.has(id));
      const apply = await readEffects(tx, fresh);
      apply(this.#index);
      remember(position, fresh);
    });
    position.settle(startedAtMs);
    this.#caughtUpAtMs = startedAtMs;
    this.#closeGaps(position);
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
}

function remember(position: FeedPosition, entries: readonly FeedEntry[]): void {
  for (const { id, settled } of entries) {
    position.add(id);
    if (settled !== undefined) position.close(settled);
  }
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
