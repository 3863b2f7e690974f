import { unsuffixedQuery, type CandidateQuery } from "../domain/candidate-query.ts";
import type { Drained, HeldResources, Move, Supposition } from "../domain/fit.ts";
import { findsAnother, openAnchor } from "./anchoring.ts";
import { sortedWithin, STEPS_OF_SEARCH, type Budget } from "./budget.ts";
import { allocationsOf } from "./candidate.ts";
import { Demand } from "./demand.ts";
import { SearchNotes } from "./failed-shapes.ts";
import type { FleetPart } from "./fleet-part.ts";
import { Rooms } from "./rooms.ts";
import { SearchPlan } from "./search-plan.ts";

type Drain = Extract<Supposition, { kind: "drain" }>;

/**
 * Finds other places for what consumers hold of a host: the largest first, each on the first host that has
 * room for all of it (first fit decreasing). Each is asked for as an unsuffixed request, since nobody knows
 * what it was asked for with.
 */
export class Draining {
  readonly #places: readonly { readonly part: FleetPart; readonly rooms: Rooms }[];
  readonly #searches = new Map<string, PlaceSearch[]>();

  constructor(parts: readonly FleetPart[]) {
    this.#places = parts.map((part) => ({ part, rooms: new Rooms(false) }));
  }

  /** What has been claimed from a part. */
  takenFrom(part: FleetPart): Rooms | undefined {
    return this.#places.find((it) => it.part === part)?.rooms;
  }

  /** Pauses each time the budget is used up. */
  *drain(
    drain: Drain,
    consumers: readonly HeldResources[],
    budget: Budget,
  ): Generator<void, Drained> {
    const moves: Move[] = [];
    const notPlaced: HeldResources[] = [];
    for (const held of yield* largestFirst(consumers, budget)) {
      const move = yield* this.#place(drain, held, budget);
      if (move === undefined) notPlaced.push(held);
      else moves.push(move);
    }
    return { consumers: consumers.length, moves, notPlaced };
  }

  *#place(drain: Drain, held: HeldResources, budget: Budget): Generator<void, Move | undefined> {
    for (const search of this.#searchesFor(drain, held, budget)) {
      const move = yield* search.place(held, budget);
      if (move !== undefined) return move;
    }
    return undefined;
  }

  /** Where there is no room for a request there is none later: those who hold the same share a search. */
  #searchesFor(drain: Drain, { resources }: HeldResources, budget: Budget): PlaceSearch[] {
    budget.left -= 1;
    const query = unsuffixedQuery(resources, drain);
    const [group] = query.groups;
    const key = JSON.stringify([
      [...resources].sort(([a], [b]) => (a < b ? -1 : 1)),
      group!.requiredTraits.map((anyOf) => [...anyOf]),
      [...group!.forbiddenTraits],
    ]);
    let searches = this.#searches.get(key);
    if (searches === undefined) {
      budget.left -= STEPS_OF_SEARCH * this.#places.length;
      searches = this.#places.map(({ part, rooms }) => new PlaceSearch(part, rooms, query));
      this.#searches.set(key, searches);
    }
    return searches;
  }
}

/** Looks for hosts with room for one request, one after the other. */
class PlaceSearch {
  readonly #part: FleetPart;
  readonly #rooms: Rooms;
  readonly #plan: SearchPlan;
  readonly #demand: Demand;
  readonly #notes = new SearchNotes();
  readonly #scan: ReturnType<SearchPlan["trees"]>;
  #tree: number | undefined;

  constructor(part: FleetPart, rooms: Rooms, query: CandidateQuery) {
    this.#part = part;
    this.#rooms = rooms;
    this.#plan = new SearchPlan(part.index, part.time, query, { rooms });
    this.#demand = new Demand(this.#plan);
    this.#scan = this.#plan.trees();
  }

  *place(held: HeldResources, budget: Budget): Generator<void, Move | undefined> {
    for (;;) {
      this.#tree ??= this.#scan.next(budget);
      budget.left -= 1;
      if (budget.left <= 0) yield;
      if (this.#tree === undefined) continue;
      if (this.#tree < 0) return undefined;
      const rows = yield* this.#findIn(this.#tree, budget);
      if (rows !== undefined) return this.#move(this.#tree, held, rows);
      this.#tree = undefined;
    }
  }

  *#findIn(tree: number, budget: Budget): Generator<void, readonly number[] | undefined> {
    if (this.#part.rootOf(tree) === undefined) return undefined;
    const root = this.#plan.anchorRoot(tree);
    if (root === undefined) return undefined;
    const search = yield* openAnchor(this.#plan, { tree, root }, this.#notes, budget);
    if (search === undefined || !(yield* findsAnother(search, budget))) return undefined;
    return search.rows;
  }

  #move(tree: number, { consumerUuid }: HeldResources, rows: readonly number[]): Move {
    const { index } = this.#plan;
    this.#demand.take(rows, 1, this.#rooms);
    const root = index.rootOf(tree);
    const allocations = new Map<string, ReadonlyMap<string, number>>();
    for (const [row, amounts] of allocationsOf(this.#plan.choices, rows)) {
      allocations.set(index.uuidOf(row), amounts);
    }
    return {
      consumerUuid,
      to: { uuid: index.uuidOf(root), name: index.nameOf(root) },
      allocations,
    };
  }
}

/** By the largest share that somebody has of all that is held of a class. */
function* largestFirst(
  consumers: readonly HeldResources[],
  budget: Budget,
): Generator<void, HeldResources[]> {
  const sums = new Map<string, number>();
  for (const { resources } of consumers) {
    for (const [name, amount] of resources) sums.set(name, (sums.get(name) ?? 0) + amount);
    budget.left -= resources.size / 4;
    if (budget.left <= 0) yield;
  }
  const shares: { readonly held: HeldResources; readonly share: number }[] = [];
  for (const held of consumers) {
    let share = 0;
    for (const [name, amount] of held.resources) share = Math.max(share, amount / sums.get(name)!);
    shares.push({ held, share });
    budget.left -= held.resources.size / 4;
    if (budget.left <= 0) yield;
  }
  const inOrder = yield* sortedWithin(
    budget,
    shares,
    (a, b) => b.share - a.share || (a.held.consumerUuid < b.held.consumerUuid ? -1 : 1),
  );
  return inOrder.map(({ held }) => held);
}
