import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import { constraintsIn, type ToldConstraint } from "../domain/told-constraints.ts";
import { traitIds } from "../index/conditions.ts";
import type { IndexReader } from "../index/reader.ts";
import { type BitConstraint, type PlacedRow, type ResourceBit, RowMasks } from "./row-masks.ts";
import { SetMasks } from "./set-masks.ts";

/**
 * The constraints of a query as bits, and for the only provider of a tree the mask of those that it fails. What
 * is about several providers together (capacity, isolation, subtrees) has a bit and is in no mask.
 */
export class ConstraintMasks {
  readonly constraints: readonly ToldConstraint[];
  /** Each constraint of the query, with the bit of what it is told with. */
  readonly bits: readonly BitConstraint[];
  readonly resources: readonly ResourceBit[];
  /** Of all constraints on single providers. */
  readonly ofRow: RowMasks;
  /** Bits of traits that the providers of the unsuffixed group must have together. */
  readonly collectiveBits: number;
  /** Bits of what is about a combination of providers. */
  readonly combinationBits: number;
  readonly #index: IndexReader;
  readonly #rootTraits: SetMasks;

  /** @throws ResourceClassNotFound, TraitNotFound */
  constructor(index: IndexReader, query: CandidateQuery, constraints: readonly ToldConstraint[]) {
    this.#index = index;
    this.constraints = constraints;
    this.bits = constraints.flatMap((told, number) =>
      constraintsIn(told).map((constraint) => ({ constraint, bit: 1 << number })),
    );
    this.ofRow = new RowMasks(index, query, this.bits);
    this.resources = this.ofRow.resources;
    this.collectiveBits = this.bitsOf(isCollective);
    this.combinationBits = this.bitsOf(isCombination);
    this.#rootTraits = new SetMasks(index.traitSets, (add) => {
      for (const { constraint: it, bit } of this.bits) {
        if (it.kind !== "root_required_trait" && it.kind !== "root_forbidden_trait") continue;
        const isForbidden = it.kind === "root_forbidden_trait";
        add({ bit, members: traitIds(index, [it.trait]), isForbidden });
      }
    });
  }

  /** The bits of some constraints. */
  bitsOf(isWanted: (constraint: NamedConstraint) => boolean): number {
    let bits = 0;
    for (const { constraint, bit } of this.bits) if (isWanted(constraint)) bits |= bit;
    return bits;
  }

  /** Whether some constraints are taken together. */
  get areSomeTogether(): boolean {
    return this.constraints.length < this.bits.length;
  }

  /** How many steps it takes to look at a provider. */
  get stepsByRow(): number {
    return 1 + Math.floor(this.resources.length / 32);
  }

  /** What the root of a tree fails. */
  ofRoot(root: number): number {
    return this.#rootTraits.isEmpty ? 0 : this.#rootTraits.of(this.#index.traitSetOf(root));
  }

  /** What a provider fails of all that is about single providers. */
  of(placed: PlacedRow): number {
    return this.ofRow.withoutAmounts(placed) | this.ofRow.amounts(placed.row);
  }
}

/** Whether it is a matter of all providers of the unsuffixed group together. */
export function isCollective({ kind, suffix }: NamedConstraint): boolean {
  return kind === "required_trait" && suffix === "";
}

function isCombination({ kind }: NamedConstraint): boolean {
  return (
    kind === "same_subtree" ||
    kind === "capacity" ||
    kind === "isolate" ||
    kind === "one_provider_per_tree"
  );
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
