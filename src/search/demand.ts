import type { Inventories } from "../index/reader.ts";
import type { AnchorProviders } from "./anchor-providers.ts";
import type { Rooms } from "./rooms.ts";
import type { SearchPlan } from "./search-plan.ts";

/** What the choices of a query ask of one resource class. */
interface ClassDemand {
  readonly name: string;
  readonly column: Inventories;
  /** Of all choices together. */
  readonly total: number;
  readonly takes: readonly { readonly choice: number; readonly amount: number }[];
}

/** What one provider allows: written again and again, since there are very many such hosts. */
interface LoneBound {
  now: number;
  boundedBy: string;
  ifEmpty: number;
}

/** What the sums of free amounts allow in a tree, and the class that allows least. */
interface Bound {
  readonly atMost: number;
  readonly boundedBy: string;
}

/** What one candidate of a query takes, whichever it is: for a plan that is not hopeless. */
export class Demand {
  readonly #plan: SearchPlan;
  readonly #classes: readonly ClassDemand[];

  constructor(plan: SearchPlan) {
    this.#plan = plan;
    const takes = plan.choices.flatMap(({ needs }, choice) =>
      needs.map((need) => ({ choice, ...need })),
    );
    this.#classes = Array.from(
      Map.groupBy(takes, ({ resourceClassId }) => resourceClassId).values(),
      (ofClass) => ({
        name: ofClass[0]!.resourceClass,
        column: ofClass[0]!.column!,
        total: ofClass.reduce((sum, { amount }) => sum + amount, 0),
        takes: ofClass,
      }),
    );
  }

  /** How often one provider can be all of a candidate, now and if nothing were claimed, once it can. */
  boundLone(row: number, bound: LoneBound): void {
    bound.now = Infinity;
    bound.ifEmpty = Infinity;
    for (let number = 0; number < this.#classes.length; number++) {
      const { name, column, total } = this.#classes[number]!;
      const capacity = column.capacity(row);
      const now = Math.floor((capacity - column.used(row)) / total);
      if (now < bound.now) {
        bound.now = now;
        bound.boundedBy = name;
      }
      bound.ifEmpty = Math.min(bound.ifEmpty, Math.floor(capacity / total));
    }
  }

  /** Whether nothing of what is asked for has been claimed from some providers. */
  isUnused(rows: readonly number[]): boolean {
    for (const { column } of this.#classes) {
      for (const row of rows) if (column.has(row) && column.used(row) > 0) return false;
    }
    return true;
  }

  /** How often a candidate can be claimed, one after the other. */
  timesOf(rows: readonly number[], rooms: Rooms): number {
    let times = Infinity;
    for (const { column, takes } of this.#classes) {
      for (const [row, amount] of amountsByRow(takes, rows)) {
        times = Math.min(times, Math.floor(rooms.free(column, row) / amount));
      }
    }
    return Math.max(0, times);
  }

  /** Claims a candidate so many times. */
  take(rows: readonly number[], times: number, rooms: Rooms): void {
    for (const { column, takes } of this.#classes) {
      for (const { choice, amount } of takes) rooms.take(column, rows[choice]!, amount * times);
    }
  }

  /** How much a candidate asks for, all classes taken for the same. */
  get amount(): number {
    return this.#classes.reduce((sum, { total }) => sum + total, 0);
  }

  /** The mean share of the inventories that a candidate takes from which would be in use with it. */
  shareInUse(rows: readonly number[], rooms: Rooms): number {
    let [sum, count] = [0, 0];
    for (const { column, takes } of this.#classes) {
      for (const [row, amount] of amountsByRow(takes, rows)) {
        const capacity = column.capacity(row);
        sum += (capacity - rooms.free(column, row) + amount) / capacity;
        count += 1;
      }
    }
    return count === 0 ? 0 : sum / count;
  }

  /**
   * What the providers of a tree that can be chosen have free allows: each choice needs its amounts from
   * one of them, and all together need the total.
   */
  bound(providers: AnchorProviders, rooms: Rooms): Bound {
    const sums = new Sums(this.#plan, rooms);
    sums.add(providers);
    return sums.bound(this.#classes);
  }

  /** Adds up the same for many trees, with what they have in common counted once. */
  boundOfMany(rooms: Rooms): { add(providers: AnchorProviders): void; readonly atMost: number } {
    const sums = new Sums(this.#plan, rooms);
    const classes = this.#classes;
    return {
      add: (providers) => sums.add(providers),
      get atMost() {
        return sums.bound(classes).atMost;
      },
    };
  }
}

/** Per choice, how often the providers seen so far could be chosen for it. */
class Sums {
  readonly #plan: SearchPlan;
  readonly #rooms: Rooms;
  readonly #rows: readonly Set<number>[];
  readonly #times: number[];

  constructor(plan: SearchPlan, rooms: Rooms) {
    this.#plan = plan;
    this.#rooms = rooms;
    this.#rows = plan.choices.map(() => new Set());
    this.#times = plan.choices.map(() => 0);
  }

  add({ rows, order, options }: AnchorProviders): void {
    for (let depth = 0; depth < order.length; depth++) {
      const choice = order[depth]!;
      const seen = this.#rows[choice]!;
      for (const provider of options[depth]!) {
        const row = rows[provider]!;
        if (seen.has(row)) continue;
        seen.add(row);
        this.#times[choice]! += this.#timesOf(choice, row);
      }
    }
  }

  bound(classes: readonly ClassDemand[]): Bound {
    let atMost = Infinity;
    for (const times of this.#times) atMost = Math.min(atMost, times);
    let least = Infinity;
    let boundedBy = "";
    for (const demand of classes) {
      const times = this.#boundOf(demand);
      if (times >= least) continue;
      least = times;
      boundedBy = demand.name;
    }
    return { atMost: Math.min(atMost, least), boundedBy };
  }

  #timesOf(choice: number, row: number): number {
    let times = Infinity;
    for (const { column, amount } of this.#plan.choices[choice]!.needs) {
      times = Math.min(times, Math.floor(this.#rooms.free(column!, row) / amount));
    }
    return times;
  }

  #boundOf({ column, total, takes }: ClassDemand): number {
    let least = Infinity;
    for (const { choice, amount } of takes) {
      let times = 0;
      for (const row of this.#rows[choice]!) {
        times += Math.floor(this.#rooms.free(column, row) / amount);
      }
      least = Math.min(least, times);
    }
    if (takes.length === 1) return least;
    let free = 0;
    for (const row of new Set(takes.flatMap(({ choice }) => [...this.#rows[choice]!]))) {
      free += this.#rooms.free(column, row);
    }
    return Math.min(least, Math.floor(free / total));
  }
}

/** What choices take of one class, by the provider that is chosen for them. */
function amountsByRow(
  takes: ClassDemand["takes"],
  rows: readonly number[],
): Iterable<readonly [row: number, amount: number]> {
  if (takes.length === 1) return [[rows[takes[0]!.choice]!, takes[0]!.amount]];
  const amounts = new Map<number, number>();
  for (const { choice, amount } of takes) {
    const row = rows[choice]!;
    amounts.set(row, (amounts.get(row) ?? 0) + amount);
  }
  return amounts;
}
