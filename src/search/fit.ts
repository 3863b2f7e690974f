import type { CandidateQuery } from "../domain/candidate-query.ts";
import { type Fit, type FitTerms, MAX_PER_HOST } from "../domain/fit.ts";
import type { Budget } from "./budget.ts";
import { Demand } from "./demand.ts";
import { queryOfCopy } from "./emptied-trees.ts";
import { SearchNotes } from "./failed-shapes.ts";
import { type Filling, fillTree, type FillingPlan } from "./fill-tree.ts";
import { FilledTrees, Trial } from "./filled-trees.ts";
import { FitTally, withinHostLimit } from "./fit-tally.ts";
import type { FleetPart } from "./fleet-part.ts";
import { Rooms } from "./rooms.ts";
import { SearchPlan } from "./search-plan.ts";

/**
 * Counts how often a query can be claimed, as if nothing else were: each candidate is claimed as often as it
 * fits, host by host, until none is left. Exact for hosts of one provider; for others a number that can be
 * reached, beside one that cannot be exceeded.
 *
 * Pauses each time the budget is used up, which whoever goes on fills up again; what goes on after others
 * had their turn needs a view of each part to be open.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export class FitCount {
  readonly #terms: FitTerms;
  readonly #tally: FitTally;
  readonly #parts: readonly PartCount[];

  /** Names are looked up at once. */
  constructor(parts: readonly FleetPart[], query: CandidateQuery, terms: FitTerms) {
    const [main] = parts;
    this.#terms = terms;
    this.#tally = new FitTally(terms);
    this.#parts = parts.map(
      (part) => new PartCount(part, part === main ? query : queryOfCopy(main!.index, query)),
    );
  }

  /** @param ofHosts how many hosts there are in all parts */
  *run(ofHosts: number, budget: Budget): Generator<void, Fit> {
    let pooledAtMost = 0;
    for (const part of this.#parts) {
      yield* part.prepare(budget);
      yield* part.countAlone(this.#tally, this.#terms, budget);
      pooledAtMost += yield* part.countPooled(this.#tally, this.#terms, budget);
    }
    return this.#tally.result(ofHosts, pooledAtMost);
  }
}

/** The query in one part of the fleet. */
class PartCount {
  readonly #part: FleetPart;
  readonly #query: CandidateQuery;
  readonly #plan: SearchPlan;
  readonly #demand: Demand;
  readonly #notes = new SearchNotes();
  readonly #now: FillingPlan;
  readonly #ifEmpty: FillingPlan;
  readonly #isPooled: boolean;
  readonly #filled: FilledTrees;
  readonly #trials = [new Trial(), new Trial()] as const;

  constructor(part: FleetPart, query: CandidateQuery) {
    this.#part = part;
    this.#query = query;
    this.#plan = new SearchPlan(part.index, part.time, query);
    this.#demand = new Demand(this.#plan);
    this.#filled = new FilledTrees(this.#plan);
    this.#now = this.#fillingPlan(false);
    this.#ifEmpty = this.#fillingPlan(true);
    this.#isPooled = part.hasPools;
  }

  #fillingPlan(isEmpty: boolean): FillingPlan {
    const { index, time } = this.#part;
    const rooms = new Rooms(isEmpty);
    const plan = new SearchPlan(index, time, this.#query, { rooms });
    return { plan, rooms, demand: new Demand(plan), notes: this.#notes };
  }

  /** Finds out who shares what. */
  *prepare(budget: Budget): Generator<void, void> {
    for (const { sharing } of [this.#plan, this.#now.plan, this.#ifEmpty.plan]) {
      while (!sharing.collect(budget)) yield;
    }
  }

  /** Hosts that share nothing with others: each by itself, now and if nothing were claimed. */
  *countAlone(tally: FitTally, terms: FitTerms, budget: Budget): Generator<void, void> {
    const plan = this.#plan;
    const part = this.#part;
    const scan = plan.trees();
    for (;;) {
      budget.left -= 1;
      if (budget.left <= 0) yield;
      const tree = scan.next(budget);
      if (tree === undefined) continue;
      if (tree < 0) return;
      const root = plan.anchorRoot(tree);
      if (root === undefined || part.isLeftOut(tree) || (this.#isPooled && part.isPooled(tree)))
        continue;
      if (part.index.trees.nextRow(root) === root) this.#addLone(root, tally, terms);
      else yield* this.#addTree({ tree, root }, tally, terms, budget);
    }
  }

  #addLone(root: number, tally: FitTally, terms: FitTerms): void {
    const plan = this.#plan;
    const { index } = plan;
    const { maxPerHost } = terms;
    const fits = plan.meetsAlone(root);
    if (!fits && !plan.wouldMeetAlone(root)) return;
    const bound = this.#lone;
    this.#demand.boundLone(root, bound);
    if (fits) {
      const boundedBy = bound.now > maxPerHost ? MAX_PER_HOST : bound.boundedBy;
      tally.addLone(index, root, Math.min(bound.now, maxPerHost), boundedBy);
    }
    tally.addLoneIfEmpty(index, root, Math.min(bound.ifEmpty, maxPerHost));
  }

  readonly #lone = { now: 0, boundedBy: "", ifEmpty: 0 };

  *#addTree(
    anchor: { readonly tree: number; readonly root: number },
    tally: FitTally,
    terms: FitTerms,
    budget: Budget,
  ): Generator<void, void> {
    const { index } = this.#plan;
    const { root } = anchor;
    const now = yield* this.#fill(anchor, this.#now, terms.maxPerHost, budget);
    const host = withinHostLimit(now, false, terms.maxPerHost);
    tally.add(index, root, host, Math.min(host.count, tally.allowance(index, root, false)));
    const isUnused = this.#demand.isUnused(index.trees.rows(anchor.tree));
    const empty = isUnused
      ? now
      : yield* this.#fill(anchor, this.#ifEmpty, terms.maxPerHost, budget);
    const emptied = withinHostLimit(empty, false, terms.maxPerHost);
    tally.addIfEmpty(
      index,
      root,
      emptied,
      Math.min(emptied.count, tally.allowance(index, root, true)),
    );
  }

  /** What a tree takes by itself, worked out once for all that look alike as long as that pays. */
  *#fill(
    anchor: { readonly tree: number; readonly root: number },
    filling: FillingPlan,
    most: number,
    budget: Budget,
  ): Generator<void, Filling> {
    const isEmpty = filling === this.#ifEmpty;
    const trial = this.#trials[isEmpty ? 1 : 0];
    const shape = trial.pays ? this.#filled.shapeOf(anchor.tree, isEmpty) : undefined;
    const known = shape === undefined ? undefined : this.#filled.get(shape);
    if (shape !== undefined) trial.note(known !== undefined);
    if (known !== undefined) return known;
    filling.rooms.clear();
    const filled = yield* fillTree(filling, anchor, most, budget);
    if (shape !== undefined) this.#filled.set(shape, filled);
    return filled;
  }

  /**
   * Hosts that share providers with others: what each could take by itself, and, one after the other, what
   * those before it leave.
   *
   * @returns what the sums of free amounts allow all of them
   */
  *countPooled(tally: FitTally, terms: FitTerms, budget: Budget): Generator<void, number> {
    if (!this.#isPooled) return 0;
    yield* this.#countPooledIn(this.#ifEmpty, true, tally, terms, budget);
    return yield* this.#countPooledIn(this.#now, false, tally, terms, budget);
  }

  *#countPooledIn(
    alone: FillingPlan,
    isEmpty: boolean,
    tally: FitTally,
    terms: FitTerms,
    budget: Budget,
  ): Generator<void, number> {
    const { plan } = alone;
    const { index } = plan;
    const shared = this.#fillingPlan(isEmpty);
    while (!shared.plan.sharing.collect(budget)) yield;
    alone.rooms.clear();
    const bound = alone.demand.boundOfMany(new Rooms(isEmpty));
    const scan = plan.trees();
    for (;;) {
      budget.left -= 1;
      if (budget.left <= 0) yield;
      const tree = scan.next(budget);
      if (tree === undefined) continue;
      if (tree < 0) return bound.atMost;
      if (this.#part.rootOf(tree) === undefined || !this.#part.isPooled(tree)) continue;
      const root = plan.anchorRoot(tree);
      if (root === undefined) continue;
      alone.rooms.clear();
      const filling = yield* fillTree(alone, { tree, root }, terms.maxPerHost, budget);
      if (filling.providers === undefined) continue;
      bound.add(filling.providers);
      const host = withinHostLimit(filling, true, terms.maxPerHost);
      const most = Math.min(host.count, tally.allowance(index, root, isEmpty));
      const allotted = yield* this.#allot({ tree, root }, { alone, shared, filling }, most, budget);
      if (isEmpty) tally.addIfEmpty(index, root, host, allotted);
      else tally.add(index, root, host, allotted);
    }
  }

  /** Claims from what the hosts before have left: all that the host can take by itself where that is there. */
  *#allot(
    anchor: { readonly tree: number; readonly root: number },
    { alone, shared, filling }: { alone: FillingPlan; shared: FillingPlan; filling: Filling },
    most: number,
    budget: Budget,
  ): Generator<void, number> {
    const isAllThere = alone.rooms
      .all()
      .every(([column, row, amount]) => amount <= shared.rooms.free(column, row));
    if (most < filling.count || !isAllThere) {
      return (yield* fillTree(shared, anchor, most, budget)).count;
    }
    for (const [column, row, amount] of alone.rooms.all()) shared.rooms.take(column, row, amount);
    return most;
  }
}
