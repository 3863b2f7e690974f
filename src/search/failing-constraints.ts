import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { NamedConstraint } from "../domain/query-constraints.ts";
import { type ConstraintsTogether, isOfGroup } from "../domain/told-constraints.ts";
import { traitIds } from "../index/conditions.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { lowestBit } from "./constraint-masks.ts";
import { RowMasks } from "./row-masks.ts";
import { SetMasks } from "./set-masks.ts";
import type { ServedTree } from "./tree-shapes.ts";

/** So many of the constraints that fail together are named. */
const MAX_NAMED = 10;
/** So many are looked at in one mask. */
const BITS = 31;

/** Some constraints as bits of one mask, in their order. */
interface Part {
  readonly constraints: readonly NamedConstraint[];
  /** Of those on the provider of a group. */
  readonly bits: number;
  readonly ofRow: RowMasks;
  readonly ofRoot: SetMasks;
}

/** Of constraints that are told about together: which of them a host fails. */
export class FailingConstraints {
  readonly #index: IndexReader;
  readonly #query: CandidateQuery;
  readonly #parts = new Map<ConstraintsTogether, readonly Part[]>();

  constructor(index: IndexReader, query: CandidateQuery) {
    this.#index = index;
    this.#query = query;
  }

  /** The ids of the first ones that no provider of a host meets, or its root does not. */
  *of(
    { root, own, serving }: Pick<ServedTree, "root" | "own" | "serving">,
    together: ConstraintsTogether,
    budget: Budget,
  ): Generator<void, string[]> {
    const named: string[] = [];
    for (const { constraints, bits, ofRow, ofRoot } of this.#partsOf(together)) {
      let failed = bits;
      for (const [rows, isShared] of [
        [own, false],
        [serving, true],
      ] as const) {
        for (const row of rows) {
          failed &= ofRow.withoutAmounts({ row, root, isShared }) | ofRow.amounts(row);
          budget.left -= 2;
          if (budget.left <= 0) yield;
        }
      }
      failed |= ofRoot.of(this.#index.traitSetOf(root));
      for (let left = failed; left !== 0; left &= left - 1) {
        if (named.length === MAX_NAMED) return named;
        named.push(constraints[lowestBit(left)]!.id);
      }
    }
    return named;
  }

  #partsOf(together: ConstraintsTogether): readonly Part[] {
    let parts = this.#parts.get(together);
    if (parts === undefined) {
      const { constraints } = together;
      const count = Math.ceil(constraints.length / BITS);
      parts = Array.from({ length: count }, (_, number) =>
        this.#makePart(constraints.slice(number * BITS, (number + 1) * BITS)),
      );
      this.#parts.set(together, parts);
    }
    return parts;
  }

  #makePart(constraints: readonly NamedConstraint[]): Part {
    const index = this.#index;
    const placed = constraints.map((constraint, number) => ({ constraint, bit: 1 << number }));
    const ofGroup = placed.filter(({ constraint }) => isOfGroup(constraint));
    return {
      constraints,
      bits: ofGroup.reduce((bits, { bit }) => bits | bit, 0),
      ofRow: new RowMasks(index, this.#query, ofGroup),
      ofRoot: new SetMasks(index.traitSets, (add) => {
        for (const { constraint: it, bit } of placed) {
          if (it.kind !== "root_required_trait" && it.kind !== "root_forbidden_trait") continue;
          const isForbidden = it.kind === "root_forbidden_trait";
          add({ bit, members: traitIds(index, [it.trait]), isForbidden });
        }
      }),
    };
  }
}
