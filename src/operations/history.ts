import { setImmediate } from "node:timers/promises";

import { listStoredAllocations, sumAllocationsOf } from "../db/allocations.ts";
import type { DatabaseContext } from "../db/change.ts";
import {
  beginIfNew,
  listHistory,
  listUnprojected,
  readHistoryState,
  type HistoryState,
  type HistorySubject,
} from "../db/history.ts";
import { findProviderByUuid } from "../db/resource-providers.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import {
  readDetails,
  type ConsumerDetails,
  type Holdings,
  type ToldChange,
} from "../domain/change-details.ts";
import { HistoryTooLong, NoHistory } from "../domain/history-errors.ts";
import type { HistoryRow } from "../domain/history.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { findClassNames } from "./class-names.ts";
import { findHeldConsumer } from "./consumers.ts";
import { toHistoryRows } from "./history-rows.ts";
import type { Service } from "./service.ts";

export type { HistorySubject };

/** Something that happened to a consumer or provider. */
export interface HistoryEntry extends Pick<
  HistoryRow,
  "changeId" | "at" | "kind" | "consumerUuid" | "requestId" | "userId" | "projectId"
> {
  /** From what to what, as far as that is known; of a consumer in the history of a provider, its part. */
  readonly told: ToldChange | undefined;
  /**
   * In the history of a provider, by the class of which a consumer has got or given up something: how much of it
   * was in use afterwards. Undefined where that cannot be told.
   */
  readonly used: ReadonlyMap<string, number> | undefined;
}

/** Which entries are asked for. */
export interface HistoryQuery {
  readonly since?: Date;
  readonly until?: Date;
  /** Of a provider: of which something was given, taken back or offered. */
  readonly resourceClass?: string;
  /** Of a consumer: while it was of this project. */
  readonly projectId?: string;
  readonly limit: number;
  readonly after?: HistoryCursor;
}

/** Where a page ended. */
export interface HistoryCursor {
  /** The row; undefined where it was not in the table yet. */
  readonly before?: number;
  readonly changeId: number;
  /** What was in use before the change; undefined where that cannot be told. */
  readonly used?: Readonly<Record<string, number>>;
}

interface HistoryPage {
  /** The newest first. */
  readonly entries: readonly HistoryEntry[];
  readonly next: HistoryCursor | undefined;
  readonly state: HistoryState;
}

/** A row with its place, which it has not while it is in the feed only. */
export interface PlacedRow extends HistoryRow {
  readonly id?: number;
}

/** So many rows are read at once: a few milliseconds of work. */
const PAGE_ROWS = 250;
/** So many are looked at for one answer where few of them are asked for. */
const MAX_LOOKED_AT = 20_000;
/** An answer is made in one piece: one of so many characters takes some milliseconds. */
const MAX_LENGTH = 512 * 1024;
/** So many changes are looked through that are not in the history yet: of a second or two. */
const MAX_TAIL = 1000;

/** What a transaction finds first. */
interface Beginning {
  readonly state: HistoryState;
  /** The newest first. */
  readonly tail: readonly PlacedRow[];
}

/**
 * The history of a consumer or provider with all that was committed before the call, page by page.
 *
 * @throws HistoryTooLong the history is far behind
 * @throws NoHistory
 */
export async function readHistory(
  service: Service,
  context: () => DatabaseContext,
  subject: HistorySubject,
  query: HistoryQuery,
): Promise<HistoryPage> {
  const { after } = query;
  const first = await readBeginning(service, context(), subject, async (tx, index, beginning) => {
    const isAtStart = after?.before === undefined;
    const rows = await listHistory(tx, subject, pageBefore(after?.before));
    if (rows.length === 0 && isAtStart) await expectKnown(service, tx, index, subject, beginning);
    return {
      ...beginning,
      rows,
      tail: isAtStart ? beginning.tail : [],
      used: isAtStart ? await usageNow(tx, index, subject) : toMap(after.used),
    };
  });
  const page = new Page(first.state, subject, query, first.used);
  let { rows } = first;
  page.take(first.tail);
  for (let lookedAt = 0; ;) {
    page.take(rows);
    if (page.isFull) break;
    if (rows.length < PAGE_ROWS) {
      page.end();
      break;
    }
    lookedAt += rows.length;
    if (lookedAt >= MAX_LOOKED_AT) break;
    await setImmediate();
    const last = rows.at(-1)!.id;
    rows = await service.database.readOnce(context(), (tx) =>
      listHistory(tx, subject, pageBefore(last)),
    );
  }
  return { entries: page.entries, next: page.next, state: first.state };
}

/**
 * Whose a consumer is, or was at last; undefined for one of which nothing is known.
 *
 * @throws HistoryTooLong
 */
export async function findProjectOf(
  service: Service,
  context: () => DatabaseContext,
  consumerUuid: string,
): Promise<string | undefined> {
  const held = await findHeldConsumer(service, context(), consumerUuid);
  if (held) return held.projectId ?? undefined;
  const subject = { consumerUuid };
  return readBeginning(service, context(), subject, async (tx, _index, { tail }) => {
    const [last = (await listHistory(tx, subject, { ...pageBefore(undefined), limit: 1 }))[0]] =
      tail;
    const details = last && readDetails(last.kind, last.details)?.details;
    return details?.of === "consumer" ? details.projectId : undefined;
  });
}

/**
 * Of what there is no row.
 *
 * @throws NoHistory
 */
export async function expectKnown(
  service: Service,
  tx: ReadTransaction,
  index: ProviderIndex,
  subject: HistorySubject,
  { tail }: Beginning,
): Promise<void> {
  if (tail.length > 0) return;
  if ("providerUuid" in subject) {
    if (index.findRow(subject.providerUuid) !== undefined) return;
    throw new NoHistory("resource provider", subject.providerUuid);
  }
  const stored = await listStoredAllocations(tx, [service.storedConsumer(subject.consumerUuid)]);
  if (stored.length === 0) throw new NoHistory("consumer", subject.consumerUuid);
}

export function pageBefore(before: number | undefined): { before: number; limit: number } {
  return { before: before ?? Number.MAX_SAFE_INTEGER, limit: PAGE_ROWS };
}

/**
 * Reads in one transaction, with what the history of a subject has not got yet.
 *
 * @throws HistoryTooLong that is too much
 */
export async function readBeginning<Result>(
  service: Service,
  context: DatabaseContext,
  subject: HistorySubject,
  work: (tx: ReadTransaction, index: ProviderIndex, beginning: Beginning) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await service.read(context, async (tx, index) => {
      const state = await beginIfNew(tx, await readHistoryState(tx));
      const rows = await listUnprojected(tx, state, MAX_TAIL + 1);
      if (rows.length > MAX_TAIL) return undefined;
      const untaken = await toHistoryRows(rows, (id) => index.getById(id)?.uuid);
      const tail = untaken.filter((row) => isOf(subject, row)).reverse();
      return { found: await work(tx, index, { state, tail }) };
    });
    if (result) return result.found;
    if (attempt > 1) throw new HistoryTooLong("The history is behind what happens");
    await service.history.catchUp(context);
  }
}

function isOf(subject: HistorySubject, row: HistoryRow): boolean {
  return "consumerUuid" in subject
    ? row.consumerUuid === subject.consumerUuid
    : row.providerUuid === subject.providerUuid;
}

/** What is in use of a provider by now, by the name of the class. */
async function usageNow(
  tx: ReadTransaction,
  index: ProviderIndex,
  subject: HistorySubject,
): Promise<Map<string, number> | undefined> {
  if (!("providerUuid" in subject)) return undefined;
  const provider = await findProviderByUuid(tx, subject.providerUuid);
  const sums = provider ? await sumAllocationsOf(tx, provider.id) : [];
  const nameOf = await findClassNames(tx, index, sums);
  return new Map(sums.map(({ resourceClassId: id, used }) => [nameOf(id) ?? `#${id}`, used]));
}

function toMap(used: Readonly<Record<string, number>> | undefined) {
  return used && new Map(Object.entries(used));
}

/** Puts a page together from rows, the newest first. */
class Page {
  readonly entries: HistoryEntry[] = [];
  next: HistoryCursor | undefined;
  readonly #state: HistoryState;
  readonly #isOfProvider: boolean;
  readonly #query: HistoryQuery;
  /** After the entry that comes next. */
  #used: Map<string, number> | undefined;
  /** Rows of one change, which are not known to be all of it. */
  #open: PlacedRow[] = [];
  #length = 0;
  #isFull = false;

  constructor(
    state: HistoryState,
    subject: HistorySubject,
    query: HistoryQuery,
    used: Map<string, number> | undefined,
  ) {
    this.#state = state;
    this.#isOfProvider = "providerUuid" in subject;
    this.#query = query;
    this.#used = used;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  take(rows: readonly PlacedRow[]): void {
    for (const row of rows) {
      const [open] = this.#open;
      if (open && (open.changeId !== row.changeId || this.#isOfProvider)) this.#close();
      if (this.#isFull) return;
      this.#open.push(row);
    }
  }

  /** There are no more rows. */
  end(): void {
    this.#close();
    if (!this.#isFull) this.next = undefined;
  }

  #close(): void {
    const rows = this.#open;
    this.#open = [];
    const last = rows.at(-1);
    if (!last) return;
    if (this.#isFull) return;
    const entry = this.#toEntry(rows);
    if (this.#isWanted(entry)) {
      this.entries.push(entry);
      this.#length += rows.reduce((sum, { details }) => sum + (details?.length ?? 0) + 400, 0);
    }
    this.#isFull = this.entries.length >= this.#query.limit || this.#length >= MAX_LENGTH;
    const { id, changeId } = last;
    this.next = {
      changeId,
      ...(id !== undefined && { before: id }),
      ...(this.#used && { used: Object.fromEntries(this.#used) }),
    };
  }

  #toEntry(rows: readonly PlacedRow[]): HistoryEntry {
    const [row] = rows as readonly [PlacedRow];
    const { changeId, at, kind, consumerUuid, requestId, userId, projectId } = row;
    const told = mergeTold(rows);
    const used = this.#isOfProvider ? this.#goBack(row, told) : undefined;
    return { changeId, at, kind, consumerUuid, requestId, userId, projectId, told, used };
  }

  /** @returns what was in use after it */
  #goBack({ at, kind }: PlacedRow, told: ToldChange | undefined): Map<string, number> | undefined {
    const { doubtedBefore } = this.#state;
    if (doubtedBefore && at <= doubtedBefore) this.#used = undefined;
    const used = this.#used;
    const details = told?.details;
    if (details?.of === "consumer") {
      const [was, now] = [sumOf(details.was), sumOf(details.now)];
      const names = [...new Set([...was.keys(), ...now.keys()])];
      const after = used && new Map(names.map((name) => [name, used.get(name) ?? 0]));
      for (const name of names) {
        const gained = (now.get(name) ?? 0) - (was.get(name) ?? 0);
        used?.set(name, (used.get(name) ?? 0) - gained);
      }
      return after;
    }
    // Another program has changed what nobody knows.
    if (kind === "provider" && !told) this.#used = undefined;
    return undefined;
  }

  #isWanted(entry: HistoryEntry): boolean {
    const { since, until, resourceClass, projectId, after } = this.#query;
    const { at, told, changeId } = entry;
    // Read in vain: it was on the page before, when it was in the feed only.
    if (after && after.before === undefined && changeId >= after.changeId) return false;
    if ((since && at < since) || (until && at >= until)) return false;
    const details = told?.details;
    if (projectId !== undefined) {
      if (details?.of !== "consumer" || details.projectId !== projectId) return false;
    }
    if (!this.#isOfProvider || !details) return true;
    if (details.of === "consumer") {
      const [was, now] = [sumOf(details.was), sumOf(details.now)];
      // It was told of for what the consumer holds elsewhere.
      if ([...was, ...now].every(([name]) => was.get(name) === now.get(name))) return false;
      return resourceClass === undefined || was.get(resourceClass) !== now.get(resourceClass);
    }
    if (resourceClass === undefined || details.of !== "provider") return true;
    return details.isCut === true || resourceClass in (details.inventories ?? {});
  }
}

/** The rows of one change of a consumer are parts of what it held and holds. */
export function mergeTold(rows: readonly HistoryRow[]): ToldChange | undefined {
  const [first] = rows.map(({ kind, details }) => readDetails(kind, details));
  if (!first || first.details.of !== "consumer" || rows.length === 1) return first;
  const was: Record<string, Readonly<Record<string, number>>> = {};
  const now: Record<string, Readonly<Record<string, number>>> = {};
  // Parts are kept in the order of the providers, and come the other way round.
  for (const { kind, details: text } of rows.toReversed()) {
    const details = readDetails(kind, text)?.details as ConsumerDetails;
    Object.assign(was, details.was);
    Object.assign(now, details.now);
  }
  return { ...first, details: { ...first.details, was, now } };
}

/** Amounts by class. */
export function sumOf(held: Holdings | undefined): Map<string, number> {
  const sums = new Map<string, number>();
  for (const amounts of Object.values(held ?? {})) {
    for (const [name, amount] of Object.entries(amounts)) {
      sums.set(name, (sums.get(name) ?? 0) + amount);
    }
  }
  return sums;
}
