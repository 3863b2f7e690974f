import type { AnchorProviders } from "./anchor-providers.ts";
import { findsAnother, openAnchor } from "./anchoring.ts";
import type { Budget } from "./budget.ts";
import type { Demand } from "./demand.ts";
import type { SearchNotes } from "./failed-shapes.ts";
import type { Rooms } from "./rooms.ts";
import type { SearchPlan } from "./search-plan.ts";

/** After so many candidates in a row that were found before and fit no more, the search begins anew. */
const MAX_IDLE = 16;

/** How often a request was claimed in one tree. */
export interface Filling {
  readonly count: number;
  /** What the sums of free amounts allow; nothing where not even one candidate is found. */
  readonly atMost: number;
  readonly boundedBy: string;
  /** What could be chosen from at first; undefined where nothing could. */
  readonly providers: AnchorProviders | undefined;
}

const NOTHING: Filling = { count: 0, atMost: 0, boundedBy: "", providers: undefined };

/** A plan whose rooms are claimed from, with what it asks for. */
export interface FillingPlan {
  readonly plan: SearchPlan;
  readonly rooms: Rooms;
  readonly demand: Demand;
  readonly notes: SearchNotes;
}

/**
 * Claims a request in one tree again and again until nothing is found (greedy): a candidate as often as it
 * fits, then the next. Candidates that were found before others were claimed may fit no more; when many do
 * not, those that do are searched for anew. Pauses each time the budget is used up.
 *
 * @param most so often at most
 */
export function* fillTree(
  { plan, rooms, demand, notes }: FillingPlan,
  anchor: { readonly tree: number; readonly root: number },
  most: number,
  budget: Budget,
): Generator<void, Filling> {
  let filling = NOTHING;
  let count = 0;
  for (;;) {
    const search = yield* openAnchor(plan, anchor, notes, budget);
    if (search === undefined) break;
    if (filling.providers === undefined) {
      const { providers } = search;
      filling = { count, ...demand.bound(providers, rooms), providers };
    }
    const limit = Math.min(most, filling.atMost);
    let isFinished = false;
    for (let idle = 0; count < limit && idle < MAX_IDLE && !isFinished; idle++) {
      isFinished = !(yield* findsAnother(search, budget));
      if (isFinished) break;
      const times = Math.min(demand.timesOf(search.rows, rooms), limit - count);
      if (times === 0) continue;
      demand.take(search.rows, times, rooms);
      count += times;
      idle = -1;
    }
    if (isFinished || count >= limit) break;
  }
  return count === 0 ? NOTHING : { ...filling, count };
}
