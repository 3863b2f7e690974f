import type { CandidateQuery, RequestGroup } from "../domain/candidate-query.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import { aggregateNumbers, resourceClassId, traitIds } from "../index/conditions.ts";
import type { IndexReader, Inventories, Sets } from "../index/reader.ts";

/** A provider as a part of the search in a tree. */
interface PlacedRow {
  readonly row: number;
  readonly root: number;
  /** Whether it is a sharing provider of another tree. */
  readonly isShared: boolean;
}

/** A resource constraint with what it is looked up by. */
export interface ResourceBit {
  readonly bit: number;
  readonly amount: number;
  readonly column: Inventories | undefined;
}

/**
 * The constraints of a query as bits, and for a provider the mask of those that it fails: what depends on a
 * set of traits or of aggregates is worked out once for each set that occurs.
 *
 * What is about several providers together (capacity, isolation, subtrees) has a bit and is in no mask.
 */
export class ConstraintMasks {
  readonly constraints: readonly NamedConstraint[];
  readonly resources: readonly ResourceBit[];
  /** Bits of constraints on the root. */
  readonly rootBits: number;
  /** Bits of traits that the providers of the unsuffixed group must have together. */
  readonly collectiveBits: number;
  /** Bits of amounts. */
  readonly resourceBits: number;
  /** Bits of what is about a combination of providers. */
  readonly combinationBits: number;
  /** Per choice that a candidate makes, the bits of what the chosen provider has to meet. */
  readonly choices: readonly number[];
  readonly #index: IndexReader;
  /** Groups that ask for the same amount of the same class are one here, with the bits of all. */
  readonly #alikeResources: readonly ResourceBit[];
  readonly #traits: SetMasks;
  readonly #rootTraits: SetMasks;
  readonly #aggregates: SetMasks;
  readonly #unsuffixedMemberBits: number;
  readonly #unsuffixedForbiddenBits: number;
  readonly #inTrees: readonly InTree[];

  /** @throws ResourceClassNotFound, TraitNotFound */
  constructor(index: IndexReader, query: CandidateQuery, constraints: readonly NamedConstraint[]) {
    this.#index = index;
    this.constraints = constraints;
    const bitsOf = (isWanted: (constraint: NamedConstraint) => boolean) =>
      constraints.reduce((bits, it, bit) => (isWanted(it) ? bits | (1 << bit) : bits), 0);
    const bitsOfKind = (...kinds: readonly NamedConstraint["kind"][]) =>
      bitsOf(({ kind }) => kinds.includes(kind));
    const unsuffixed = bitsOf((it) => it.suffix === "");
    this.rootBits = bitsOfKind("root_required_trait", "root_forbidden_trait");
    this.collectiveBits = bitsOfKind("required_trait") & unsuffixed;
    this.resourceBits = bitsOfKind("resource");
    this.combinationBits = bitsOfKind(
      "same_subtree",
      "capacity",
      "isolate",
      "one_provider_per_tree",
    );
    this.#unsuffixedMemberBits = bitsOfKind("member_of") & unsuffixed;
    this.#unsuffixedForbiddenBits = bitsOfKind("forbidden_aggregate") & unsuffixed;
    const ofNoProvider = this.rootBits | this.combinationBits;
    this.choices = query.groups.flatMap((group) => {
      const bits = bitsOf(({ suffix }) => suffix === group.suffix) & ~ofNoProvider;
      if (group.suffix !== "") return [bits];
      const others = bits & ~this.collectiveBits & ~bitsOfKind("resource");
      return constraints.flatMap((it, bit) =>
        it.kind === "resource" && it.suffix === "" ? [others | (1 << bit)] : [],
      );
    });
    this.resources = resourceBits(index, constraints);
    this.#alikeResources = alike(this.resources);
    this.#traits = new SetMasks(index.traitSets, traitBits(index, constraints));
    this.#rootTraits = new SetMasks(index.traitSets, rootTraitBits(index, constraints));
    this.#aggregates = new SetMasks(index.aggregateSets, aggregateBits(index, constraints));
    this.#inTrees = constraints.flatMap((it, bit) => {
      if (it.kind !== "in_tree") return [];
      const row = index.findRow(it.provider);
      const group = query.groups.find(({ suffix }) => suffix === it.suffix)!;
      return inTreeBit(group, row === undefined ? undefined : index.treeOf(row), 1 << bit);
    });
  }

  /** What the root of a tree fails. */
  ofRoot(root: number): number {
    return this.rootBits === 0 ? 0 : this.#rootTraits.of(this.#index.traitSetOf(root));
  }

  /** What a provider fails of all that is about single providers, but amounts. */
  withoutAmounts({ row, root, isShared }: PlacedRow): number {
    const index = this.#index;
    const traits = this.#traits.isEmpty ? 0 : this.#traits.of(index.traitSetOf(row));
    if (this.#aggregates.isEmpty && this.#inTrees.length === 0) return traits;
    const own = this.#aggregates.of(index.aggregateSetOf(row));
    const ofRoot = row === root ? own : this.#aggregates.of(index.aggregateSetOf(root));
    const members = this.#unsuffixedMemberBits;
    const forbidden = this.#unsuffixedForbiddenBits;
    let mask =
      traits |
      (own & ~(members | forbidden)) |
      (own & members & (isShared ? -1 : ofRoot)) |
      ((own | ofRoot) & forbidden);
    if (this.#inTrees.length > 0) {
      const tree = index.treeOf(row);
      for (const it of this.#inTrees) {
        if (it.tree !== tree || (isShared && it.isUnsuffixed)) mask |= it.bit;
      }
    }
    return mask;
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
  const found: { bit: number; amount: number; column: Inventories | undefined }[] = [];
  for (const { bit, amount, column } of resources) {
    const same = found.find((it) => it.column === column && it.amount === amount);
    if (same === undefined) found.push({ bit, amount, column });
    else same.bit |= bit;
  }
  return found;
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

interface SetBit {
  readonly bit: number;
  readonly members: ReadonlySet<number>;
  /** Whether a set fails that has one of the members, and not one that has none. */
  readonly isForbidden: boolean;
}

type Constraints = readonly NamedConstraint[];

function resourceBits(index: IndexReader, constraints: Constraints): ResourceBit[] {
  return constraints.flatMap((it, bit) => {
    if (it.kind !== "resource") return [];
    const column = index.column(resourceClassId(index, it.resourceClass));
    return [{ bit: 1 << bit, amount: it.amount, column }];
  });
}

function traitBits(index: IndexReader, constraints: Constraints): SetBit[] {
  return constraints.flatMap((it, bit) => {
    if (it.kind === "required_trait") return [someOf(traitIds(index, it.traits), bit)];
    if (it.kind === "forbidden_trait") return [noneOf(traitIds(index, [it.trait]), bit)];
    return [];
  });
}

function rootTraitBits(index: IndexReader, constraints: Constraints): SetBit[] {
  return constraints.flatMap((it, bit) => {
    if (it.kind === "root_required_trait") return [someOf(traitIds(index, [it.trait]), bit)];
    if (it.kind === "root_forbidden_trait") return [noneOf(traitIds(index, [it.trait]), bit)];
    return [];
  });
}

function aggregateBits(index: IndexReader, constraints: Constraints): SetBit[] {
  return constraints.flatMap((it, bit) => {
    if (it.kind === "member_of") return [someOf(aggregateNumbers(index, it.aggregates), bit)];
    if (it.kind === "forbidden_aggregate") {
      return [noneOf(aggregateNumbers(index, [it.aggregate]), bit)];
    }
    return [];
  });
}

function someOf(members: ReadonlySet<number>, bit: number): SetBit {
  return { bit: 1 << bit, members, isForbidden: false };
}

function noneOf(members: ReadonlySet<number>, bit: number): SetBit {
  return { bit: 1 << bit, members, isForbidden: true };
}

class SetMasks {
  readonly #pool: Sets;
  readonly #bits: readonly SetBit[];
  readonly #masks: number[] = [];

  constructor(pool: Sets, bits: readonly SetBit[]) {
    this.#pool = pool;
    this.#bits = bits;
  }

  /** Whether no set fails anything. */
  get isEmpty(): boolean {
    return this.#bits.length === 0;
  }

  of(set: number): number {
    return (this.#masks[set] ??= this.#work(this.#pool.members(set)));
  }

  #work(members: Int32Array): number {
    let mask = 0;
    for (const { bit, members: wanted, isForbidden } of this.#bits) {
      if (members.some((member) => wanted.has(member)) === isForbidden) mask |= bit;
    }
    return mask;
  }
}

/** The number of the lowest bit of a mask that is not 0: the first constraint in order. */
export function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

export function bitCount(mask: number): number {
  let count = 0;
  for (let left = mask; left !== 0; left &= left - 1) count += 1;
  return count;
}
