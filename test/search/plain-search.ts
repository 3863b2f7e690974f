import type { CandidateQuery, RequestGroup } from "../../src/domain/candidate-query.ts";
import type { InventoryRecord, ProviderRecord } from "../../src/domain/provider-record.ts";

/**
 * The question that `src/search` answers, answered once more in the most obvious way: straight
 * loops over plain objects, every combination built and then looked at. It shares nothing with the
 * fast search but the types of its input, and follows upstream's description group by group.
 */

export interface Fleet {
  readonly providers: readonly ProviderRecord[];
  /** Ids by name. */
  readonly resourceClasses: Readonly<Record<string, number>>;
  readonly traits: Readonly<Record<string, number>>;
}

export interface PlainCandidate {
  /** Amounts by UUID and resource class. */
  readonly allocations: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** UUIDs by suffix. */
  readonly mappings: Readonly<Record<string, readonly string[]>>;
}

export interface PlainAnswer {
  readonly candidates: readonly PlainCandidate[];
  /** UUIDs of the providers that are summarised. */
  readonly summaries: ReadonlySet<string>;
}

/** What one request group takes when its candidates are anchored in one tree. */
interface GroupCandidate {
  readonly suffix: string;
  readonly takes: readonly Take[];
  readonly providers: readonly ProviderRecord[];
}

interface Take {
  readonly provider: ProviderRecord;
  readonly resourceClass: string;
  readonly amount: number;
}

export function plainSearch(fleet: Fleet, query: CandidateQuery): PlainAnswer {
  const found = new Map<string, { candidate: PlainCandidate; users: readonly ProviderRecord[] }>();
  for (const anchor of fleet.providers.filter((it) => it.parentId === null)) {
    for (const { combination, takes, users } of combinationsOf(fleet, query, anchor)) {
      const candidate = { allocations: allocationsOf(takes), mappings: mappingsOf(combination) };
      found.set(canonical(candidate), { candidate, users });
    }
  }
  const users = [...found.values()].flatMap((it) => it.users);
  const roots = new Set(users.map((it) => it.rootId));
  const summarised = query.isNestedAware
    ? fleet.providers.filter((it) => roots.has(it.rootId))
    : users;
  return {
    candidates: [...found.values()].map((it) => it.candidate),
    summaries: new Set(summarised.map((it) => it.uuid)),
  };
}

/** The UUIDs of the roots of all trees that anchor at least one candidate. */
export function plainAnchors(
  fleet: Fleet,
  query: CandidateQuery,
  ignoresSharedCapacity = false,
): ReadonlySet<string> {
  const roots = fleet.providers.filter((it) => it.parentId === null);
  return new Set(
    roots
      .filter((it) => combinationsOf(fleet, query, it, ignoresSharedCapacity).next().done !== true)
      .map(({ uuid }) => uuid),
  );
}

/** The combinations of what each group takes that hold together, for one anchor. */
function* combinationsOf(
  fleet: Fleet,
  query: CandidateQuery,
  anchor: ProviderRecord,
  ignoresSharedCapacity = false,
) {
  if (!isAnchor(fleet, query, anchor)) return;
  const perGroup = query.groups.map((group) => groupCandidates(fleet, group, anchor));
  for (const combination of product(perGroup)) {
    if (!holdsGroupPolicy(query, combination)) continue;
    if (!holdsSameSubtrees(fleet, query, combination)) continue;
    const takes = combination.flatMap((it) => it.takes);
    if (!ignoresSharedCapacity && exceedsCapacity(fleet, takes)) continue;
    const users = [...new Set(takes.map(({ provider }) => provider))];
    if (!query.isNestedAware && new Set(users.map((it) => it.rootId)).size < users.length) continue;
    yield { combination, takes, users };
  }
}

/** A text that is the same for candidates that are the same. */
export function canonical(candidate: PlainCandidate): string {
  return `${canonicalAllocations(candidate)} ${JSON.stringify(sortedEntries(candidate.mappings))}`;
}

export function canonicalAllocations({ allocations }: PlainCandidate): string {
  return JSON.stringify(
    sortedEntries(allocations).map(([uuid, amounts]) => [uuid, sortedEntries(amounts)]),
  );
}

function sortedEntries<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

// One request group.

function groupCandidates(
  fleet: Fleet,
  group: RequestGroup,
  anchor: ProviderRecord,
): GroupCandidate[] {
  return group.suffix === ""
    ? unsuffixedCandidates(fleet, group, anchor)
    : suffixedCandidates(fleet, group, anchor);
}

/** One provider for everything: of the tree, or a sharing provider that serves the tree. */
function suffixedCandidates(
  fleet: Fleet,
  group: RequestGroup,
  anchor: ProviderRecord,
): GroupCandidate[] {
  const isResourceless = group.resources.size === 0;
  if (isResourceless && group.requiredTraits.length === 0 && group.memberOf.length === 0) return [];
  const tree = inTreeRoot(fleet, group);
  if (tree === "unknown") return [];
  return fleet.providers
    .filter(
      (it) =>
        (it.rootId === anchor.id || servedBy(fleet, it).has(anchor.id)) &&
        [...group.resources].every(([name, amount]) => hasRoom(fleet, it, name, amount)) &&
        (isResourceless || tree === undefined || it.rootId === tree) &&
        hasTraits(fleet, [it], group.requiredTraits) &&
        !hasAnyTrait(fleet, it, group.forbiddenTraits) &&
        isMember(it, group.memberOf) &&
        !it.aggregates.some((uuid) => group.forbiddenAggregates.has(uuid)),
    )
    .map((provider) => ({
      suffix: group.suffix,
      takes: Array.from(group.resources, ([resourceClass, amount]) => ({
        provider,
        resourceClass,
        amount,
      })),
      providers: [provider],
    }));
}

/** A provider per resource class, of the tree or sharing; traits are met by all together. */
function unsuffixedCandidates(
  fleet: Fleet,
  group: RequestGroup,
  anchor: ProviderRecord,
): GroupCandidate[] {
  const tree = inTreeRoot(fleet, group);
  if (tree === "unknown") return [];
  const isForbidden = (it: ProviderRecord) =>
    it.aggregates.some((uuid) => group.forbiddenAggregates.has(uuid));
  const isUsable = (it: ProviderRecord): boolean => {
    if (isForbidden(it) || isForbidden(anchor)) return false;
    if (it.rootId === anchor.id) {
      return (
        (tree === undefined || it.rootId === tree) &&
        (isMember(it, group.memberOf) || isMember(anchor, group.memberOf))
      );
    }
    return tree === undefined && servedBy(fleet, it).has(anchor.id) && isMember(it, group.memberOf);
  };
  const takesPerClass = Array.from(group.resources, ([resourceClass, amount]) =>
    fleet.providers
      .filter((it) => isUsable(it) && hasRoom(fleet, it, resourceClass, amount))
      .map((provider) => ({ provider, resourceClass, amount })),
  );
  return product(takesPerClass)
    .map((takes) => ({
      suffix: "",
      takes,
      providers: [...new Set(takes.map(({ provider }) => provider))],
    }))
    .filter(
      ({ providers }) =>
        hasTraits(fleet, providers, group.requiredTraits) &&
        !providers.some((it) => hasAnyTrait(fleet, it, group.forbiddenTraits)),
    );
}

function inTreeRoot(fleet: Fleet, { inTree }: RequestGroup): number | undefined | "unknown" {
  if (inTree === undefined) return undefined;
  return fleet.providers.find((it) => it.uuid === inTree)?.rootId ?? "unknown";
}

// All request groups together.

function isAnchor(fleet: Fleet, { rootRequired }: CandidateQuery, root: ProviderRecord): boolean {
  if (rootRequired === undefined) return true;
  const required = [...rootRequired.required].map((name) => new Set([name]));
  return hasTraits(fleet, [root], required) && !hasAnyTrait(fleet, root, rootRequired.forbidden);
}

function holdsGroupPolicy(
  { groupPolicy }: CandidateQuery,
  combination: readonly GroupCandidate[],
): boolean {
  if (groupPolicy !== "isolate") return true;
  const suffixed = combination.filter(({ suffix }) => suffix !== "");
  return new Set(suffixed.map((it) => it.providers[0])).size === suffixed.length;
}

function holdsSameSubtrees(
  fleet: Fleet,
  { sameSubtrees }: CandidateQuery,
  combination: readonly GroupCandidate[],
): boolean {
  return [...sameSubtrees].every((suffixes) => {
    const providers = combination
      .filter(({ suffix }) => suffixes.has(suffix))
      .flatMap((it) => it.providers);
    return providers.some((top) => providers.every((it) => isAtOrBelow(fleet, it, top)));
  });
}

function isAtOrBelow(fleet: Fleet, provider: ProviderRecord, top: ProviderRecord): boolean {
  if (provider.id === top.id) return true;
  const parent = fleet.providers.find((it) => it.id === provider.parentId);
  return parent !== undefined && isAtOrBelow(fleet, parent, top);
}

function exceedsCapacity(fleet: Fleet, takes: readonly Take[]): boolean {
  return takes.some(({ provider, resourceClass }) => {
    const inventory = inventoryOf(fleet, provider, resourceClass)!;
    const amount = takes
      .filter((it) => it.provider === provider && it.resourceClass === resourceClass)
      .reduce((sum, it) => sum + it.amount, 0);
    const capacity = Math.trunc((inventory.total - inventory.reserved) * inventory.allocationRatio);
    return inventory.used + amount > capacity || amount > inventory.maxUnit;
  });
}

function allocationsOf(takes: readonly Take[]): PlainCandidate["allocations"] {
  const allocations: Record<string, Record<string, number>> = {};
  for (const { provider, resourceClass, amount } of takes) {
    const amounts = (allocations[provider.uuid] ??= {});
    amounts[resourceClass] = (amounts[resourceClass] ?? 0) + amount;
  }
  return allocations;
}

function mappingsOf(combination: readonly GroupCandidate[]): PlainCandidate["mappings"] {
  return Object.fromEntries(
    combination.map(({ suffix, providers }) => [suffix, providers.map((it) => it.uuid).sort()]),
  );
}

// Providers.

/** The ids of the roots of all trees with a provider in an aggregate of a sharing provider. */
function servedBy(fleet: Fleet, provider: ProviderRecord): Set<number> {
  if (!provider.traitIds.includes(fleet.traits["MISC_SHARES_VIA_AGGREGATE"]!)) return new Set();
  const served = fleet.providers.filter((it) =>
    it.aggregates.some((uuid) => provider.aggregates.includes(uuid)),
  );
  return new Set(served.map((it) => it.rootId));
}

function inventoryOf(
  fleet: Fleet,
  provider: ProviderRecord,
  resourceClass: string,
): InventoryRecord | undefined {
  const id = fleet.resourceClasses[resourceClass];
  return provider.inventories.find((it) => it.resourceClassId === id);
}

function hasRoom(fleet: Fleet, provider: ProviderRecord, name: string, amount: number): boolean {
  const inventory = inventoryOf(fleet, provider, name);
  if (inventory === undefined) return false;
  const { total, reserved, allocationRatio, used, minUnit, maxUnit, stepSize } = inventory;
  return (
    used + amount <= (total - reserved) * allocationRatio &&
    minUnit <= amount &&
    maxUnit >= amount &&
    amount % stepSize === 0
  );
}

function hasTraits(
  fleet: Fleet,
  providers: readonly ProviderRecord[],
  required: readonly ReadonlySet<string>[],
): boolean {
  return required.every((anyOf) => providers.some((it) => hasAnyTrait(fleet, it, anyOf)));
}

function hasAnyTrait(fleet: Fleet, provider: ProviderRecord, names: ReadonlySet<string>): boolean {
  return [...names].some((name) => provider.traitIds.includes(fleet.traits[name]!));
}

function isMember(provider: ProviderRecord, memberOf: RequestGroup["memberOf"]): boolean {
  return memberOf.every((anyOf) => provider.aggregates.some((uuid) => anyOf.has(uuid)));
}

/** Every way to take one of each. */
function product<T>(lists: readonly (readonly T[])[]): T[][] {
  let combinations: T[][] = [[]];
  for (const list of lists) {
    combinations = combinations.flatMap((start) => list.map((item) => [...start, item]));
  }
  return combinations;
}
