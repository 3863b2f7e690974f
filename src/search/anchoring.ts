import { AnchorSearch } from "./anchor-search.ts";
import type { Budget } from "./budget.ts";
import type { SearchNotes } from "./failed-shapes.ts";
import type { SearchPlan } from "./search-plan.ts";

/** What is tried between two looks at the budget of whoever asks. */
const STEPS = 256;

/**
 * Whether a tree anchors a candidate of a plan, be it one that another tree anchors as well. Pauses each
 * time the budget is used up, which is filled up again by whoever goes on.
 */
export function* anchors(
  plan: SearchPlan,
  tree: number,
  notes: SearchNotes,
  budget: Budget,
): Generator<void, boolean> {
  budget.left -= 1;
  if (plan.isHopeless) return false;
  const root = plan.anchorRoot(tree);
  if (root === undefined) return false;
  // A query of which everything is left out is met by whatever is there.
  if (plan.choices.length === 0) return true;
  if (plan.isAlone(tree, root)) return plan.meetsAlone(root);
  const search = yield* openAnchor(plan, { tree, root }, notes, budget);
  return search !== undefined && (yield* findsAnother(search, budget));
}

/** The search of one tree; undefined when it is plain that there is nothing to find. Pauses likewise. */
export function* openAnchor(
  plan: SearchPlan,
  anchor: { readonly tree: number; readonly root: number },
  notes: SearchNotes,
  budget: Budget,
): Generator<void, AnchorSearch | undefined> {
  const slice = { left: STEPS };
  const opening = AnchorSearch.open(plan, anchor, notes, slice, undefined, false);
  for (let step = opening.next(slice); ; step = opening.next(slice)) {
    budget.left -= STEPS - slice.left;
    slice.left = STEPS;
    if (step.done) return step.value;
    if (budget.left <= 0) yield;
  }
}

/** Whether the search of one tree finds another candidate. Pauses likewise. */
export function* findsAnother(search: AnchorSearch, budget: Budget): Generator<void, boolean> {
  const slice = { left: STEPS };
  for (;;) {
    const progress = search.next(slice);
    budget.left -= STEPS - slice.left;
    slice.left = STEPS;
    if (progress !== "paused") return progress === "found";
    if (budget.left <= 0) yield;
  }
}
