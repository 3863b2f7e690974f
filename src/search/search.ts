import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { IndexReader } from "../index/reader.ts";
import { AnchorSearch, type Progress } from "./anchor-search.ts";
import type { Budget } from "./budget.ts";
import { DrawnTrees, type TreeSource } from "./drawn-trees.ts";
import { SearchNotes } from "./failed-shapes.ts";
import { SearchPlan } from "./search-plan.ts";

export interface SearchOptions {
  /** All candidates of one anchor before those of the next, or one of each in turn. */
  readonly strategy: "depth-first" | "breadth-first";
  /** Negative for any number. */
  readonly maxCandidates: number;
  /** Numbers from 0 up to 1; candidates come in random order when it is given. */
  readonly random?: () => number;
}

/**
 * How many anchors are visited in turn; of more, the next ones follow when one is exhausted. With a limit
 * the candidates are to come from as many as possible. Without one all of them come anyway, and fewer
 * anchors are less for the garbage collector to keep.
 */
const MAX_OPEN_ANCHORS = { withLimit: 1024, withoutLimit: 128 };

/**
 * Searches for the candidates of a query, on demand and no further than asked for.
 *
 * @param time the time of an open view or, for a search that ends before anything else happens,
 *   the time of the index
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function searchCandidates(
  index: IndexReader,
  time: number,
  query: CandidateQuery,
  options: SearchOptions,
): CandidateSearch {
  return new CandidateSearch(new SearchPlan(index, time, query), options);
}

/**
 * The candidates of a query, one at a time.
 *
 * Each is found once, however many trees can anchor it: two differ in the provider of at least one
 * choice. In random order, anchors are drawn evenly and take turns.
 */
export class CandidateSearch {
  readonly plan: SearchPlan;
  readonly #notes = new SearchNotes();
  readonly #random: (() => number) | undefined;
  readonly #isDepthFirst: boolean;
  readonly #bound: number;
  readonly #maxOpen: number;
  /** Made when the sharing providers are known. */
  #trees: TreeSource | undefined;
  #hasMoreTrees = true;
  /** The anchor that is being opened, where a pause came in between. */
  #opening: ReturnType<typeof AnchorSearch.open> | undefined;
  readonly #lone = new LoneProvider();
  /** The anchors that take turns; just one when searching depth first. */
  readonly #open: AnchorSearch[] = [];
  #turn = 0;
  readonly #options: SearchOptions;
  #count = 0;
  #rows: readonly number[] = [];

  constructor(plan: SearchPlan, options: SearchOptions, trees?: TreeSource) {
    const { strategy, maxCandidates, random } = options;
    this.plan = plan;
    this.#options = options;
    this.#random = random;
    this.#isDepthFirst = strategy === "depth-first" && random === undefined;
    // Upstream compares after adding a candidate, so that the least it generates is one.
    const most = maxCandidates < 0 ? Infinity : Math.max(1, maxCandidates);
    this.#bound = Math.min(plan.query.limit ?? Infinity, most);
    const { withLimit, withoutLimit } = MAX_OPEN_ANCHORS;
    const maxInTurn = this.#bound < Infinity ? withLimit : withoutLimit;
    this.#maxOpen = this.#isDepthFirst ? 1 : maxInTurn;
    this.#trees = trees;
  }

  /** Whether each tree yields its candidates by itself, and those of the next one come after them. */
  get goesTreeByTree(): boolean {
    return this.#isDepthFirst && this.plan.sharing.isEmpty && this.plan.choices.length > 0;
  }

  /** A search for what one tree yields, for those that go tree by tree. */
  ofTree(tree: number): CandidateSearch {
    const scan = this.plan.trees();
    const trees = tree < scan.end && scan.has(tree) ? [tree] : [];
    return new CandidateSearch(this.plan, this.#options, { next: () => trees.pop() ?? -1 });
  }

  /** How many candidates are looked for. */
  get bound(): number {
    return this.#bound;
  }

  /** Whether candidates were found up to the limit, so that there may be more. */
  get isLimited(): boolean {
    return this.#count >= this.#bound;
  }

  /** Per choice of the plan, the row of the provider, of the candidate found last. */
  get rows(): readonly number[] {
    return this.#rows;
  }

  /**
   * Looks for the next candidate.
   *
   * @param budget is used up by the work done; the search pauses at 0 and goes on in the next call
   */
  next(budget: Budget): Progress {
    if (this.#count >= this.#bound) return "done";
    if (!this.plan.sharing.collect(budget)) return "paused";
    this.#trees ??= treesOf(this.plan, this.#random);
    for (;;) {
      if (this.#turn === this.#open.length) {
        const progress = this.#nextRound(budget);
        if (progress === "opened") continue;
        if (progress === "found") this.#count += 1;
        return progress;
      }
      const progress = this.#nextOf(this.#open[this.#turn]!, budget);
      if (progress === "found") {
        if (!this.#isDepthFirst) this.#turn += 1;
        this.#count += 1;
      }
      if (progress !== "done") return progress;
      this.#open.splice(this.#turn, 1);
    }
  }

  /** When all open anchors have had their turn: one more, or the first of them again. */
  #nextRound(budget: Budget): Progress | "opened" {
    while (this.#hasMoreTrees && this.#open.length < this.#maxOpen) {
      const anchor = this.#openNext(budget);
      if (anchor instanceof LoneProvider) {
        if (!this.plan.isFirstAnchor(anchor.tree, anchor.rows, budget)) continue;
        this.#rows = anchor.rows;
        return "found";
      }
      if (anchor !== undefined) {
        this.#open.push(anchor);
        return "opened";
      }
      if (this.#hasMoreTrees) return "paused";
    }
    this.#turn = 0;
    return this.#open.length === 0 ? "done" : "opened";
  }

  /** Undefined when there are no more trees or the budget is used up. */
  #openNext(budget: Budget): AnchorSearch | LoneProvider | undefined {
    const { plan } = this;
    if (this.#opening !== undefined) {
      const anchor = this.#goOnOpening(budget);
      if (anchor !== undefined || this.#opening !== undefined) return anchor;
    }
    while (budget.left > 0) {
      budget.left -= 1;
      const tree = this.#trees!.next(budget);
      if (tree === undefined) return undefined;
      if (tree < 0) {
        this.#hasMoreTrees = false;
        return undefined;
      }
      const root = plan.anchorRoot(tree);
      if (root === undefined) continue;
      if (plan.isAlone(tree, root)) {
        if (plan.meetsAlone(root)) return this.#lone.open(tree, root, plan.choices.length);
        continue;
      }
      const isSampled = this.#bound < Infinity;
      this.#opening = AnchorSearch.open(
        plan,
        { tree, root },
        this.#notes,
        budget,
        this.#random,
        isSampled,
      );
      const anchor = this.#goOnOpening(budget);
      if (anchor !== undefined) return anchor;
      if (this.#opening !== undefined) return undefined;
    }
    return undefined;
  }

  /** Undefined when the anchor has nothing, and when it is not yet open: then there is an `#opening`. */
  #goOnOpening(budget: Budget): AnchorSearch | undefined {
    const step = this.#opening?.next(budget);
    if (step?.done !== true) return undefined;
    this.#opening = undefined;
    return step.value;
  }

  /** The next candidate of an anchor that does not belong to another one. */
  #nextOf(anchor: AnchorSearch, budget: Budget): Progress {
    for (;;) {
      const progress = anchor.next(budget);
      if (progress !== "found") return progress;
      if (!this.plan.isFirstAnchor(anchor.tree, anchor.rows, budget)) continue;
      this.#rows = anchor.rows;
      return "found";
    }
  }
}

function treesOf(plan: SearchPlan, random: (() => number) | undefined): TreeSource {
  return random === undefined ? plan.trees() : new DrawnTrees(plan.trees(), random);
}

/** The only candidate of a tree of one provider: the common case, without a search. */
class LoneProvider {
  tree = -1;
  /** Per choice, always the same. */
  readonly rows: number[] = [];

  open(tree: number, row: number, choices: number): this {
    this.tree = tree;
    for (let choice = 0; choice < choices; choice++) this.rows[choice] = row;
    return this;
  }
}
