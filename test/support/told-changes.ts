import { expect } from "vitest";

import type { Database } from "../../src/db/database.ts";
import {
  readDetails,
  type ChangeDetails,
  type Holdings,
  type ToldChange,
} from "../../src/domain/change-details.ts";

const CONTEXT = { requestId: "req-1", userId: undefined, projectId: undefined };

/** As a provider that is given a total of eight has it. */
export const INVENTORY = {
  total: 8,
  reserved: 0,
  minUnit: 1,
  maxUnit: 2147483647,
  stepSize: 1,
  allocationRatio: 1,
};

interface FeedRow {
  readonly kind: string;
  readonly subject: string;
  readonly text: string | null;
  readonly told: ToldChange | undefined;
}

/** The feed as a client sees it, in the order of the ids. */
export async function feedOf(database: Database): Promise<FeedRow[]> {
  const rows = await database.reader(CONTEXT, (tx) =>
    tx.query
      .selectFrom("stowage_changes as sc")
      .select(["sc.kind", "sc.subject", "sc.details"])
      .where("sc.kind", "not in", ["settled", "gap"])
      .orderBy("sc.id")
      .execute(),
  );
  return rows.map(({ kind, subject, details }) => ({
    kind,
    subject,
    text: details,
    told: readDetails(kind, details),
  }));
}

/** The rows that come: kind, subject and details. */
export class FeedNews {
  readonly #database: Database;
  #read: number;

  private constructor(database: Database, read: number) {
    this.#database = database;
    this.#read = read;
  }

  static async of(database: Database): Promise<FeedNews> {
    return new FeedNews(database, (await feedOf(database)).length);
  }

  /** Those that came since this was called last. */
  async next(): Promise<(readonly [string, string, ChangeDetails | undefined])[]> {
    const fresh = await this.nextRows();
    return fresh.map(({ kind, subject, told }) => [kind, subject, told?.details]);
  }

  async nextRows(): Promise<FeedRow[]> {
    const rows = await feedOf(this.#database);
    const fresh = rows.slice(this.#read);
    this.#read = rows.length;
    return fresh;
  }
}

/** What consumers hold after all changes; fails where one does not begin where the one before ended. */
export function replay(rows: readonly FeedRow[]): Map<string, Holdings> {
  const held = new Map<string, Holdings>();
  for (const { subject, told } of rows) {
    if (told?.details.of !== "consumer") continue;
    const { was, now } = told.details;
    expect(was).toEqual(held.get(subject) ?? {});
    if (now && Object.keys(now).length > 0) held.set(subject, now);
    else held.delete(subject);
  }
  return held;
}

/** What consumers hold according to the table of allocations. */
export async function storedHoldings(database: Database): Promise<Map<string, Holdings>> {
  const rows = await database.reader(CONTEXT, (tx) =>
    tx.query
      .selectFrom("allocations as a")
      .innerJoin("resource_providers as rp", "rp.id", "a.resource_provider_id")
      .innerJoin("resource_classes as rc", "rc.id", "a.resource_class_id")
      .select(["a.consumer_id", "rp.uuid", "rc.name", "a.used"])
      .execute(),
  );
  const held = new Map<string, Record<string, Record<string, number>>>();
  for (const { consumer_id: consumer, uuid, name, used } of rows) {
    const holdings = held.get(consumer) ?? {};
    held.set(consumer, holdings);
    (holdings[uuid] ??= {})[name] = used;
  }
  return held;
}
