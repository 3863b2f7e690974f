import type { AnchorProviders } from "./anchor-providers.ts";

/** So many shapes are looked up before it is judged whether that pays. */
const LOOKUPS_ON_TRIAL = 64;
/** With fewer of them known than one in so many, looking them up costs more than it saves. */
const LOOKUPS_PER_HIT = 8;
/** Of what is larger, the description would take as long as the search. */
const MAX_NUMBERS = 8192;

/**
 * So many characters the notes of one search may have altogether, of dead ends and of shapes that fail.
 * What they save grows with their number, and hardly with more than some thousands.
 */
const MAX_NOTE_CHARACTERS = 4 * 1024 * 1024;

/** How many characters the notes of a search may still take, which bounds its memory. */
export interface NoteMemory {
  left: number;
}

/** What one search has learned, and need not try again in its next tree (memoization). */
export class SearchNotes {
  readonly memory: NoteMemory = { left: MAX_NOTE_CHARACTERS };
  readonly failedShapes = new FailedShapes(this.memory);
}

/**
 * The shapes of trees that yield no candidate, a memo of one search. Whether a tree does follows from
 * its shape alone: who can be chosen for what, how these lie, and what room they have. In a fleet of ten
 * thousand equal hosts, of which each could meet every group and none all of them, one is searched.
 */
class FailedShapes {
  readonly #memory: NoteMemory;
  readonly #shapes = new Set<string>();
  #lookups = 0;
  #hits = 0;

  constructor(memory: NoteMemory) {
    this.#memory = memory;
  }

  /** Whether the search of an anchor would find nothing, as far as that is known. */
  includes(providers: AnchorProviders): boolean {
    if (this.#shapes.size === 0 || !this.#pays) return false;
    const shape = shapeOf(providers);
    if (shape === undefined) return false;
    this.#lookups += 1;
    if (!this.#shapes.has(shape)) return false;
    this.#hits += 1;
    return true;
  }

  add(providers: AnchorProviders): void {
    if (!this.#pays) return;
    const shape = shapeOf(providers);
    if (shape === undefined || shape.length > this.#memory.left) return;
    this.#memory.left -= shape.length;
    this.#shapes.add(shape);
  }

  get #pays(): boolean {
    return this.#lookups < LOOKUPS_ON_TRIAL || this.#hits * LOOKUPS_PER_HIT >= this.#lookups;
  }
}

/**
 * All that constraints look at, with providers by their numbers within the anchor. Two anchors of one
 * shape have the same candidates, but for the rows.
 */
function shapeOf(providers: AnchorProviders): string | undefined {
  const { plan, tree, rows, order, options } = providers;
  const numbers: number[] = [rows.length];
  options.forEach((candidates, depth) => {
    if (numbers.length > MAX_NUMBERS) return;
    numbers.push(order[depth]!);
    // Groups that ask for the same share their options.
    if (depth > 0 && candidates === options[depth - 1]) return;
    numbers.push(candidates.length);
    for (const provider of candidates) numbers.push(provider);
  });
  const perProvider =
    plan.contestedClasses.length + plan.collectiveTraits.length + plan.subtrees.length + 1;
  if (numbers.length + rows.length * perProvider > MAX_NUMBERS) return undefined;
  for (const { column, total } of plan.contestedClasses) {
    for (const row of rows)
      numbers.push(column.has(row) ? Math.min(plan.room(column, row), total) : 0);
  }
  if (plan.collectiveTraits.length > 0) {
    for (const row of rows) numbers.push(plan.index.traitSetOf(row));
  }
  if (!plan.query.isNestedAware) {
    for (const row of rows) {
      const other = plan.index.treeOf(row);
      numbers.push(other === tree ? -1 : other);
    }
  }
  if (plan.subtrees.length > 0) for (const parent of providers.parents) numbers.push(parent);
  return numbers.join(",");
}
