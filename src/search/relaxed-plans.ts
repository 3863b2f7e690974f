import type { CandidateQuery } from "../domain/candidate-query.ts";
import { BoundedMap } from "../domain/bounded-map.ts";
import { leaveOut } from "../domain/query-constraints.ts";
import { constraintsIn, isOfGroup, type ToldConstraint } from "../domain/told-constraints.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { anchors } from "./anchoring.ts";
import { bitCount } from "./constraint-masks.ts";
import { SearchNotes } from "./failed-shapes.ts";
import { SearchPlan } from "./search-plan.ts";

/**
 * So many are kept, with what they have learned: of sets that are tried one after the other each is asked of all
 * trees and never again. 5,000 plans took more time to collect as garbage than to make.
 */
const MAX_PLANS = 12;
/** What it takes to make one, for each constraint of the query. */
const STEPS_BY_CONSTRAINT = 4;

/** The plans of a query with constraints left out, which are bits of a mask; each made when it is asked for. */
export class RelaxedPlans {
  readonly #index: IndexReader;
  readonly #time: number;
  readonly #query: CandidateQuery;
  readonly #constraints: readonly ToldConstraint[];
  readonly #plans = new BoundedMap<number, RelaxedPlan>({ entries: MAX_PLANS });
  readonly #groups: readonly GroupBits[];
  readonly #stepsByPlan: number;

  constructor(
    index: IndexReader,
    time: number,
    query: CandidateQuery,
    constraints: readonly ToldConstraint[],
  ) {
    this.#index = index;
    this.#time = time;
    this.#query = query;
    this.#constraints = constraints;
    this.#groups = groupBits(query, constraints);
    const single = constraints.reduce((sum, it) => sum + constraintsIn(it).length, 0);
    this.#stepsByPlan = single * STEPS_BY_CONSTRAINT;
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
    const { plan, notes } = this.#of(left, budget);
    return anchors(plan, tree, notes, budget);
  }

  #of(left: number, budget: Budget): RelaxedPlan {
    const closure = this.closure(left);
    const known = this.#plans.use(closure);
    if (known !== undefined) return known;
    budget.left -= this.#stepsByPlan;
    const some = this.#constraints.flatMap((told, bit) =>
      (closure & (1 << bit)) === 0 ? [] : constraintsIn(told),
    );
    const { query, ignoresSharedCapacity } = leaveOut(this.#query, some);
    const plan = new SearchPlan(this.#index, this.#time, query, { ignoresSharedCapacity });
    const made = { plan, notes: new SearchNotes() };
    this.#plans.set(closure, made);
    return made;
  }
}

interface RelaxedPlan {
  readonly plan: SearchPlan;
  readonly notes: SearchNotes;
}

interface GroupBits {
  /** Without all of these it is no group any more. */
  readonly vital: number;
  readonly all: number;
}

function groupBits(
  { groups }: CandidateQuery,
  constraints: readonly ToldConstraint[],
): GroupBits[] {
  const bits = new Map(
    groups.map(({ suffix }) => [suffix, { amounts: 0, selecting: 0, others: 0 }]),
  );
  for (const [number, told] of constraints.entries()) {
    for (const it of constraintsIn(told)) {
      if (!isOfGroup(it)) continue;
      const ofGroup = bits.get(it.suffix)!;
      if (it.kind === "resource") ofGroup.amounts |= 1 << number;
      else if (it.kind === "required_trait" || it.kind === "member_of") {
        ofGroup.selecting |= 1 << number;
      } else ofGroup.others |= 1 << number;
    }
  }
  return Array.from(bits.values(), ({ amounts, selecting, others }) => {
    const all = amounts | selecting | others;
    if (amounts !== 0) return { vital: amounts, all };
    return { vital: selecting === 0 ? all : selecting, all };
  });
}
