import type { InventoryAmounts } from "./inventory.ts";

/**
 * What a row of the change feed tells beyond what has changed: from what to what. This is the one place that
 * knows the form in which that is stored.
 *
 * The form grows by addition: whoever reads it passes over members that it does not know. A change of meaning
 * would get a member `v`, and whoever does not know its value takes the row for one without details, as those
 * are that an earlier release or another program has written.
 */
export type ChangeDetails = ConsumerDetails | ProviderDetails | NameDetails;

/** What a consumer holds: amounts by the name of the resource class, by the UUID of the provider. */
export type Holdings = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What was, and what is; `null` for what was not or is no more. */
export type FromTo<Value> = readonly [was: Value | null, now: Value | null];

/** Of a consumer that has changed, or is gone. */
export interface ConsumerDetails {
  readonly of: "consumer";
  /** The new one; undefined for a consumer that is gone. */
  readonly generation: number | undefined;
  /** Whose it is; of one that is gone, whose it was. */
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  readonly consumerType: string | undefined;
  /** Those of the three that were another. */
  readonly formerly?: {
    readonly projectId?: string;
    readonly userId?: string;
    readonly consumerType?: string | null;
  };
  /** Undefined where it holds what it held, and where that is too long to be told: `isCut` tells which. */
  readonly was?: Holdings;
  readonly now?: Holdings;
  readonly isCut?: boolean;
}

/** Of a provider that has changed, or is gone: each member only where it is another than before. */
export interface ProviderDetails {
  readonly of: "provider";
  /** The new one; undefined for a provider that is gone. */
  readonly generation?: number;
  readonly name?: FromTo<string>;
  /** UUIDs. */
  readonly parent?: FromTo<string>;
  readonly root?: FromTo<string>;
  /** By the name of the resource class. */
  readonly inventories?: Readonly<Record<string, FromTo<InventoryAmounts>>>;
  readonly traits?: AddedAndRemoved;
  /** UUIDs. */
  readonly aggregates?: AddedAndRemoved;
  /** Whether inventories, traits and aggregates are left out, because they are too long to be told. */
  readonly isCut?: boolean;
}

export interface AddedAndRemoved {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Of a resource class, trait or consumer type. */
interface NameDetails {
  readonly of: "name";
  readonly name: FromTo<string>;
}

/** Of a name that was made. */
export function made(name: string): NameDetails {
  return { of: "name", name: [null, name] };
}

/** Of a name that was removed. */
export function removed(name: string): NameDetails {
  return { of: "name", name: [name, null] };
}

/** A change as it was told. */
export interface ToldChange extends ChangeOrigin {
  readonly details: ChangeDetails;
}

/** Under which request of which client a change was made, besides the request id. */
interface ChangeOrigin {
  /** The id that the client gave to the larger operation. */
  readonly globalRequestId?: string | undefined;
  /** What was asked for: method and path without what the path names, such as `PUT /allocations`. */
  readonly cause?: string | undefined;
}

/**
 * A row is read whole, some hundreds at once, by each process that listens: so its details have at most so
 * many characters, which takes a claim on a thousand providers. Of a longer one amounts are left out, with a
 * note that they are.
 */
export const MAX_DETAILS_LENGTH = 64 * 1024;

/**
 * The text that is stored, of ASCII, so that the character set of a database has no say in it; `null` where
 * nothing is told.
 */
export function writeDetails(
  details: ChangeDetails | undefined,
  origin: ChangeOrigin,
): string | null {
  if (!details) return null;
  const text = toText(details, origin);
  return text.length <= MAX_DETAILS_LENGTH ? text : toText(cut(details), origin);
}

/**
 * @param kind of the change
 * @returns undefined where nothing is told, or nothing that is known here
 */
export function readDetails(kind: string, text: string | null): ToldChange | undefined {
  if (text === null) return undefined;
  try {
    const stored = JSON.parse(text) as Stored;
    if (typeof stored !== "object" || stored.v !== undefined) return undefined;
    return { details: fromStored(kind, stored), globalRequestId: stored.q, cause: stored.c };
  } catch {
    return undefined;
  }
}

/** What differs between two sets of inventories, each by the id of the class. */
export function compareInventories(
  was: ReadonlyMap<number, InventoryAmounts>,
  now: ReadonlyMap<number, InventoryAmounts>,
  classNameOf: (id: number) => string,
): Readonly<Record<string, FromTo<InventoryAmounts>>> {
  const changed: Record<string, FromTo<InventoryAmounts>> = {};
  for (const id of new Set([...was.keys(), ...now.keys()])) {
    const [before, after] = [was.get(id) ?? null, now.get(id) ?? null];
    if (before && after && String(toNumbers(before)) === String(toNumbers(after))) continue;
    changed[classNameOf(id)] = [before, after];
  }
  return changed;
}

/** The members are short, as there is a row for each claim: some 200 bytes, half of them UUIDs. */
interface Stored {
  readonly v?: unknown;
  /** The global request id. */
  readonly q?: string | undefined;
  readonly c?: string | undefined;
  readonly g?: number | undefined;
  readonly p?: string | undefined;
  readonly u?: string | undefined;
  readonly t?: string | undefined;
  /** What `p`, `u` and `t` were. */
  readonly f?: { readonly p?: string; readonly u?: string; readonly t?: string | null } | undefined;
  readonly was?: Holdings | undefined;
  readonly now?: Holdings | undefined;
  readonly cut?: 1 | undefined;
  readonly name?: FromTo<string> | undefined;
  readonly parent?: FromTo<string> | undefined;
  readonly root?: FromTo<string> | undefined;
  readonly inventories?: Readonly<Record<string, FromTo<Numbers>>> | undefined;
  /** Added and removed. */
  readonly traits?: readonly [readonly string[], readonly string[]] | undefined;
  readonly aggregates?: readonly [readonly string[], readonly string[]] | undefined;
}

/** total, reserved, min_unit, max_unit, step_size, allocation_ratio */
type Numbers = readonly [number, number, number, number, number, number];

function toText(details: ChangeDetails, { globalRequestId, cause }: ChangeOrigin): string {
  const stored: Stored = { ...toStored(details), c: cause, q: globalRequestId };
  return JSON.stringify(stored).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function toStored(details: ChangeDetails): Stored {
  if (details.of === "name") return { name: details.name };
  const isCut = details.isCut ? 1 : undefined;
  if (details.of === "consumer") {
    const { generation: g, projectId: p, userId: u, consumerType: t, formerly, was, now } = details;
    return { g, p, u, t, f: formerly && toFormer(formerly), was, now, cut: isCut };
  }
  const { generation: g, name, parent, root, inventories, traits, aggregates } = details;
  return {
    g,
    name,
    parent,
    root,
    inventories: inventories && mapValues(inventories, (each) => mapBoth(each, toNumbers)),
    traits: traits && [traits.added, traits.removed],
    aggregates: aggregates && [aggregates.added, aggregates.removed],
    cut: isCut,
  };
}

function fromStored(kind: string, stored: Stored): ChangeDetails {
  const { g, p, u, t, f, was, now, name, parent, root, inventories, traits, aggregates } = stored;
  const isCut = stored.cut ? { isCut: true } : {};
  if (kind.startsWith("consumer") && !kind.startsWith("consumer_type")) {
    return {
      of: "consumer",
      generation: g,
      projectId: p,
      userId: u,
      consumerType: t,
      ...(f && { formerly: fromFormer(f) }),
      ...(was && { was }),
      ...(now && { now }),
      ...isCut,
    };
  }
  if (!kind.startsWith("provider")) return { of: "name", name: name ?? [null, null] };
  return {
    of: "provider",
    ...(g !== undefined && { generation: g }),
    ...(name && { name }),
    ...(parent && { parent }),
    ...(root && { root }),
    ...(inventories && {
      inventories: mapValues(inventories, (each) => mapBoth(each, fromNumbers)),
    }),
    ...(traits && { traits: { added: traits[0], removed: traits[1] } }),
    ...(aggregates && { aggregates: { added: aggregates[0], removed: aggregates[1] } }),
    ...isCut,
  };
}

function cut(details: ChangeDetails): ChangeDetails {
  if (details.of === "name") return details;
  if (details.of === "consumer") {
    const { was: _was, now: _now, ...rest } = details;
    return { ...rest, isCut: true };
  }
  const { inventories: _inventories, traits: _traits, aggregates: _aggregates, ...rest } = details;
  return { ...rest, isCut: true };
}

function toFormer({
  projectId: p,
  userId: u,
  consumerType: t,
}: NonNullable<ConsumerDetails["formerly"]>): NonNullable<Stored["f"]> {
  return {
    ...(p !== undefined && { p }),
    ...(u !== undefined && { u }),
    ...(t !== undefined && { t }),
  };
}

function fromFormer({ p, u, t }: NonNullable<Stored["f"]>): ConsumerDetails["formerly"] & {} {
  return {
    ...(p !== undefined && { projectId: p }),
    ...(u !== undefined && { userId: u }),
    ...(t !== undefined && { consumerType: t }),
  };
}

function toNumbers(inventory: InventoryAmounts): Numbers {
  const { total, reserved, minUnit, maxUnit, stepSize, allocationRatio } = inventory;
  return [total, reserved, minUnit, maxUnit, stepSize, allocationRatio];
}

function fromNumbers(numbers: Numbers): InventoryAmounts {
  const [total, reserved, minUnit, maxUnit, stepSize, allocationRatio] = numbers;
  return { total, reserved, minUnit, maxUnit, stepSize, allocationRatio };
}

function mapBoth<From, To>([was, now]: FromTo<From>, map: (value: From) => To): FromTo<To> {
  return [was && map(was), now && map(now)];
}

function mapValues<From, To>(
  values: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}
