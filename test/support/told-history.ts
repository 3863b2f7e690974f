import { expect } from "vitest";

import type { Database } from "../../src/db/database.ts";
import { readDetails, type Holdings } from "../../src/domain/change-details.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

interface Row {
  readonly id: number;
  readonly change_id: number;
  readonly kind: string;
  readonly consumer_uuid: string | null;
  readonly provider_uuid: string | null;
  readonly details: string | null;
}

/** The history as it is in its table, in the order in which it was written. */
export function historyRows(database: Database): Promise<Row[]> {
  return database.reader(CONTEXT, (tx) =>
    tx.query
      .selectFrom("stowage_history as h")
      .select(["h.id", "h.change_id", "h.kind", "h.consumer_uuid", "h.provider_uuid", "h.details"])
      .orderBy("h.id")
      .execute(),
  );
}

/**
 * What consumers hold after all that the history tells; fails where a change does not begin where the one before
 * ended, at any provider, or is told twice.
 */
export function replayHistory(rows: readonly Row[]): Map<string, Holdings> {
  const held = new Map<string, Record<string, Readonly<Record<string, number>>>>();
  const told = new Set<string>();
  for (const {
    change_id: change,
    kind,
    consumer_uuid: consumer,
    provider_uuid: provider,
    ...row
  } of rows) {
    const key = `${change} ${consumer} ${provider}`;
    expect(told).not.toContain(key);
    told.add(key);
    const details = readDetails(kind, row.details)?.details;
    if (consumer === null || provider === null || details?.of !== "consumer") continue;
    const holdings = held.get(consumer) ?? {};
    expect(details.was?.[provider]).toEqual(holdings[provider]);
    const now = details.now?.[provider];
    if (now) holdings[provider] = now;
    else delete holdings[provider];
    if (Object.keys(holdings).length > 0) held.set(consumer, holdings);
    else held.delete(consumer);
  }
  return held;
}
