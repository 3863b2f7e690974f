import type { FeedEntry } from "../db/change-feed.ts";
import type { Change } from "../db/change.ts";
import { listConsumerSpellings } from "../db/consumers.ts";
import { findNames, listNames } from "../db/names.ts";
import { listProviderIds, loadProviderRecords } from "../db/provider-records.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import type { NamedRecord, ProviderRecord } from "../domain/provider-record.ts";
import type { NameRegistry } from "../index/name-registry.ts";
import { ProviderIndex } from "../index/provider-index.ts";
import { STANDARD_RESOURCE_CLASSES, STANDARD_TRAITS } from "../standard/standard-names.ts";
import { FeedReader } from "./feed-reader.ts";

/** So many providers are read at once while the read model is built. */
const BUILD_CHUNK = 1000;

/** A subject is needed of those that are about names. */
type NamedChange = Pick<Change | FeedEntry, "kind" | "providerId"> & { readonly subject?: string };

/**
 * Reads again what changes are about. The result puts all of it into a read model at once, so that
 * nobody sees half of a change.
 */
export async function readEffects(
  tx: ReadTransaction,
  changes: readonly NamedChange[],
  known: ProviderIndex,
): Promise<(index: ProviderIndex) => void> {
  const removed = new Set(changes.flatMap(({ providerId }) => providerId ?? []));
  const records: readonly ProviderRecord[] = await loadProviderRecords(tx, [...removed]);
  for (const { id } of records) removed.delete(id);
  const nameAnew = await readChangedNames(tx, changes, records, known);
  return (index) => {
    for (const id of removed) index.remove(id);
    for (const record of records) index.put(record);
    nameAnew(index);
  };
}

/** More names than these are no more than all of them. */
const MAX_NAMES = 1000;

/** Of the names those that have changed: to read 50,000 for each new one took 230 ms. */
async function readChangedNames(
  tx: ReadTransaction,
  changes: readonly NamedChange[],
  records: readonly ProviderRecord[],
  known: ProviderIndex,
): Promise<(index: ProviderIndex) => void> {
  const subjects = { resource_classes: new Set<string>(), traits: new Set<string>() };
  for (const { kind, subject } of changes) {
    const table = TABLE_OF_KIND.get(kind);
    if (table && subject !== undefined) subjects[table].add(subject);
  }
  const isMuch = subjects.resource_classes.size + subjects.traits.size > MAX_NAMES;
  if (isMuch || records.some((record) => !hasNamesOf(known, record))) {
    const names = await readNames(tx);
    return (index) => setNames(index, names);
  }
  const classes = [...subjects.resource_classes];
  const setClasses = await readNamed(tx, "resource_classes", classes, known.resourceClasses);
  const setTraits = await readNamed(tx, "traits", [...subjects.traits], known.traits);
  return (index) => {
    setClasses(index.resourceClasses);
    setTraits(index.traits);
  };
}

/** What has a name by now, and what has become of all that had it: that may be renamed, or gone. */
async function readNamed(
  tx: ReadTransaction,
  table: "resource_classes" | "traits",
  names: readonly string[],
  known: NameRegistry,
): Promise<(registry: NameRegistry) => void> {
  const named = await findNames(tx, table, "name", names);
  const ids = names.flatMap((name) => known.idOf(name) ?? []);
  const found = [...named, ...(await findNames(tx, table, "id", ids))];
  const isThere = new Set(found.map(({ id }) => id));
  return (registry) => {
    for (const id of ids) if (!isThere.has(id)) registry.remove(id);
    for (const record of found) registry.put(record);
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
const TABLE_OF_KIND: ReadonlyMap<string, "resource_classes" | "traits"> = new Map([
  ["resource_class", "resource_classes"],
  ["resource_class_deleted", "resource_classes"],
  ["trait", "traits"],
  ["trait_deleted", "traits"],
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
