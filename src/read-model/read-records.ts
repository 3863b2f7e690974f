import type { FeedEntry } from "../db/change-feed.ts";
import type { Change } from "../db/change.ts";
import { listConsumerSpellings } from "../db/consumers.ts";
import { listNames } from "../db/names.ts";
import { listProviderIds, loadProviderRecords } from "../db/provider-records.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import type { NamedRecord, ProviderRecord } from "../domain/provider-record.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../standard/standard-names.ts";
import { FeedReader } from "./feed-reader.ts";

/** So many providers are read at once while the read model is built. */
const BUILD_CHUNK = 1000;

/**
 * Reads again what changes are about. The result puts all of it into a read model at once, so that
 * nobody sees half of a change.
 */
export async function readEffects(
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

export interface ReadAll {
  readonly index: ProviderIndex;
  readonly consumerSpellings: ReadonlyMap<string, string>;
  readonly serversMet: number;
  readonly reader: FeedReader;
}

/** @param serversMet before anything was read */
export async function readAll(tx: ReadTransaction, serversMet: number): Promise<ReadAll> {
  return { ...(await readTables(tx)), serversMet, reader: await FeedReader.atEnd(tx) };
}

/** What Placement's own tables tell. */
export async function readTables(
  tx: ReadTransaction,
): Promise<Pick<ReadAll, "index" | "consumerSpellings">> {
  const index = new ProviderIndex();
  setNames(index, await readNames(tx));
  const ids = await listProviderIds(tx);
  for (let start = 0; start < ids.length; start += BUILD_CHUNK) {
    const records = await loadProviderRecords(tx, ids.slice(start, start + BUILD_CHUNK));
    for (const record of records) index.put(record);
  }
  return { index, consumerSpellings: await listConsumerSpellings(tx) };
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
export function lacksStandardNames({ resourceClasses, traits }: ProviderIndex): boolean {
  return (
    STANDARD_RESOURCE_CLASSES.some((name) => resourceClasses.idOf(name) === undefined) ||
    STANDARD_TRAITS.some((name) => traits.idOf(name) === undefined)
  );
}
