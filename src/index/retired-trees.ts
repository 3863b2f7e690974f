import type { IndexView } from "./reader.ts";
import { NONE, type TreeTable } from "./tree-table.ts";

/**
 * So much is kept for views at most. With more, the oldest view is closed: it belongs to an answer
 * that is read so slowly that half a million hosts have changed meanwhile.
 */
const MAX_BYTES = 128 * 1024 * 1024;

/** The open views (snapshots, as of MVCC), and the trees of the past that are kept for them. */
export class RetiredTrees {
  readonly #trees: TreeTable;
  readonly #maxBytes: number;
  /** In the order in which they were opened. */
  readonly #views = new Set<IndexView>();
  #newestViewTime = NONE;
  #bytes = 0;

  constructor(trees: TreeTable, maxBytes = MAX_BYTES) {
    this.#trees = trees;
    this.#maxBytes = maxBytes;
  }

  get viewsOpen(): number {
    return this.#views.size;
  }

  /** The memory of what is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param onClose is called when there may be trees to forget */
  openView(time: number, onClose: () => void): IndexView {
    const views = this.#views;
    const view: IndexView = {
      time,
      get isOpen() {
        return views.has(view);
      },
      close: () => {
        if (!views.delete(view)) return;
        this.#newestViewTime = Math.max(NONE, ...Array.from(views, (it) => it.time));
        onClose();
      },
    };
    views.add(view);
    this.#newestViewTime = time;
    return view;
  }

  /** Whether an open view sees the present of a tree. */
  isSeen(tree: number): boolean {
    return this.#trees.createdAt(tree) <= this.#newestViewTime;
  }

  /** Keeps a tree for the views that see it. */
  add(tree: number, time: number, bytes: number): void {
    this.#trees.retire(tree, time);
    this.#bytes += bytes;
  }

  /** Closes the oldest view when too much is kept. */
  limit(): void {
    if (this.#bytes > this.#maxBytes) this.#oldest?.close();
  }

  /** The tree that was retired first, if no view sees it any more; otherwise `NONE`. */
  get unseen(): number {
    const tree = this.#trees.firstRetired;
    if (tree === NONE || this.#trees.retiredAt(tree) > (this.#oldest?.time ?? Infinity))
      return NONE;
    return tree;
  }

  /** Gives back the tree that was retired first. */
  free(tree: number, bytes: number): void {
    this.#bytes -= bytes;
    this.#trees.free(tree);
  }

  get #oldest(): IndexView | undefined {
    return this.#views.values().next().value;
  }
}
