import { identifyFeed, isToldOutside, listChangeRows } from "../db/change-rows.ts";
import type { ChangeRow } from "../domain/change-row.ts";
import type { DatabaseContext } from "../db/change.ts";
import { inTime } from "../db/in-time.ts";
import { PositionGone } from "../domain/errors.ts";
import { ReadingProgress } from "../read-model/reading-progress.ts";
import { subjectOf } from "../read-model/event-subjects.ts";
import { FeedEvent } from "../read-model/feed-event.ts";
import type { Subscription } from "../read-model/subscription.ts";
import {
  hasRead,
  readPosition,
  whyGone,
  writePosition,
  type Position,
} from "../read-model/written-position.ts";
import { isWanted, type EventFilter } from "./event-filter.ts";
import { readProvider, type FleetProvider } from "./fleet.ts";
import type { Service } from "./service.ts";

/** So many changes are read at once by whoever has fallen behind. */
const PAGE_ROWS = 250;
/** Who is further behind than so many ids does not listen yet: the tail would keep too much for him. */
const FAR_BEHIND = 5000;

/** Something that happened, with a place for what is written of it. */
export type ToldEvent = FeedEvent;

/** What happened, as far as it was asked for. */
interface EventBatch {
  readonly events: readonly FeedEvent[];
  /** After all of them, as a text. */
  readonly position: string;
  /** Whether there may be more at once. */
  readonly isMore: boolean;
}

/** When to stop waiting for something to happen. */
interface Patience {
  readonly limit: number;
  readonly signal: AbortSignal;
  readonly waitMs: number;
}

/** What is to be read from the table. */
interface Behind {
  readonly upTo: number;
  /** What the tail will not tell. */
  readonly readByTail: Position;
}

/**
 * Reads the change feed for somebody outside, from a position on, without end: first from the table, page by
 * page, then what the tail of the feed tells. No event is left out at the seam, and none is told twice.
 */
export class EventReader {
  readonly #service: Service;
  readonly #filter: EventFilter;
  readonly #after: Position;
  /** What was read, and told if it was asked for. */
  readonly #progress: ReadingProgress;
  /** Up to here, the table was read. */
  #cursor: number;
  /** As long as the table is read. */
  #behind: Behind | undefined;
  #subscription: Subscription | undefined;
  #ready: FeedEvent[] = [];

  private constructor(service: Service, after: Position, filter: EventFilter) {
    this.#service = service;
    this.#filter = filter;
    this.#after = after;
    this.#cursor = after.floor;
    this.#progress = new ReadingProgress(after);
  }

  /**
   * @param after as a text
   * @throws InvalidPosition, PositionGone
   */
  static async open(
    service: Service,
    context: DatabaseContext,
    after: string,
    filter: EventFilter,
  ): Promise<EventReader> {
    const position = readPosition(after);
    const now = await service.database.reader(context, (tx) =>
      identifyFeed(tx, position.newest?.id),
    );
    if (whyGone(position, now) !== undefined) throw goneFrom(now);
    return new EventReader(service, position, filter);
  }

  /**
   * What comes next: at once what is there, which may be nothing of what was asked for in a page of the
   * table; else what happens while there is patience.
   *
   * @throws PositionGone what comes next cannot be told any more
   */
  async next(context: DatabaseContext, patience: Patience): Promise<EventBatch> {
    if (this.#ready.length === 0) await this.#readOn(context, patience);
    const events = this.#ready.splice(0, patience.limit);
    const isBehind = this.#subscription === undefined || this.#behind !== undefined;
    const isMore = this.#ready.length > 0 || isBehind || this.#subscription!.untaken > 0;
    return { events, position: this.#positionAfter(events), isMore };
  }

  close(): void {
    this.#subscription?.close();
  }

  #positionAfter(events: readonly FeedEvent[]): string {
    if (this.#ready.length > 0) return events.at(-1)?.position ?? "";
    if (!this.#subscription || this.#behind) return this.#progress.write();
    const { isLost, untaken } = this.#subscription;
    if (isLost || untaken > 0) return events.at(-1)?.position ?? this.#progress.write();
    // All that it has told and that is asked for was taken.
    return this.#service.tail.position;
  }

  async #readOn(context: DatabaseContext, patience: Patience): Promise<void> {
    if (!this.#subscription && !this.#behind) await this.#join(context);
    if (this.#behind) return this.#readPage(context, this.#behind);
    const subscription = this.#subscription!;
    await subscription.waitForNews(patience.waitMs, patience.signal);
    if (subscription.isLost) throw await this.#gone(context);
    this.#ready = subscription.take(patience.limit);
  }

  /** Listens from here on, unless that is far ahead. */
  async #join(context: DatabaseContext): Promise<void> {
    const { deadlineMs = Infinity } = context;
    const wants = (event: FeedEvent) => !hasRead(this.#after, event.row.id) && this.#wants(event);
    const joining = this.#service.tail.subscribe({ ...this.#filter, wants });
    const subscription = await inTime(joining, deadlineMs).catch((error: unknown) => {
      // Nobody takes what it gets.
      joining.then((late) => late.close()).catch(() => {});
      throw error;
    });
    const { start } = subscription;
    this.#progress.newest = start.newest;
    if (start.floor - this.#cursor > FAR_BEHIND) {
      subscription.close();
      this.#behind = { upTo: start.floor, readByTail: start };
      return;
    }
    this.#subscription = subscription;
    const upTo = start.seen.values().reduce((last, id) => Math.max(last, id), start.floor);
    this.#behind = { upTo, readByTail: start };
  }

  async #readPage(context: DatabaseContext, { upTo, readByTail }: Behind): Promise<void> {
    const after = this.#cursor;
    const { feed, rows } = await this.#service.database.reader(context, async (tx) => ({
      feed: await identifyFeed(tx, undefined),
      rows: await listChangeRows(tx, { after, upTo, limit: PAGE_ROWS }),
    }));
    if (feed.epoch !== this.#after.epoch || feed.collectedUpTo > after) throw goneFrom(feed);
    if (this.#subscription?.isLost) throw goneFrom(feed);
    await this.#service.freshIndex(context);
    for (const row of rows) this.#read(row, readByTail);
    const isAll = rows.length < PAGE_ROWS;
    this.#cursor = isAll ? upTo : rows.at(-1)!.id;
    if (!isAll) return;
    this.#progress.settle(Math.min(upTo, readByTail.floor));
    this.#behind = undefined;
  }

  #read(row: ChangeRow, readByTail: Position): void {
    // What the tail has not read, it will tell.
    if (!hasRead(readByTail, row.id)) return;
    this.#progress.settle(Math.min(row.id, readByTail.floor));
    this.#progress.add(row.id);
    if (hasRead(this.#after, row.id) || !isToldOutside(row)) return;
    const event = new FeedEvent(row);
    if (!this.#wants(event)) return;
    event.position = this.#progress.write();
    this.#ready.push(event);
  }

  #wants(event: FeedEvent): boolean {
    return isWanted(this.#filter, event, this.#service.currentIndex);
  }

  async #gone(context: DatabaseContext): Promise<PositionGone> {
    const now = await this.#service.database.reader(context, (tx) => identifyFeed(tx, undefined));
    return goneFrom(now);
  }
}

/** The provider that an event is about, as it is now; undefined where that is not known, or it is gone. */
export function providerOf(service: Service, event: FeedEvent): FleetProvider | undefined {
  if (!event.isOfProvider) return undefined;
  const index = service.currentIndex;
  const uuid = subjectOf(event, index);
  const row = uuid === undefined ? undefined : index.findRow(uuid);
  return row === undefined ? undefined : readProvider(index, row);
}

/** What an event is about: a UUID or a name. */
export function nameSubject(service: Service, event: FeedEvent): string | undefined {
  return subjectOf(event, service.currentIndex);
}

/** Of two positions, as texts, the one that is further on; the second if neither is. */
export function laterOf(first: string, second: string): string {
  return readPosition(first).floor > readPosition(second).floor ? first : second;
}

function goneFrom({
  epoch,
  collectedUpTo,
}: {
  readonly epoch: string | undefined;
  readonly collectedUpTo: number;
}): PositionGone {
  const oldest = { epoch, floor: collectedUpTo, seen: new Set<number>(), newest: undefined };
  return new PositionGone(writePosition(oldest));
}
