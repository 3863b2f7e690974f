import { countConsumers, listUsages, listUsagesByType, type UsageFilter } from "../db/usages.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import type { Usage } from "../domain/allocation.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { ProviderIndex } from "../index/provider-index.ts";
import { classNamesFor } from "./class-names.ts";
import type { Service } from "./service.ts";

/** Amounts in use by the name of the resource class. */
type UsageByClass = ReadonlyMap<string, number>;

/** What is shown for consumers that have no type. */
export const UNKNOWN_CONSUMER_TYPE = "unknown";
/** Asks for one sum over the consumers of all types. */
const ALL_CONSUMER_TYPES = "all";

export interface UsageOwner {
  /** External ids. */
  readonly projectId: string;
  readonly userId: string | undefined;
}

export function getTotalUsages(
  service: Service,
  context: RequestContext,
  owner: UsageOwner,
): Promise<UsageByClass> {
  return service.read(context, async (tx, index) =>
    byClass(tx, index, await listUsages(tx, { ...owner, consumerType: undefined })),
  );
}

interface TypeUsages {
  readonly consumerCount: number;
  readonly usages: UsageByClass;
}

/**
 * Usages by the name of the consumer type.
 *
 * @param consumerType a type; `unknown` for consumers without one; `all` for one sum over all
 *   types, under that name; `undefined` for each type on its own
 */
export function getUsagesByConsumerType(
  service: Service,
  context: RequestContext,
  owner: UsageOwner,
  consumerType: string | undefined,
): Promise<ReadonlyMap<string, TypeUsages>> {
  return service.read(context, async (tx, index) => {
    if (consumerType === ALL_CONSUMER_TYPES || consumerType === UNKNOWN_CONSUMER_TYPE) {
      const filter: UsageFilter = {
        ...owner,
        consumerType: consumerType === UNKNOWN_CONSUMER_TYPE ? null : undefined,
      };
      const usages = await byClass(tx, index, await listUsages(tx, filter));
      if (usages.size === 0) return new Map();
      return new Map([[consumerType, { consumerCount: await countConsumers(tx, filter), usages }]]);
    }
    const filter = { ...owner, consumerType };
    const byType = await listUsagesByType(tx, filter);
    const all = byType.flatMap(({ usages }) => usages);
    const nameOf = await classNamesFor(tx, index, all);
    return new Map(
      byType.map(({ consumerType: type, consumerCount, usages }) => [
        type ?? UNKNOWN_CONSUMER_TYPE,
        { consumerCount, usages: byName(usages, nameOf) },
      ]),
    );
  });
}

async function byClass(
  tx: ReadTransaction,
  index: ProviderIndex,
  usages: readonly Usage[],
): Promise<UsageByClass> {
  return byName(usages, await classNamesFor(tx, index, usages));
}

function byName(usages: readonly Usage[], nameOf: (id: number) => string): UsageByClass {
  return new Map(usages.map(({ resourceClassId, used }) => [nameOf(resourceClassId), used]));
}
