import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import type { CandidateSearch } from "./search.ts";

/** With more trees changed than this, searching anew costs no more than to look at each of them. */
const MAX_CHANGED_TREES = 64;
/** If there is more to look at in them than this, everything is searched anew. */
const MAX_STEPS = 10_000;

/** Of one tree: rows and UUIDs of all choices of all its candidates, one after the other. */
interface FoundInTree {
  readonly rows: number[];
  readonly uuids: string[];
}

/**
 * What a search has found, to tell whether the same search would find the same again, in the same order,
 * without doing it: when each tree that has changed since still yields what it did.
 *
 * Only for searches in which each tree yields its candidates by itself, in the order of the trees.
 */
export class FoundCandidates {
  readonly #index: IndexReader;
  readonly #trees = new Map<number, FoundInTree>();
  readonly #bound: number;
  readonly #wasHopeless: boolean;
  readonly #names: number;
  #position: number;
  /** Of the last candidate. Nothing after it was looked at, if the search was ended by its limit. */
  #lastTree = -1;
  #isLimited = false;
  #count = 0;

  /** Begins with nothing found; undefined for a search of which this cannot be told. */
  static of(search: CandidateSearch): FoundCandidates | undefined {
    return search.goesTreeByTree ? new FoundCandidates(search) : undefined;
  }

  private constructor({ plan: { index, isHopeless }, bound }: CandidateSearch) {
    this.#index = index;
    this.#bound = bound;
    this.#wasHopeless = isHopeless;
    this.#names = index.namings;
    this.#position = index.journal.position;
  }

  get count(): number {
    return this.#count;
  }

  get isLimited(): boolean {
    return this.#isLimited;
  }

  /** Notes the candidate that a search found last. */
  add(rows: readonly number[]): void {
    const index = this.#index;
    this.#count += 1;
    const tree = index.treeOf(rows[0]!);
    let found = this.#trees.get(tree);
    if (found === undefined) {
      found = { rows: [], uuids: [] };
      this.#trees.set(tree, found);
    }
    for (const row of rows) {
      found.rows.push(row);
      found.uuids.push(index.uuidOf(row));
    }
    this.#lastTree = tree;
  }

  /** @param isLimited whether there may be more than the search was to find */
  end(isLimited: boolean): void {
    this.#isLimited = isLimited;
  }

  /** Whether a search that has not begun, for the same query, would find the same. */
  isFoundBy(search: CandidateSearch): boolean {
    const index = this.#index;
    if (index !== search.plan.index || this.#bound !== search.bound) return false;
    if (!search.goesTreeByTree) return false;
    if (this.#names !== index.namings || this.#wasHopeless !== search.plan.isHopeless) return false;
    const { position } = index.journal;
    const changed = index.journal.since(this.#position);
    if (changed === undefined || changed.size > MAX_CHANGED_TREES) return false;
    const budget = { left: MAX_STEPS };
    for (const tree of changed) if (!this.#yieldsTheSame(tree, search, budget)) return false;
    this.#position = position;
    return true;
  }

  #yieldsTheSame(tree: number, search: CandidateSearch, budget: Budget): boolean {
    if (this.#isLimited && tree > this.#lastTree) return true;
    const { rows, uuids } = this.#trees.get(tree) ?? NOTHING;
    const present = search.ofTree(tree);
    let position = 0;
    for (;;) {
      const isCut = this.#isLimited && tree === this.#lastTree && position === rows.length;
      if (isCut) return true;
      const progress = present.next(budget);
      if (progress === "paused") return false;
      if (progress === "done") return position === rows.length;
      for (const row of present.rows) {
        if (row !== rows[position] || this.#index.uuidOf(row) !== uuids[position]) return false;
        position += 1;
      }
    }
  }
}

const NOTHING: FoundInTree = { rows: [], uuids: [] };
