import type { CandidateQuery, RequestGroup } from "../domain/candidate-query.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import { aggregateNumbers, resourceClassId, traitIds } from "../index/conditions.ts";
import type { IndexReader, Inventories } from "../index/reader.ts";
import { SetMasks } from "./set-masks.ts";

/** A provider as a part of the search in a tree. */
export interface PlacedRow {
  readonly row: number;
  readonly root: number;
  /** Whether it is a sharing provider of another tree. */
  readonly isShared: boolean;
}

/** A constraint with the bit of the mask that says that it is failed; several may have one bit. */
export interface BitConstraint {
  readonly constraint: NamedConstraint;
  readonly bit: number;
}

/** A resource constraint with what it is looked up by. */
export interface ResourceBit {
  readonly bit: number;
  readonly amount: number;
  readonly column: Inventories | undefined;
}

/**
 * For a provider the mask of the constraints that it fails: what depends on a set of traits or of aggregates
 * is worked out once for each set that occurs. What is about the root, or about several providers together, is
 * in no mask.
 */
export class RowMasks {
  readonly resources: readonly ResourceBit[];
  readonly #index: IndexReader;
  /** Groups that ask for the same amount of the same class are one here, with the bits of all. */
  readonly #alikeResources: readonly ResourceBit[];
  readonly #traits: SetMasks;
  readonly #aggregates: SetMasks;
  readonly #unsuffixedMembers: SetMasks;
  readonly #unsuffixedForbidden: SetMasks;
  readonly #isOfNoAggregate: boolean;
  readonly #inTrees: readonly InTree[];

  /** @throws ResourceClassNotFound, TraitNotFound */
  constructor(index: IndexReader, query: CandidateQuery, constraints: readonly BitConstraint[]) {
    this.#index = index;
    this.resources = resourceBits(index, constraints);
    this.#alikeResources = alike(this.resources);
    const { traitSets, aggregateSets } = index;
    this.#traits = new SetMasks(traitSets, (add) => {
      for (const { constraint: it, bit } of constraints) {
        if (it.kind === "required_trait") add({ bit, members: traitIds(index, it.traits) });
        else if (it.kind === "forbidden_trait") {
          add({ bit, members: traitIds(index, [it.trait]), isForbidden: true });
        }
      }
    });
    const aggregates = (isWanted: (constraint: NamedConstraint) => boolean) =>
      new SetMasks(aggregateSets, (add) => {
        for (const { constraint: it, bit } of constraints) {
          if (!isWanted(it)) continue;
          if (it.kind === "member_of")
            add({ bit, members: aggregateNumbers(index, it.aggregates) });
          else if (it.kind === "forbidden_aggregate") {
            add({ bit, members: aggregateNumbers(index, [it.aggregate]), isForbidden: true });
          }
        }
      });
    this.#aggregates = aggregates(({ suffix }) => suffix !== "");
    this.#unsuffixedMembers = aggregates((it) => it.suffix === "" && it.kind === "member_of");
    this.#unsuffixedForbidden = aggregates((it) => it.suffix === "" && it.kind !== "member_of");
    this.#isOfNoAggregate =
      this.#aggregates.isEmpty &&
      this.#unsuffixedMembers.isEmpty &&
      this.#unsuffixedForbidden.isEmpty;
    this.#inTrees = constraints.flatMap(({ constraint: it, bit }) => {
      if (it.kind !== "in_tree") return [];
      const row = index.findRow(it.provider);
      const group = query.groups.find(({ suffix }) => suffix === it.suffix)!;
      return inTreeBit(group, row === undefined ? undefined : index.treeOf(row), bit);
    });
  }

  /** What a provider fails of all that is about single providers, but amounts. */
  withoutAmounts({ row, root, isShared }: PlacedRow): number {
    const index = this.#index;
    let mask = this.#traits.isEmpty ? 0 : this.#traits.of(index.traitSetOf(row));
    if (!this.#isOfNoAggregate) {
      const own = index.aggregateSetOf(row);
      const ofRoot = index.aggregateSetOf(root);
      const members = this.#unsuffixedMembers;
      mask |=
        this.#aggregates.of(own) |
        (members.of(own) & (isShared ? -1 : members.of(ofRoot))) |
        this.#unsuffixedForbidden.of(own) |
        this.#unsuffixedForbidden.of(ofRoot);
    }
    if (this.#inTrees.length > 0) {
      const tree = index.treeOf(row);
      for (const it of this.#inTrees) {
        if (it.tree !== tree || (isShared && it.isUnsuffixed)) mask |= it.bit;
      }
    }
    return mask;
  }

  /** What a provider by itself fails of `member_of` of the unsuffixed group, where its root may stand in for it. */
  membersOf(row: number): number {
    return this.#unsuffixedMembers.of(this.#index.aggregateSetOf(row));
  }

  /** The amounts that a provider has no room for. */
  amounts(row: number): number {
    let mask = 0;
    for (const { column, amount, bit } of this.#alikeResources) {
      if (column === undefined || !column.fits(row, amount)) mask |= bit;
    }
    return mask;
  }

  /** The amounts, of some, that it would have no room for if nothing of it were used. */
  amountsIfEmpty(row: number, some: number): number {
    let mask = 0;
    for (const { column, amount, bit } of this.#alikeResources) {
      if ((some & bit) !== 0 && column?.fitsIfEmpty(row, amount) !== true) mask |= bit;
    }
    return mask;
  }
}

function alike(resources: readonly ResourceBit[]): ResourceBit[] {
  const found = new Map<string, { bit: number; amount: number; column: Inventories | undefined }>();
  const distinct = [...new Set(resources.map(({ column }) => column))];
  const columns = new Map(distinct.map((column, number) => [column, number]));
  for (const { bit, amount, column } of resources) {
    const key = `${columns.get(column)} ${amount}`;
    const same = found.get(key);
    if (same === undefined) found.set(key, { bit, amount, column });
    else same.bit |= bit;
  }
  return [...found.values()];
}

interface InTree {
  readonly bit: number;
  /** Undefined when there is no such tree. */
  readonly tree: number | undefined;
  readonly isUnsuffixed: boolean;
}

/** Upstream does not look at in_tree where no resources are asked for. */
function inTreeBit(group: RequestGroup, tree: number | undefined, bit: number): InTree[] {
  if (tree !== undefined && group.resources.size === 0) return [];
  return [{ bit, tree, isUnsuffixed: group.suffix === "" }];
}

function resourceBits(index: IndexReader, constraints: readonly BitConstraint[]): ResourceBit[] {
  return constraints.flatMap(({ constraint: it, bit }) => {
    if (it.kind !== "resource") return [];
    const column = index.column(resourceClassId(index, it.resourceClass));
    return [{ bit, amount: it.amount, column }];
  });
}
