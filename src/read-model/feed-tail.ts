import { setTimeout as sleep } from "node:timers/promises";

import type { FeedEntry } from "../db/change-feed.ts";
import { findChangeRows, isToldOutside } from "../db/change-rows.ts";
import { internalContext, type DatabaseContext } from "../db/change.ts";
import type { Database } from "../db/database.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { DatabaseUnavailable, TransactionConflict } from "../domain/errors.ts";
import { FeedReader } from "./feed-reader.ts";
import { ReadingProgress } from "./reading-progress.ts";
import { SharedQuestion } from "./shared-question.ts";
import { FeedEvent } from "./feed-event.ts";
import { Listeners, type Audience } from "./listeners.ts";
import { Subscription, type Interest } from "./subscription.ts";

const TAIL = internalContext("events");

/** While anybody listens, the feed is looked at so often at least, where others write. */
const LOOK_EVERY_MS = 250;
/**
 * And so often at most, however much is written: so many milliseconds apart, and one more for each listener,
 * as each is sent something after each look. Claims are not to wait for those who watch.
 */
const LOOK_APART_MS = 20;
/** So many changes are read whole and told at once. */
const TOLD_AT_ONCE = 250;
/** In the midst of very many changes, listeners get so long at most to take those before. */
const MAX_PAUSE_MS = 200;

/**
 * The end of the change feed, for all who listen to it in this process (publish and subscribe): one cursor,
 * one look for all of them, and none while nobody listens. It is apart from the cursor of the read model, which
 * has to be asked before each answer and needs no details.
 *
 * What is told is in the read model by then.
 */
export class FeedTail {
  readonly #database: Database;
  readonly #freshIndex: (context: DatabaseContext) => Promise<ProviderIndex>;
  readonly #subscriptions = new Listeners();
  readonly #question = new SharedQuestion(() => this.#look());
  #reader = FeedReader.ofNothing();
  /** What was told. */
  #progress = new ReadingProgress(this.#reader.position);
  /** Read, and not told yet. */
  #untold: readonly FeedEntry[] = [];
  #isWatching = false;
  #isStopped = false;
  #woken = Promise.withResolvers<void>();

  /** @param freshIndex brings the read model up to date */
  constructor(
    database: Database,
    freshIndex: (context: DatabaseContext) => Promise<ProviderIndex>,
  ) {
    this.#database = database;
    this.#freshIndex = freshIndex;
  }

  /** After the changes that were told, as a text. */
  get position(): string {
    return this.#progress.write();
  }

  /**
   * Begins to listen, after all that was committed before the call.
   */
  async subscribe(interest: Interest): Promise<Subscription> {
    await this.#question.answered();
    const subscription = new Subscription(this.#reader.position, interest, (left) => {
      this.#subscriptions.delete(left);
      this.wake();
    });
    this.#subscriptions.add(subscription);
    void this.#watch();
    return subscription;
  }

  /** Something was committed. */
  wake(): void {
    this.#woken.resolve();
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#loseAll();
    this.wake();
  }

  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    while (this.#subscriptions.size > 0 && !this.#isStopped) {
      await this.#timeToLook();
      this.#woken = Promise.withResolvers();
      try {
        await this.#question.answered();
      } catch (error) {
        // A database that is away will be back; from what is a defect, nobody may wait for anything more.
        const isPassing =
          error instanceof DatabaseUnavailable || error instanceof TransactionConflict;
        if (!isPassing) this.#loseAll();
      }
    }
    this.#isWatching = false;
  }

  /** Where nobody else writes, there is nothing to look for before something was committed here. */
  async #timeToLook(): Promise<void> {
    const { isShared } = this.#database.adapter;
    const woken = this.#woken.promise;
    await (isShared ? Promise.race([woken, pause(LOOK_EVERY_MS)]) : woken);
    await pause(LOOK_APART_MS + this.#subscriptions.size);
  }

  async #look(): Promise<void> {
    if (this.#isStopped) throw new DatabaseUnavailable("the service is being stopped");
    if (this.#subscriptions.size === 0) return this.#begin();
    const startedAtMs = performance.now();
    const reader = this.#reader;
    if (this.#untold.length === 0) {
      const { newest } = reader;
      const news = await this.#database.reader(TAIL, (tx) => reader.read(tx, newest));
      if (news.breach !== undefined) {
        this.#loseAll();
        return this.#begin();
      }
      if (news.entries.length === 0) return this.#settle(startedAtMs);
      news.remember();
      this.#untold = news.entries;
    }
    const index = await this.#freshIndex(TAIL);
    await this.#tellAll(index);
    this.#settle(startedAtMs);
  }

  /** Nobody has heard anything yet. */
  async #begin(): Promise<void> {
    this.#untold = [];
    this.#reader = await this.#database.reader(TAIL, (tx) =>
      tx.adapter.isShared ? FeedReader.atEnd(tx) : FeedReader.atNewest(tx),
    );
    this.#reader.settle(performance.now());
    this.#progress = new ReadingProgress(this.#reader.position);
  }

  #settle(nowMs: number): void {
    // Gaps are closed by the cursor of the read model.
    this.#reader.settle(nowMs);
    this.#progress.settle(this.#reader.floor);
    this.#progress.newest = this.#reader.position.newest;
  }

  /** If it fails, the next look goes on where this one was. */
  async #tellAll(index: ProviderIndex): Promise<void> {
    this.#progress.newest = this.#reader.position.newest;
    const untold = this.#untold;
    let { version } = this.#subscriptions;
    let audience = this.#subscriptions.of(untold, index);
    while (this.#untold.length > 0) {
      const entries = this.#untold.slice(0, TOLD_AT_ONCE);
      // Whoever comes from here on begins after all of it.
      const events = await this.#readSome(entries, audience);
      if (version !== this.#subscriptions.version) {
        version = this.#subscriptions.version;
        audience = this.#subscriptions.of(untold, index);
      }
      for (const { id } of entries) {
        this.#progress.add(id);
        const event = events.get(id);
        if (event) this.#tell(event, audience);
      }
      this.#untold = this.#untold.slice(TOLD_AT_ONCE);
      if (this.#untold.length > 0) await this.#letTake();
    }
  }

  /** Of those that may concern anybody. */
  async #readSome(
    entries: readonly FeedEntry[],
    audience: Audience,
  ): Promise<ReadonlyMap<number, FeedEvent>> {
    const ids = entries
      .filter((entry) => isToldOutside(entry) && audience.mayConcern(entry))
      .map(({ id }) => id);
    if (ids.length === 0) return new Map();
    const rows = await this.#database.readOnce(TAIL, (tx) => findChangeRows(tx, ids));
    return new Map(rows.map((row) => [row.id, new FeedEvent(row)]));
  }

  #tell(event: FeedEvent, audience: Audience): void {
    for (const subscription of audience.of(event)) {
      if (!subscription.interest.wants(event)) continue;
      if (event.position === "") event.position = this.#progress.write();
      if (!subscription.push(event)) this.#countDropped();
    }
  }

  /** So that one large transaction is no reason to lose those who keep up. */
  async #letTake(): Promise<void> {
    const endsAtMs = performance.now() + MAX_PAUSE_MS;
    do await pause(1);
    while (performance.now() < endsAtMs && this.#subscriptions.values().some(isBehind));
  }

  #loseAll(): void {
    for (const subscription of this.#subscriptions.values()) {
      subscription.lose();
      if (!this.#isStopped) this.#countDropped();
    }
  }

  #countDropped(): void {
    this.#database.metrics.increment("stowage_event_streams_dropped_total", {});
  }
}

function isBehind({ untaken }: Subscription): boolean {
  return untaken >= TOLD_AT_ONCE;
}

function pause(ms: number): Promise<void> {
  return sleep(ms, undefined, { ref: false });
}
