import { listStoredAllocations, type StoredAllocation } from "../db/allocations.ts";
import type { DatabaseContext } from "../db/change.ts";
import {
  listConsumersAfter,
  type ConsumerFilter,
  type ConsumerRecord,
} from "../db/consumer-listing.ts";
import { findHeldGrants } from "../db/grants.ts";
import { ResourceClassNotFound, ResourceProviderNotFound } from "../domain/errors.ts";
import type { HeldGrant } from "../domain/lease.ts";
import { canonicalUuid } from "../domain/uuid.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { NONE } from "../index/tree-table.ts";
import { findClassNames } from "./class-names.ts";
import type { Service } from "./service.ts";

/** A consumer with all that it holds. */
export interface HeldConsumer extends Omit<ConsumerRecord, "id"> {
  readonly allocations: readonly HeldAllocation[];
  /** The roots of the trees in which it holds something, without providers that share with others. */
  readonly trees: readonly ProviderName[];
  /** Whether that is all: rows may be of a provider or class that is gone, or was not there a moment before. */
  readonly isWhole: boolean;
  /** Where it was looked for, and there is any. */
  readonly grant?: HeldGrant | undefined;
}

interface ProviderName {
  readonly uuid: string;
  readonly name: string;
}

/** What it holds of one provider. */
interface HeldAllocation {
  readonly provider: ProviderName;
  readonly rootUuid: string;
  /** Amounts by the name of the resource class. */
  readonly resources: ReadonlyMap<string, number>;
}

/** Which consumers are searched for: those to which all of it applies. */
export interface ConsumerQuery {
  readonly uuid?: string;
  readonly projectId?: string;
  readonly userId?: string;
  /** `null` for those without one. */
  readonly type?: string | null;
  readonly providerUuid?: string;
  /** The UUID of any provider of the tree. */
  readonly tree?: string;
  readonly resourceClass?: string;
  readonly createdBefore?: Date;
  readonly updatedBefore?: Date;
  /** Of which the lease has ended, and nothing was taken back yet. */
  readonly hasExpired?: boolean;
  readonly gang?: string;
  /** In how many trees at least it has to hold something. */
  readonly heldOnTrees?: number;
}

/** A page of them, and the id that the next one begins after, where there may be one. */
interface ConsumerPage {
  readonly consumers: readonly HeldConsumer[];
  readonly next: number | undefined;
}

/** So many are read at once: a few milliseconds of work. */
const PAGE_ROWS = 500;
/** So many are looked at for one answer where the tables cannot tell which are meant. */
const MAX_LOOKED_AT = 20_000;

/** They are in a table of ours, which a database that is only read need not have. */
const WITH_GRANTS = { hasGrants: true };

/** Providers whose inventory others use as well. */
const SHARES_VIA_AGGREGATE = "MISC_SHARES_VIA_AGGREGATE";

/**
 * Searches by key, in the order in which consumers were made.
 *
 * @throws ResourceProviderNotFound, ResourceClassNotFound
 */
export async function searchConsumers(
  service: Service,
  context: () => DatabaseContext,
  query: ConsumerQuery,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<ConsumerPage> {
  const { heldOnTrees = 0 } = query;
  const filter = filterOf(service, await service.freshIndex(context()), query);
  const consumers: HeldConsumer[] = [];
  let lastId = after;
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT;) {
    const wanted = heldOnTrees > 0 ? PAGE_ROWS : Math.min(limit, PAGE_ROWS);
    const page = await readPage(service, context(), filter, lastId, wanted, WITH_GRANTS);
    for (const [id, consumer] of page) {
      lastId = id;
      if (consumer.trees.length >= heldOnTrees) consumers.push(consumer);
      if (consumers.length === limit) return { consumers, next: lastId };
    }
    if (page.length < wanted) return { consumers, next: undefined };
    lookedAt += page.length;
  }
  return { consumers, next: lastId };
}

/** Undefined where there is none of that UUID. */
export async function findHeldConsumer(
  service: Service,
  context: DatabaseContext,
  uuid: string,
): Promise<HeldConsumer | undefined> {
  const stored = service.storedConsumer(canonicalUuid(uuid));
  const [found] = await readPage(service, context, { uuid: stored }, 0, 1, WITH_GRANTS);
  return found?.[1];
}

/** All consumers, page by page, each of its own moment; with their ids. */
export async function* listConsumerPages(
  service: Service,
  context: () => DatabaseContext,
  query: Pick<ConsumerQuery, "tree"> = {},
): AsyncGenerator<readonly HeldConsumer[]> {
  const filter = filterOf(service, await service.freshIndex(context()), query);
  for (let lastId = 0; ;) {
    const page = await readPage(service, context(), filter, lastId, PAGE_ROWS);
    yield page.map(([, consumer]) => consumer);
    if (page.length < PAGE_ROWS) return;
    lastId = page.at(-1)![0];
  }
}

function readPage(
  service: Service,
  context: DatabaseContext,
  filter: ConsumerFilter,
  after: number,
  count: number,
  { hasGrants }: { readonly hasGrants: boolean } = { hasGrants: false },
): Promise<[id: number, consumer: HeldConsumer][]> {
  return service.read(context, async (tx, index) => {
    const records = await listConsumersAfter(tx, filter, after, count);
    const uuids = records.map(({ uuid }) => uuid);
    const stored = await listStoredAllocations(tx, uuids);
    const findName = await findClassNames(tx, index, stored);
    const granted = hasGrants ? await findHeldGrants(tx, uuids) : undefined;
    const held = Map.groupBy(stored, ({ consumerUuid }) => consumerUuid);
    return records.map(({ id, ...record }) => [
      id,
      {
        ...record,
        uuid: canonicalUuid(record.uuid),
        ...placesOf(index, held.get(record.uuid) ?? [], findName),
        grant: granted?.get(record.uuid),
      },
    ]);
  });
}

function placesOf(
  index: ProviderIndex,
  stored: readonly StoredAllocation[],
  findName: (classId: number) => string | undefined,
): Pick<HeldConsumer, "allocations" | "trees" | "isWhole"> {
  let isWhole = true;
  const allocations: HeldAllocation[] = [];
  const trees = new Map<string, ProviderName>();
  const byProvider = Map.groupBy(stored, ({ resourceProviderId }) => resourceProviderId);
  for (const [providerId, rows] of byProvider) {
    const row = index.findRowById(providerId);
    if (row === undefined) {
      isWhole = false;
      continue;
    }
    const resources = new Map<string, number>();
    for (const { resourceClassId, used } of rows) {
      const name = findName(resourceClassId);
      if (name === undefined) isWhole = false;
      else resources.set(name, (resources.get(name) ?? 0) + used);
    }
    const root = index.rootOf(index.treeOf(row));
    const top = providerName(index, root === NONE ? row : root);
    allocations.push({ provider: providerName(index, row), rootUuid: top.uuid, resources });
    if (!isShared(index, row)) trees.set(top.uuid, top);
  }
  return { allocations, trees: [...trees.values()], isWhole };
}

function providerName(index: ProviderIndex, row: number): ProviderName {
  return { uuid: index.uuidOf(row), name: index.nameOf(row) };
}

function isShared(index: ProviderIndex, row: number): boolean {
  const trait = index.traits.idOf(SHARES_VIA_AGGREGATE);
  return trait !== undefined && index.traitSets.has(index.traitSetOf(row), trait);
}

function filterOf(service: Service, index: ProviderIndex, query: ConsumerQuery): ConsumerFilter {
  const { uuid, providerUuid, tree, resourceClass, heldOnTrees: _, ...rest } = query;
  return {
    ...rest,
    ...(uuid !== undefined && { uuid: service.storedConsumer(canonicalUuid(uuid)) }),
    ...(providerUuid !== undefined && { providerId: index.idOf(rowOf(index, providerUuid)) }),
    ...(tree !== undefined && { rootId: index.trees.rootId(index.treeOf(rowOf(index, tree))) }),
    ...(resourceClass !== undefined && { resourceClassId: classIdOf(index, resourceClass) }),
  };
}

function rowOf(index: ProviderIndex, uuid: string): number {
  const row = index.findRow(uuid);
  if (row === undefined) throw new ResourceProviderNotFound(uuid);
  return row;
}

function classIdOf(index: ProviderIndex, name: string): number {
  const id = index.resourceClasses.idOf(name);
  if (id === undefined) throw new ResourceClassNotFound(name);
  return id;
}
