import type { RequestGroup } from "../domain/candidate-query.ts";
import {
  aggregateNumbers,
  hasAnyOfEachAndNone,
  resourceClassId,
  SetCondition,
  traitIds,
} from "../index/conditions.ts";

import type { IndexReader, Inventories } from "../index/reader.ts";
import type { AnyOf } from "../index/tree-scan.ts";

/** An amount of a resource class. */
export interface Need {
  readonly resourceClass: string;
  readonly resourceClassId: number;
  readonly amount: number;
  /** Undefined when no provider has ever had inventory of the class. */
  readonly column: Inventories | undefined;
}

const NOTHING: ReadonlySet<number> = new Set();

/**
 * One provider that a candidate has to name: the provider of a suffixed group, or the provider of
 * one resource class of the unsuffixed group. A candidate is one provider for each choice.
 */
export interface ProviderChoice {
  readonly suffix: string;
  readonly needs: readonly Need[];
  /** What it asks for as a text, the same for two suffixed groups that ask for the same. */
  readonly kind: string;
  /** Whether a provider of the anchor's own tree will do. `root` is the row of the tree's root. */
  fitsInTree(row: number, root: number): boolean;
  /** The same of all that is not about amounts. */
  admitsInTree(row: number, root: number): boolean;
  /** Whether a sharing provider will do for trees other than its own. */
  fitsShared(row: number): boolean;
  /** The same of all that is not about amounts. */
  admitsShared(row: number): boolean;
  /** Whether anything shared may be used together with the tree of this root. */
  toleratesAnchor(root: number): boolean;
  /** The tree that `in_tree` restricts the providers to; undefined without. */
  readonly inTree: number | undefined;
  /** Of each of these a tree must be in one set, unless a sharing provider serves it. */
  readonly conditions: readonly AnyOf[];
}

/** What a request group asks for, with names resolved to ids and numbers. */
export class GroupConditions {
  readonly group: RequestGroup;
  readonly needs: readonly Need[];
  readonly requiredTraits: readonly ReadonlySet<number>[];
  readonly memberOf: readonly ReadonlySet<number>[];
  /** The tree of the provider that `in_tree` names, where it restricts anything. */
  readonly inTree: number | undefined;
  /** Whether something that was named has no members, so that nothing can match. */
  readonly isHopeless: boolean;

  readonly hasForbiddenTraits: SetCondition;
  readonly isMember: SetCondition;
  readonly isForbiddenMember: SetCondition;
  readonly #index: IndexReader;
  readonly #admitsTraits: SetCondition;
  readonly #admitsAggregates: SetCondition;

  /** @throws ResourceClassNotFound, TraitNotFound */
  constructor(index: IndexReader, group: RequestGroup) {
    this.#index = index;
    this.group = group;
    this.needs = Array.from(group.resources, ([resourceClass, amount]) => {
      const id = resourceClassId(index, resourceClass);
      return { resourceClass, resourceClassId: id, amount, column: index.column(id) };
    });
    this.requiredTraits = group.requiredTraits.map((names) => traitIds(index, names));
    this.memberOf = group.memberOf.map((uuids) => aggregateNumbers(index, uuids));
    const forbiddenTraits = traitIds(index, group.forbiddenTraits);
    const forbiddenAggregates = aggregateNumbers(index, group.forbiddenAggregates);
    const inTreeRow = group.inTree === undefined ? undefined : index.findRow(group.inTree);
    // Upstream does not look at in_tree where no resources are asked for.
    this.inTree =
      inTreeRow === undefined || this.needs.length === 0 ? undefined : index.treeOf(inTreeRow);
    this.isHopeless =
      this.needs.some(({ column }) => column === undefined) ||
      this.memberOf.some((anyOf) => anyOf.size === 0) ||
      (group.inTree !== undefined && inTreeRow === undefined);

    const { traitSets, aggregateSets } = index;
    this.hasForbiddenTraits = new SetCondition(
      traitSets,
      hasAnyOfEachAndNone([forbiddenTraits], NOTHING),
    );
    this.isMember = new SetCondition(aggregateSets, hasAnyOfEachAndNone(this.memberOf, NOTHING));
    this.isForbiddenMember = new SetCondition(
      aggregateSets,
      hasAnyOfEachAndNone([forbiddenAggregates], NOTHING),
    );
    this.#admitsTraits = new SetCondition(
      traitSets,
      hasAnyOfEachAndNone(this.requiredTraits, forbiddenTraits),
    );
    this.#admitsAggregates = new SetCondition(
      aggregateSets,
      hasAnyOfEachAndNone(this.memberOf, forbiddenAggregates),
    );
  }

  /** Whether one provider meets all of it by itself. */
  isMetBy(row: number): boolean {
    for (const { column, amount } of this.needs) if (!column!.fits(row, amount)) return false;
    return this.admits(row);
  }

  /** The same if nothing were claimed from it. */
  wouldBeMetBy(row: number): boolean {
    for (const { column, amount } of this.needs) {
      if (!column!.fitsIfEmpty(row, amount)) return false;
    }
    return this.admits(row);
  }

  /** Whether one provider meets all that is not about amounts. */
  admits(row: number): boolean {
    const index = this.#index;
    return (
      this.#admitsTraits.isMetBy(index.traitSetOf(row)) &&
      this.#admitsAggregates.isMetBy(index.aggregateSetOf(row)) &&
      (this.inTree === undefined || this.inTree === index.treeOf(row))
    );
  }
}

/** The one provider of a suffixed group. Whether it fits does not depend on the anchor. */
export class GranularChoice implements ProviderChoice {
  readonly suffix: string;
  readonly needs: readonly Need[];
  readonly inTree: number | undefined;
  readonly conditions: readonly AnyOf[];
  readonly #group: GroupConditions;

  constructor(index: IndexReader, group: GroupConditions) {
    this.suffix = group.group.suffix;
    this.needs = group.needs;
    this.inTree = group.inTree;
    this.conditions = [
      ...group.needs.map(({ column }) => [column?.trees]),
      ...group.requiredTraits.map((anyOf) => [...anyOf].map((id) => index.treesOfTrait(id))),
      ...group.memberOf.map((anyOf) => [...anyOf].map((it) => index.treesOfAggregate(it))),
    ];
    this.#group = group;
  }

  get kind(): string {
    const { resources, requiredTraits, forbiddenTraits, ...rest } = this.#group.group;
    const { memberOf, forbiddenAggregates, inTree } = rest;
    return JSON.stringify([
      [...resources],
      requiredTraits.map((anyOf) => [...anyOf]),
      [...forbiddenTraits],
      memberOf.map((anyOf) => [...anyOf]),
      [...forbiddenAggregates],
      inTree,
    ]);
  }

  fitsInTree(row: number): boolean {
    return this.#group.isMetBy(row);
  }

  admitsInTree(row: number): boolean {
    return this.#group.admits(row);
  }

  fitsShared(row: number): boolean {
    return this.#group.isMetBy(row);
  }

  admitsShared(row: number): boolean {
    return this.#group.admits(row);
  }

  toleratesAnchor(): boolean {
    return true;
  }
}

/**
 * The provider of one resource class of the unsuffixed group. An aggregate of the root spans the
 * whole tree here, and required traits are a matter of all providers together.
 */
export class UnsuffixedChoice implements ProviderChoice {
  readonly suffix = "";
  readonly kind = "";
  readonly needs: readonly [Need];
  readonly inTree: number | undefined;
  readonly conditions: readonly AnyOf[];
  readonly #index: IndexReader;
  readonly #group: GroupConditions;

  constructor(index: IndexReader, group: GroupConditions, need: Need) {
    this.needs = [need];
    this.inTree = group.inTree;
    this.conditions = [
      [need.column?.trees],
      ...group.memberOf.map((anyOf) => [...anyOf].map((it) => index.treesOfAggregate(it))),
    ];
    this.#index = index;
    this.#group = group;
  }

  fitsInTree(row: number, root: number): boolean {
    const [{ column, amount }] = this.needs;
    return column!.fits(row, amount) && this.admitsInTree(row, root);
  }

  admitsInTree(row: number, root: number): boolean {
    const index = this.#index;
    const group = this.#group;
    const aggregateSet = index.aggregateSetOf(row);
    const aggregateSetOfRoot = index.aggregateSetOf(root);
    return (
      !group.hasForbiddenTraits.isMetBy(index.traitSetOf(row)) &&
      (group.isMember.isMetBy(aggregateSet) || group.isMember.isMetBy(aggregateSetOfRoot)) &&
      !group.isForbiddenMember.isMetBy(aggregateSet) &&
      !group.isForbiddenMember.isMetBy(aggregateSetOfRoot) &&
      (this.inTree === undefined || this.inTree === index.treeOf(row))
    );
  }

  fitsShared(row: number): boolean {
    const [{ column, amount }] = this.needs;
    return column!.fits(row, amount) && this.admitsShared(row);
  }

  admitsShared(row: number): boolean {
    const index = this.#index;
    const group = this.#group;
    const aggregateSet = index.aggregateSetOf(row);
    return (
      this.inTree === undefined &&
      !group.hasForbiddenTraits.isMetBy(index.traitSetOf(row)) &&
      group.isMember.isMetBy(aggregateSet) &&
      !group.isForbiddenMember.isMetBy(aggregateSet)
    );
  }

  toleratesAnchor(root: number): boolean {
    return !this.#group.isForbiddenMember.isMetBy(this.#index.aggregateSetOf(root));
  }
}
