import type { DatabaseContext } from "../db/change.ts";
import type { CandidateQuery } from "../domain/candidate-query.ts";
import { CandidatesOutdated, HostNotFound, SearchEffortExceeded } from "../domain/errors.ts";
import type { Explanation, UnknownName } from "../domain/explanation.ts";
import type { RequestContext } from "../domain/request-context.ts";
import { normalizeUuid } from "../domain/uuid.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "../search/budget.ts";
import { explainCandidates } from "../search/explain.ts";
import { unknownNames } from "../search/unknown-names.ts";
import type { Service } from "./service.ts";
import { enterSearch, turns } from "./turns.ts";

/** A slice ends after so long, so that others are served in between. */
const SLICE_MS = 2;
/** The clock is looked at after so many steps. */
const STEPS_BY_CLOCK = 512;

interface ExplainQuestion {
  readonly query: CandidateQuery;
  /** How many of the nearest hosts are told about. */
  readonly nearest: number;
  /** UUID or name of any provider of the only tree to explain. */
  readonly host: string | undefined;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** What a query finds and why not more; or the names in it that do not exist. */
export type Explained =
  | { readonly explanation: Explanation }
  | { readonly unknownNames: readonly UnknownName[] };

/**
 * Explains a query for allocation candidates, of all providers as they are now, in slices.
 *
 * @throws HostNotFound, TooManyConstraints, SearchEffortExceeded, TooManySearches
 */
export async function explain(
  service: Service,
  context: DatabaseContext & Pick<RequestContext, "userId">,
  question: ExplainQuestion,
): Promise<Explained> {
  const client = context.userId ?? "";
  if (!turns.canBegin()) await turns.waitToBegin(client);
  const index = await service.freshIndex(context);
  const names = unknownNames(index, question.query);
  if (names.length > 0) return { unknownNames: names };
  const budget = { left: STEPS_BY_CLOCK };
  const work = new SlicedWork(
    explainHosts(index, index.time, question, budget),
    budget,
    service.config.stowage.maxSearchEffort,
  );
  turns.begin(() => work.slice());
  if (work.result === undefined) await goOn(work, index, client, question.signal);
  if (work.result === undefined) throw new CandidatesOutdated();
  return { explanation: work.result };
}

async function goOn(
  work: SlicedWork<Explanation>,
  index: IndexReader,
  client: string,
  signal: AbortSignal,
): Promise<void> {
  const view = index.openView();
  try {
    const leave = enterSearch(client);
    try {
      while (work.result === undefined && !signal.aborted) {
        await turns.goOn(client, () => {
          if (signal.aborted) return;
          if (!view.isOpen) throw new CandidatesOutdated();
          work.slice();
        });
      }
    } finally {
      leave();
    }
  } finally {
    view.close();
  }
}

/** Work that pauses each time its budget is used up. */
class SlicedWork<Result> {
  result: Result | undefined;
  readonly #work: Iterator<void, Result>;
  readonly #budget: Budget;
  readonly #maxEffort: number;
  #effort = 0;

  constructor(work: Iterator<void, Result>, budget: Budget, maxEffort: number) {
    this.#work = work;
    this.#budget = budget;
    this.#maxEffort = maxEffort;
  }

  /** @throws SearchEffortExceeded */
  slice(): void {
    const endsAtMs = performance.now() + SLICE_MS;
    do {
      const step = this.#work.next();
      if (step.done === true) {
        this.result = step.value;
        return;
      }
      this.#effort += STEPS_BY_CLOCK - this.#budget.left;
      if (this.#effort > this.#maxEffort) throw new SearchEffortExceeded(this.#maxEffort);
      this.#budget.left = STEPS_BY_CLOCK;
    } while (performance.now() < endsAtMs);
  }
}

function* explainHosts(
  index: IndexReader,
  time: number,
  { query, nearest, host }: ExplainQuestion,
  budget: Budget,
): Generator<void, Explanation> {
  const tree = host === undefined ? undefined : yield* findTree(index, time, host, budget);
  const only = tree === undefined ? {} : { tree };
  return yield* explainCandidates(index, time, query, { nearest, ...only }, budget);
}

/** The tree of the provider that has a UUID or a name. */
function* findTree(
  index: IndexReader,
  time: number,
  host: string,
  budget: Budget,
): Generator<void, number> {
  const uuid = normalizeUuid(host);
  const found = uuid === undefined ? undefined : index.findRow(uuid);
  if (found !== undefined) return index.treeOf(found);
  for (let tree = 0; tree < index.trees.end; tree++) {
    budget.left -= 1;
    if (budget.left <= 0) yield;
    if (!index.trees.isVisible(tree, time)) continue;
    if (index.trees.rows(tree).some((row) => index.nameOf(row) === host)) return tree;
  }
  throw new HostNotFound(host);
}
