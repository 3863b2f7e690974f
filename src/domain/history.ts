import {
  readDetails,
  writeDetails,
  type ChangeDetails,
  type ConsumerDetails,
  type Holdings,
} from "./change-details.ts";
import type { ChangeRow } from "./change-row.ts";
import { canonicalUuid } from "./uuid.ts";

/**
 * What is kept of a change: of one of a consumer, a row for each provider of which it held or holds something, with
 * its part of what it holds; so it is found by both. Where it is not told what it holds, one row without a provider.
 */
export interface HistoryRow {
  readonly changeId: number;
  readonly at: Date;
  readonly kind: string;
  /** Canonical; `null` for a change of a provider itself. */
  readonly consumerUuid: string | null;
  readonly providerUuid: string | null;
  readonly requestId: string;
  /** Who asked. */
  readonly userId: string | null;
  readonly projectId: string | null;
  /** As `readDetails` reads it. */
  readonly details: string | null;
}

/** One that is to be kept. */
export interface NewHistoryRow extends HistoryRow {
  /** Of a release: by it, what was released is found again. */
  readonly reason: string | undefined;
}

/** The request id of changes that another program has made: it is not known here. */
export const TRIGGERED = "trigger";

/**
 * What is kept of a row of the feed; nothing for what has no history of its own, such as names, and for a provider
 * of which a claim has changed the usage: what its consumers are told of says that.
 *
 * @param uuidOf the UUID of a provider of which a trigger knows the id only
 */
export function historyOf(
  row: ChangeRow,
  uuidOf: (providerId: number) => string | undefined,
): NewHistoryRow[] {
  const { kind, subject, providerId } = row;
  if (kind === "provider" || kind === "provider_deleted") {
    if (row.details === null && row.requestId !== TRIGGERED && kind === "provider") return [];
    const uuid = subject === "" && providerId !== null ? uuidOf(providerId) : subject;
    if (uuid === undefined || uuid === "") return [];
    return [{ ...commonOf(row), consumerUuid: null, providerUuid: canonicalUuid(uuid) }];
  }
  if (kind !== "consumer" && kind !== "consumer_deleted") return [];
  return historyOfConsumer(row);
}

function historyOfConsumer(row: ChangeRow): NewHistoryRow[] {
  const told = readDetails(row.kind, row.details);
  const common = {
    ...commonOf(row),
    consumerUuid: canonicalUuid(row.subject),
    reason: reasonOf(told?.cause),
  };
  const details = told?.details;
  const providers = details?.of === "consumer" ? providersOf(details) : [];
  if (!told || details?.of !== "consumer" || providers.length === 0) {
    return [{ ...common, providerUuid: null }];
  }
  return providers.map((uuid) => ({
    ...common,
    providerUuid: canonicalUuid(uuid),
    details: writeDetails(partOf(details, uuid), told),
  }));
}

function commonOf(row: ChangeRow): Omit<NewHistoryRow, "consumerUuid" | "providerUuid"> {
  return {
    changeId: row.id,
    at: row.createdAt ?? new Date(0),
    kind: row.kind,
    requestId: row.requestId,
    userId: row.userId,
    projectId: row.projectId,
    reason: undefined,
    details: row.details,
  };
}

function providersOf({ was, now }: ConsumerDetails): string[] {
  return was && now ? [...new Set([...Object.keys(was), ...Object.keys(now)])] : [];
}

function partOf(details: ConsumerDetails, uuid: string): ChangeDetails {
  const pick = (held: Holdings | undefined): Holdings => {
    const amounts = held?.[uuid];
    return amounts ? { [uuid]: amounts } : {};
  };
  return { ...details, was: pick(details.was), now: pick(details.now) };
}

/** Whether a row of a consumer does not tell what it held and holds, though that has changed. */
export function isUntold({ kind, consumerUuid, providerUuid, details: text }: HistoryRow): boolean {
  if (consumerUuid === null || providerUuid !== null) return false;
  const details = readDetails(kind, text)?.details;
  return details?.of !== "consumer" || details.isCut === true;
}

const RELEASES = "POST /stowage/v1/releases";

/** What is noted as the cause of a change that a release has made. */
export function causeOfRelease(reason: string | undefined): string {
  return reason === undefined ? RELEASES : `${RELEASES}: ${reason}`;
}

function reasonOf(cause: string | undefined): string | undefined {
  const prefix = `${RELEASES}: `;
  return cause?.startsWith(prefix) ? cause.slice(prefix.length) : undefined;
}
