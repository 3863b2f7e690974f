import type { CandidateQuery } from "../domain/candidate-query.ts";
import { ResourceClassNotFound, TraitNotFound } from "../domain/errors.ts";
import {
  AggregateNotFound,
  InvalidSupposition,
  UnknownNamesInFlavor,
} from "../domain/fit-errors.ts";
import type { Drained, Fit, FitTerms, HeldResources, Supposition } from "../domain/fit.ts";
import { resourceClassId, traitIds } from "../index/conditions.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { Draining } from "./drain.ts";
import { findHosts, type FoundHost } from "./find-hosts.ts";
import { FitCount } from "./fit.ts";
import { MAX_ADDED, SupposedFleet } from "./supposed-fleet.ts";
import { unknownNames } from "./unknown-names.ts";

export interface FitQuestion {
  /** Each counted as if it were alone. */
  readonly flavors: ReadonlyMap<string, CandidateQuery>;
  readonly terms: FitTerms;
  /** In the order in which they are made; hosts are drained after all others. */
  readonly suppositions: readonly Supposition[];
  /** What consumers hold of the hosts that are drained, by the number of the supposition. */
  readonly held: ReadonlyMap<number, readonly HeldResources[]>;
}

export interface FitAnswer {
  readonly fits: ReadonlyMap<string, Fit>;
  /** By the host, as it was named. */
  readonly drained: ReadonlyMap<string, Drained>;
}

/**
 * What fits into a fleet as it is supposed to be. Pauses each time the budget is used up, which whoever goes
 * on fills up again; what goes on after others had their turn needs the view of that time to be open.
 *
 * @throws UnknownNamesInFlavor, AggregateNotFound, InvalidSupposition
 */
export function* answerFit(
  index: IndexReader,
  time: number,
  { flavors, terms, suppositions, held }: FitQuestion,
  budget: Budget,
): Generator<void, FitAnswer> {
  checkNames(index, flavors, terms, suppositions);
  const fleet = new SupposedFleet(index, time);
  const drained =
    suppositions.length === 0
      ? new Map<string, Drained>()
      : yield* suppose(fleet, { index, time, suppositions, held }, budget);
  const { parts } = fleet;
  let ofHosts = 0;
  for (const part of parts) yield* part.prepare(budget);
  for (const part of parts) ofHosts += yield* part.countHosts(budget);
  const fits = new Map<string, Fit>();
  for (const [name, query] of flavors) {
    fits.set(name, yield* new FitCount(parts, query, terms).run(ofHosts, budget));
    if (budget.left <= 0) yield;
  }
  return { fits, drained };
}

interface Supposed extends Pick<FitQuestion, "suppositions" | "held"> {
  readonly index: IndexReader;
  readonly time: number;
}

function* suppose(
  fleet: SupposedFleet,
  { index, time, suppositions, held }: Supposed,
  budget: Budget,
): Generator<void, Map<string, Drained>> {
  yield* fleet.prepare(budget);
  const names = suppositions.flatMap(({ provider }) => provider ?? []);
  const hosts = yield* findHosts(index, time, names, budget);
  const ids = suppositions.map(({ provider }, number) => {
    const row = provider === undefined ? undefined : hosts.get(provider)?.row;
    if (provider === undefined) return undefined;
    if (row !== undefined) return index.idOf(row);
    throw new InvalidSupposition(
      number,
      `No resource provider has the UUID or the name ${provider}.`,
    );
  });
  checkAdded(index, suppositions, hosts);
  const trees = new Set(hosts.values().map(({ tree }) => tree));
  for (const supposition of suppositions) {
    if (supposition.kind === "set" && supposition.provider === undefined) {
      yield* addTreesWith(index, time, supposition.resourceClass, trees, budget);
    }
  }
  yield* fleet.copy(trees, budget);
  for (const [number, supposition] of suppositions.entries()) {
    if (supposition.kind === "drain") continue;
    yield* fleet.change(supposition, ids[number], number, budget);
  }
  const drains = suppositions.flatMap((it, number) =>
    it.kind === "drain" ? [{ drain: it, number }] : [],
  );
  for (const { number } of drains) yield* fleet.removeTree(ids[number]!, number, budget);
  const parts = fleet.parts;
  const draining = new Draining(parts);
  const drained = new Map<string, Drained>();
  for (const { drain, number } of drains) {
    drained.set(drain.provider, yield* draining.drain(drain, held.get(number) ?? [], budget));
  }
  if (drains.length > 0) yield* fleet.claim(parts, (part) => draining.takenFrom(part), budget);
  return drained;
}

/** Before anything is done: to find out after a hundred thousand copies would be a pity. */
function checkAdded(
  index: IndexReader,
  suppositions: readonly Supposition[],
  hosts: ReadonlyMap<string, FoundHost>,
): void {
  let added = 0;
  for (const [number, supposition] of suppositions.entries()) {
    if (supposition.kind !== "add") continue;
    const { tree } = hosts.get(supposition.provider)!;
    added += index.trees.rows(tree).length * supposition.count;
    if (added > MAX_ADDED) {
      throw new InvalidSupposition(number, `At most ${MAX_ADDED} providers can be added.`, true);
    }
  }
}

function* addTreesWith(
  index: IndexReader,
  time: number,
  resourceClass: string,
  trees: Set<number>,
  budget: Budget,
): Generator<void, void> {
  const column = index.column(resourceClassId(index, resourceClass));
  if (column === undefined) return;
  for (let tree = 0; tree < index.trees.end; tree++) {
    budget.left -= 1;
    if (budget.left <= 0) yield;
    if (column.trees.has(tree) && index.trees.isVisible(tree, time)) trees.add(tree);
  }
}

function checkNames(
  index: IndexReader,
  flavors: FitQuestion["flavors"],
  { byAggregate, maxPerAggregate }: FitTerms,
  suppositions: readonly Supposition[],
): void {
  for (const [flavor, query] of flavors) {
    const names = unknownNames(index, query);
    if (names.length > 0) throw new UnknownNamesInFlavor(flavor, names);
  }
  for (const uuid of [...byAggregate, ...maxPerAggregate.aggregates]) {
    if (index.aggregateNumber(uuid) === undefined) throw new AggregateNotFound(uuid);
  }
  for (const [number, supposition] of suppositions.entries()) {
    try {
      if (supposition.kind === "set") resourceClassId(index, supposition.resourceClass);
      if (supposition.kind !== "drain") continue;
      for (const anyOf of supposition.requiredTraits) traitIds(index, anyOf);
      traitIds(index, supposition.forbiddenTraits);
    } catch (error) {
      if (!(error instanceof ResourceClassNotFound) && !(error instanceof TraitNotFound))
        throw error;
      throw new InvalidSupposition(number, error.message);
    }
  }
}
