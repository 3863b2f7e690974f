import type {
  Failure,
  InventoryFacts,
  NamedProvider,
  NearHost,
  ProviderFailures,
} from "../domain/explanation.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import type { IndexReader, Inventories } from "../index/reader.ts";
import { bitCount, type ConstraintMasks } from "./constraint-masks.ts";
import { largestNow } from "./resource-tallies.ts";
import type { ServedTree } from "./tree-shapes.ts";

/** So many traits or aggregates of a host are told, instead of what it lacks. */
const MAX_TOLD = 100;
/** So many providers of the one host that was asked for are told about. */
const MAX_PROVIDERS = 1000;

/** The rows of a host among which providers are looked for. */
type HostRows = Pick<ServedTree, "root" | "own" | "serving">;

interface Near {
  readonly host: HostRows;
  readonly mask: number;
  readonly failures: number;
  /** The largest share of an amount that is missing. */
  readonly shortness: number;
  readonly name: string;
}

/** The few hosts that fail least (top k): fewest constraints, then the least that is short, then by name. */
export class NearestHosts {
  readonly #index: IndexReader;
  readonly #masks: ConstraintMasks;
  readonly #most: number;
  /** The nearest first. */
  readonly #near: Near[] = [];

  constructor(index: IndexReader, masks: ConstraintMasks, most: number) {
    this.#index = index;
    this.#masks = masks;
    this.#most = most;
  }

  /** Whether a host that fails so much could still be among them. */
  isWanted(mask: number): boolean {
    if (mask === 0 || this.#most === 0) return false;
    return this.#near.length < this.#most || bitCount(mask) <= this.#near.at(-1)!.failures;
  }

  offer(host: HostRows, mask: number): void {
    this.#insert(bitCount(mask), this.#shortnessOf(host, mask), host.root, mask, host);
  }

  /** The same for a host of one provider. */
  offerLone(root: number, mask: number, failures: number, shortness: number): void {
    this.#insert(failures, shortness, root, mask, undefined);
  }

  /** Looks at the name last, and makes nothing of a host that is not among them: hardly any is. */
  #insert(
    failures: number,
    shortness: number,
    root: number,
    mask: number,
    given: HostRows | undefined,
  ): void {
    if (this.#most === 0) return;
    const last = this.#near.length < this.#most ? undefined : this.#near.at(-1)!;
    if (last !== undefined) {
      if (failures > last.failures) return;
      if (failures === last.failures && shortness > last.shortness) return;
    }
    const name = this.#index.nameOf(root);
    if (last?.failures === failures && last.shortness === shortness && name >= last.name) return;
    const host = given ?? { root, own: [root], serving: [] };
    const near: Near = { host, mask, failures, shortness, name };
    let place = this.#near.length;
    while (place > 0 && isNearer(near, this.#near[place - 1]!)) place -= 1;
    this.#near.splice(place, 0, near);
    if (this.#near.length > this.#most) this.#near.pop();
  }

  list(): NearHost[] {
    return this.#near.map(({ host, mask }) => ({
      root: named(this.#index, host.root),
      failures: failuresOf(this.#index, this.#masks, [...host.own, ...host.serving], mask),
    }));
  }

  #shortnessOf({ own, serving }: HostRows, mask: number): number {
    let shortness = 0;
    for (const { bit, column, amount } of this.#masks.resources) {
      if ((mask & bit) === 0) continue;
      let free = 0;
      for (const row of own) free = Math.max(free, largestNow(column, row));
      for (const row of serving) free = Math.max(free, largestNow(column, row));
      shortness = Math.max(shortness, (amount - free) / amount);
    }
    return shortness;
  }
}

function isNearer(one: Near, other: Near): boolean {
  if (one.failures !== other.failures) return one.failures < other.failures;
  if (one.shortness !== other.shortness) return one.shortness < other.shortness;
  return one.name < other.name;
}

/** What each provider of a host fails by itself. */
export function providersOf(
  index: IndexReader,
  masks: ConstraintMasks,
  { root, own, serving }: HostRows,
): ProviderFailures[] {
  const of = (row: number, isShared: boolean): ProviderFailures => {
    const onRoot = row === root ? masks.ofRoot(row) : 0;
    const mask = onRoot | masks.withoutAmounts({ row, root, isShared }) | masks.amounts(row);
    return { provider: named(index, row), failures: failuresOf(index, masks, [row], mask) };
  };
  return [...own.map((row) => of(row, false)), ...serving.map((row) => of(row, true))].slice(
    0,
    MAX_PROVIDERS,
  );
}

function failuresOf(
  index: IndexReader,
  masks: ConstraintMasks,
  rows: readonly number[],
  mask: number,
): Failure[] {
  return masks.constraints.flatMap((constraint, bit): Failure[] => {
    if ((mask & (1 << bit)) === 0) return [];
    if (constraint.kind !== "resource")
      return [{ constraint, ...whatIsThere(index, rows, constraint) }];
    const { column } = masks.resources.find((it) => it.bit === 1 << bit)!;
    const inventory = nearestInventory(index, column, rows, constraint.amount);
    return [{ constraint, ...(inventory && { inventory }) }];
  });
}

function whatIsThere(
  index: IndexReader,
  rows: readonly number[],
  { kind }: NamedConstraint,
): Pick<Failure, "has"> {
  const told = new Set<string>();
  const isAboutTraits = /trait/.test(kind);
  if (!isAboutTraits && !/member_of|aggregate/.test(kind)) return {};
  for (const row of kind.startsWith("root_") ? rows.slice(0, 1) : rows) {
    if (isAboutTraits) {
      for (const id of index.traitSets.members(index.traitSetOf(row))) {
        const name = index.traits.nameOf(id);
        if (name !== undefined) told.add(name);
      }
    } else for (const uuid of index.read(row).aggregates) told.add(uuid);
    if (told.size >= MAX_TOLD) break;
  }
  return { has: [...told].sort().slice(0, MAX_TOLD) };
}

/** Of the inventories of a class, the one with the most room; the largest of those without any. */
function nearestInventory(
  index: IndexReader,
  column: Inventories | undefined,
  rows: readonly number[],
  requested: number,
): InventoryFacts | undefined {
  const [best] = rows
    .filter((row) => column?.has(row) === true)
    .map((row) => ({ row, free: largestNow(column, row), capacity: column!.capacity(row) }))
    .sort((a, b) => b.free - a.free || b.capacity - a.capacity);
  if (best === undefined || column === undefined) return undefined;
  const { row, free, capacity } = best;
  const { used, reserved, minUnit, maxUnit, stepSize } = column.read(row);
  return {
    provider: named(index, row),
    requested,
    free,
    short: Math.max(0, requested - free),
    capacity,
    used,
    reserved,
    minUnit,
    maxUnit,
    stepSize,
  };
}

function named(index: IndexReader, row: number): NamedProvider {
  return { uuid: index.uuidOf(row), name: index.nameOf(row) };
}
