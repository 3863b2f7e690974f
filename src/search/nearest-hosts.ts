import type {
  Failure,
  InventoryFacts,
  NamedProvider,
  NearHost,
  ProviderFailures,
} from "../domain/explanation.ts";
import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import { constraintsIn, type ToldConstraint } from "../domain/told-constraints.ts";
import type { IndexReader, Inventories } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { bitCount, type ConstraintMasks } from "./constraint-masks.ts";
import { FailingConstraints } from "./failing-constraints.ts";
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
  readonly #failing: FailingConstraints;
  /** The nearest first. */
  readonly #near: Near[] = [];

  constructor(index: IndexReader, query: CandidateQuery, masks: ConstraintMasks, most: number) {
    this.#index = index;
    this.#masks = masks;
    this.#most = most;
    this.#failing = new FailingConstraints(index, query);
  }

  /** Whether a host that fails so much could still be among them. */
  isWanted(mask: number): boolean {
    if (mask === 0 || this.#most === 0) return false;
    return this.#near.length < this.#most || bitCount(mask) <= this.#near.at(-1)!.failures;
  }

  *offer(host: HostRows, mask: number, budget: Budget): Generator<void, void> {
    const shortness = yield* this.#shortnessOf(host, mask, budget);
    this.#insert(bitCount(mask), shortness, host.root, mask, host);
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

  *list(budget: Budget): Generator<void, NearHost[]> {
    const hosts: NearHost[] = [];
    for (const { host, mask } of this.#near) {
      const failures = yield* this.#failuresOf(host, mask, budget);
      hosts.push({ root: named(this.#index, host.root), failures });
    }
    return hosts;
  }

  /** What each provider of a host fails by itself. */
  *providersOf(
    { root, own, serving }: HostRows,
    budget: Budget,
  ): Generator<void, ProviderFailures[]> {
    const masks = this.#masks;
    const providers: ProviderFailures[] = [];
    for (const row of [...own, ...serving].slice(0, MAX_PROVIDERS)) {
      const isShared = providers.length >= own.length;
      const onRoot = row === root ? masks.ofRoot(row) : 0;
      const mask = onRoot | masks.of({ row, root, isShared });
      const host = { root, own: isShared ? [] : [row], serving: isShared ? [row] : [] };
      const failures = yield* this.#failuresOf(host, mask, budget);
      providers.push({ provider: named(this.#index, row), failures });
      budget.left -= masks.stepsByRow;
      if (budget.left <= 0) yield;
    }
    return providers;
  }

  *#failuresOf(host: HostRows, mask: number, budget: Budget): Generator<void, Failure[]> {
    const { constraints } = this.#masks;
    const failures: Failure[] = [];
    for (let bit = 0; bit < constraints.length; bit++) {
      if ((mask & (1 << bit)) === 0) continue;
      const constraint = constraints[bit]!;
      const facts = yield* this.#factsOf(host, constraint, budget);
      failures.push({ constraint, ...facts });
    }
    return failures;
  }

  *#factsOf(
    host: HostRows,
    constraint: ToldConstraint,
    budget: Budget,
  ): Generator<void, Omit<Failure, "constraint">> {
    const index = this.#index;
    const rows = [...host.own, ...host.serving];
    if (constraint.kind !== "resource") {
      const isTogether = constraint.kind === "together";
      const failing = isTogether ? yield* this.#failing.of(host, constraint, budget) : [];
      const there = yield* whatIsThere(index, rows, kindsIn(constraint), budget);
      return { ...(failing.length > 0 && { failing }), ...there };
    }
    const column = this.#columnOf(constraint);
    const inventory = yield* nearestInventory(index, column, rows, constraint.amount, budget);
    return inventory === undefined ? {} : { inventory };
  }

  #columnOf(constraint: NamedConstraint): Inventories | undefined {
    const { bits, resources } = this.#masks;
    const { bit } = bits.find((it) => it.constraint === constraint)!;
    return resources.find((it) => it.bit === bit)!.column;
  }

  *#shortnessOf({ own, serving }: HostRows, mask: number, budget: Budget): Generator<void, number> {
    let shortness = 0;
    for (const { bit, column, amount } of this.#masks.resources) {
      if ((mask & bit) === 0) continue;
      let free = 0;
      for (const rows of [own, serving]) {
        for (const row of rows) {
          free = Math.max(free, largestNow(column, row));
          budget.left -= 1 / 8;
          if (budget.left <= 0) yield;
        }
      }
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

/** The kinds of what is told about as one thing. */
function kindsIn(told: ToldConstraint): string[] {
  return [...new Set(constraintsIn(told).map(({ kind }) => kind))];
}

/** The traits or aggregates that are there, where something is about these alone. */
function* whatIsThere(
  index: IndexReader,
  rows: readonly number[],
  kinds: readonly string[],
  budget: Budget,
): Generator<void, Pick<Failure, "has">> {
  const isAboutTraits = kinds.every((kind) => kind.includes("trait"));
  if (!isAboutTraits && !kinds.every((kind) => /member_of|aggregate/.test(kind))) return {};
  const told = new Set<string>();
  for (const row of kinds[0]!.startsWith("root_") ? rows.slice(0, 1) : rows) {
    if (isAboutTraits) {
      for (const id of index.traitSets.members(index.traitSetOf(row))) {
        const name = index.traits.nameOf(id);
        if (name !== undefined) told.add(name);
      }
    } else for (const uuid of index.read(row).aggregates) told.add(uuid);
    if (told.size >= MAX_TOLD) break;
    budget.left -= 1;
    if (budget.left <= 0) yield;
  }
  return { has: [...told].sort().slice(0, MAX_TOLD) };
}

/** Of the inventories of a class, the one with the most room; the largest of those without any. */
function* nearestInventory(
  index: IndexReader,
  column: Inventories | undefined,
  rows: readonly number[],
  requested: number,
  budget: Budget,
): Generator<void, InventoryFacts | undefined> {
  if (column === undefined) return undefined;
  let best: { row: number; free: number; capacity: number } | undefined;
  for (const row of rows) {
    budget.left -= 1 / 8;
    if (budget.left <= 0) yield;
    if (!column.has(row)) continue;
    const free = largestNow(column, row);
    const capacity = column.capacity(row);
    const isBetter =
      best === undefined || free > best.free || (free === best.free && capacity > best.capacity);
    if (isBetter) best = { row, free, capacity };
  }
  if (best === undefined) return undefined;
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
