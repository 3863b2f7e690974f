import type { CandidateQuery } from "../domain/candidate-query.ts";
import { leaveOut, type NamedConstraint } from "../domain/query-constraints.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { anchors } from "./anchoring.ts";
import { bitCount } from "./constraint-masks.ts";
import { SearchNotes } from "./failed-shapes.ts";
import { SearchPlan } from "./search-plan.ts";

/** The plans of a query with constraints left out, which are bits of a mask; each made when it is asked for. */
export class RelaxedPlans {
  readonly #index: IndexReader;
  readonly #time: number;
  readonly #query: CandidateQuery;
  readonly #constraints: readonly NamedConstraint[];
  readonly #plans = new Map<number, { readonly plan: SearchPlan; readonly notes: SearchNotes }>();
  readonly #groups: readonly GroupBits[];

  constructor(
    index: IndexReader,
    time: number,
    query: CandidateQuery,
    constraints: readonly NamedConstraint[],
  ) {
    this.#index = index;
    this.#time = time;
    this.#query = query;
    this.#constraints = constraints;
    this.#groups = query.groups.map(({ suffix, resources }) => {
      const bits = (...kinds: readonly NamedConstraint["kind"][]) =>
        constraints.reduce(
          (all, it, bit) =>
            it.suffix === suffix && kinds.includes(it.kind) ? all | (1 << bit) : all,
          0,
        );
      const selecting = bits("required_trait", "member_of");
      const all = bits("in_tree", "forbidden_aggregate", "forbidden_trait", "resource") | selecting;
      if (resources.size > 0) return { vital: bits("resource"), all };
      return { vital: selecting === 0 ? all : selecting, all };
    });
  }

  /** With the constraints that go together with some: all of a group that is no group without them. */
  closure(left: number): number {
    let all = left;
    for (const group of this.#groups) if ((left & group.vital) === group.vital) all |= group.all;
    return all;
  }

  /** The smallest set without which a mask of failures means nothing. */
  smallestCovering(mask: number): number {
    let needed = mask;
    for (const { vital, all } of this.#groups) {
      if (bitCount(needed & all) > bitCount(vital)) needed = (needed & ~all) | vital;
    }
    return needed;
  }

  /** Whether a tree anchors a candidate when these constraints are left out. */
  fits(tree: number, left: number, budget: Budget): Generator<void, boolean> {
    const { plan, notes } = this.of(left);
    return anchors(plan, tree, notes, budget);
  }

  of(left: number): { readonly plan: SearchPlan; readonly notes: SearchNotes } {
    let known = this.#plans.get(left);
    if (known === undefined) {
      const some = this.#constraints.filter((_, bit) => (left & (1 << bit)) !== 0);
      const { query, ignoresSharedCapacity } = leaveOut(this.#query, some);
      const plan = new SearchPlan(this.#index, this.#time, query, { ignoresSharedCapacity });
      known = { plan, notes: new SearchNotes() };
      this.#plans.set(left, known);
    }
    return known;
  }
}

interface GroupBits {
  /** Without all of these it is no group any more. */
  readonly vital: number;
  readonly all: number;
}
