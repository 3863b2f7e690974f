import { setImmediate } from "node:timers/promises";

import { findAllocationsOfProvider, listStoredAllocations } from "../db/allocations.ts";
import type { DatabaseContext } from "../db/change.ts";
import { listHistory, type HistorySubject } from "../db/history.ts";
import { findProviderByUuid } from "../db/resource-providers.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import { readDetails } from "../domain/change-details.ts";
import { HistoryGone, HistoryTooLong } from "../domain/history-errors.ts";
import { canonicalUuid } from "../domain/uuid.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { findClassNames } from "./class-names.ts";
import { expectKnown, pageBefore, readBeginning, type PlacedRow } from "./history.ts";
import type { Service } from "./service.ts";

/** What consumers held at some time. */
interface HeldAt {
  /** Amounts by class, by the UUID of the consumer, or of the provider where a consumer is asked about. */
  readonly held: ReadonlyMap<string, Readonly<Record<string, number>>>;
  /** Whether all that was changed since is known: other programs do not tell what they change. */
  readonly isExact: boolean;
  readonly keptSince: Date;
}

/** Clocks of several machines wrote the times: what is so much older is older. */
const CLOCKS_APART_MS = 60 * 60 * 1000;
/** So many changes since then are looked through. */
const MAX_LOOKED_AT = 200_000;

/**
 * What was held of a provider, or by a consumer, at some time: what is now, with the changes since then taken back.
 *
 * @param projectId tells nothing of a consumer that was of another project then
 * @throws HistoryGone, HistoryTooLong, NoHistory
 */
export async function heldAt(
  service: Service,
  context: DatabaseContext,
  subject: HistorySubject,
  { at, projectId }: { readonly at: Date; readonly projectId?: string },
): Promise<HeldAt> {
  return readBeginning(service, context, subject, async (tx, index, { state, tail }) => {
    const keptSince = state.since ?? new Date();
    if (at < keptSince) throw new HistoryGone(keptSince);
    const back = new GoingBack(subject, at, await heldNow(service, tx, index, subject));
    back.take(tail);
    let page = pageBefore(undefined);
    for (let lookedAt = 0; ; lookedAt += page.limit) {
      if (lookedAt > MAX_LOOKED_AT) throw new HistoryTooLong("Too much has happened since then");
      const rows = await listHistory(tx, subject, page);
      if (rows.length + lookedAt === 0)
        await expectKnown(service, tx, index, subject, { state, tail });
      back.take(rows);
      const oldest = rows.at(-1);
      const isEarly = oldest && oldest.at.getTime() < at.getTime() - CLOCKS_APART_MS;
      if (!oldest || isEarly || rows.length < page.limit) break;
      page = pageBefore(oldest.id);
      await setImmediate();
    }
    const isDoubted = state.doubtedBefore !== undefined && at < state.doubtedBefore;
    const isOther = projectId !== undefined && (back.projectId ?? projectId) !== projectId;
    return {
      held: isOther ? new Map() : back.held(),
      isExact: back.isExact && !isDoubted,
      keptSince,
    };
  });
}

type Amounts = Readonly<Record<string, number>>;

/** Takes changes back, the newest first: of each that holds, what it held before the first of them counts. */
class GoingBack {
  readonly #at: Date;
  readonly #held: Map<string, Amounts>;
  readonly #isOfProvider: boolean;
  isExact = true;
  /** Whose the consumer was; undefined where nothing has happened to it since. */
  projectId: string | undefined;

  constructor(subject: HistorySubject, at: Date, held: Map<string, Amounts>) {
    this.#at = at;
    this.#held = held;
    this.#isOfProvider = "providerUuid" in subject;
  }

  take(rows: readonly PlacedRow[]): void {
    for (const row of rows) if (row.at > this.#at) this.#takeBack(row);
  }

  /** Without those that held nothing. */
  held(): ReadonlyMap<string, Amounts> {
    return new Map([...this.#held].filter(([, amounts]) => Object.keys(amounts).length > 0));
  }

  #takeBack({ kind, consumerUuid, providerUuid, details: text }: PlacedRow): void {
    if (consumerUuid === null) {
      // Another program has changed what nobody knows.
      if (kind === "provider" && text === null) this.isExact = false;
      return;
    }
    const details = readDetails(kind, text)?.details;
    if (details?.of !== "consumer" || details.isCut) {
      this.isExact = false;
      return;
    }
    if (providerUuid === null) return;
    this.projectId = details.formerly?.projectId ?? details.projectId;
    const amounts = Object.values(details.was ?? {})[0] ?? {};
    this.#held.set(this.#isOfProvider ? consumerUuid : providerUuid, amounts);
  }
}

async function heldNow(
  service: Service,
  tx: ReadTransaction,
  index: ProviderIndex,
  subject: HistorySubject,
): Promise<Map<string, Amounts>> {
  const held = new Map<string, Record<string, number>>();
  const rows =
    "providerUuid" in subject
      ? await heldOf(tx, subject.providerUuid)
      : await heldBy(service, tx, index, subject.consumerUuid);
  const nameOf = await findClassNames(tx, index, rows);
  for (const { holder, resourceClassId, used } of rows) {
    const amounts = held.get(holder) ?? {};
    held.set(holder, amounts);
    const name = nameOf(resourceClassId) ?? `#${resourceClassId}`;
    amounts[name] = (amounts[name] ?? 0) + used;
  }
  return held;
}

async function heldOf(tx: ReadTransaction, providerUuid: string) {
  const provider = await findProviderByUuid(tx, providerUuid);
  if (!provider) return [];
  const { allocations } = await findAllocationsOfProvider(tx, provider.id);
  return allocations.map(({ uuid, ...rest }) => ({ holder: canonicalUuid(uuid), ...rest }));
}

async function heldBy(
  service: Service,
  tx: ReadTransaction,
  index: ProviderIndex,
  consumerUuid: string,
) {
  const stored = await listStoredAllocations(tx, [service.storedConsumer(consumerUuid)]);
  return stored.map(({ resourceProviderId, ...rest }) => {
    const uuid = index.getById(resourceProviderId)?.uuid;
    return { holder: uuid ?? `#${resourceProviderId}`, ...rest };
  });
}
