import type { ProviderRecord } from "../domain/provider-record.ts";
import type { Bitset } from "./bitset.ts";
import type { ChangeJournal } from "./change-journal.ts";
import type { InventoryColumn } from "./inventory-column.ts";
import type { NameRegistry } from "./name-registry.ts";
import type { IdPage } from "./rows-by-id.ts";
import type { SetPool } from "./set-pool.ts";
import type { TreeTable } from "./tree-table.ts";

/** The trees of the index as they were when the view was opened. */
export interface IndexView {
  readonly time: number;
  /** False once it was closed, by its user or by the index: what it saw may be gone. */
  readonly isOpen: boolean;
  /** Lets the index forget what only this view still needs. May be called more than once. */
  close(): void;
}

export type Names = Pick<
  NameRegistry,
  "idOf" | "nameOf" | "getName" | "find" | "get" | "list" | "renames"
>;

/** Sets of integers by number; see `SetPool`. */
export type Sets = Pick<SetPool, "members" | "has">;

/** A set of numbers of trees; see `Bitset`. */
export type TreesWith = Pick<Bitset, "has" | "chunk" | "size">;

/** The inventories of one resource class; see `InventoryColumn`. */
export type Inventories = Pick<
  InventoryColumn,
  | "resourceClassId"
  | "trees"
  | "has"
  | "fits"
  | "readLimits"
  | "fitsIfEmpty"
  | "room"
  | "capacity"
  | "used"
  | "minUnit"
  | "maxUnit"
  | "stepSize"
  | "modifiedAt"
  | "read"
>;

/**
 * The read model as whoever only reads it sees it: a search proposes and never writes.
 *
 * Providers are rows, trees are numbers; both are only meaningful within one synchronous piece of work
 * or, while a view is open, for the trees that it sees.
 */
export interface IndexReader {
  readonly resourceClasses: Names;
  readonly traits: Names;
  readonly trees: Pick<
    TreeTable,
    "end" | "isVisible" | "rows" | "firstRow" | "nextRow" | "find" | "rootId"
  >;
  readonly traitSets: Sets;
  readonly aggregateSets: Sets;
  /** Each change of a tree or of a provider in it. */
  readonly journal: Pick<ChangeJournal, "position" | "since">;
  /** What a search that finishes before anything else happens sees. */
  readonly time: number;
  /** Increases whenever the name of a resource class or of a trait may mean something else. */
  readonly namings: number;
  /** One more than the highest row in use. */
  readonly endOfRows: number;

  /** All providers of the present, in the order of their ids. */
  readonly pages: readonly IdPage[];
  /** How many providers of the present there are. */
  readonly size: number;

  /** Keeps the trees as they are now readable until the view is closed. */
  openView(): IndexView;

  /** @param uuid in any spelling */
  findRow(uuid: string): number | undefined;
  /** Where an id would be in `pages`; undefined when none of its neighbours is in use. */
  pageOf(id: number): IdPage | undefined;
  /** When the newest provider of a page was made or changed; undefined where one does not know. */
  modifiedAtOfPage(page: IdPage): number | undefined;
  idOf(row: number): number;
  uuidOf(row: number): string;
  nameOf(row: number): string;
  generationOf(row: number): number;
  /** When it was made or changed last, in seconds since 1970; undefined where that is not known. */
  modifiedAt(row: number): number | undefined;
  treeOf(row: number): number;
  traitSetOf(row: number): number;
  aggregateSetOf(row: number): number;
  /** Ids of the classes of which a row has inventory, ascending. */
  classesOf(row: number): Int32Array;
  /** Increases whenever anything about the row changes, even to another provider. */
  changesOf(row: number): number;
  /** Builds the record of a row. */
  read(row: number): ProviderRecord;
  /** The row of a tree's root; `NONE` while the root is missing. */
  rootOf(tree: number): number;
  /** The id of a provider's parent; `NONE` for a root. */
  parentIdOf(row: number): number;
  /** The row of a provider's parent in the same tree; `NONE` for a root. */
  parentOf(row: number): number;

  /** The UUID of a provider's parent, whichever tree that is in; undefined for a root. */
  parentUuidOf(row: number): string | undefined;
  /** The UUID of the root that a provider names; its own where there is no such provider. */
  rootUuidOf(row: number): string;
  /** Whether a provider is the root of its tree. */
  isRoot(row: number): boolean;
  /** Whether the ids and spellings of a provider's aggregates are as the database has them. */
  areAggregatesKnown(row: number): boolean;
  /** The id in the database, of a number of `aggregateSets`. */
  aggregateIdOf(aggregate: number): number;
  aggregateUuidOf(aggregate: number): string;

  /** The inventories of a class; undefined when there have never been any. */
  column(resourceClassId: number): Inventories | undefined;
  /** The trees in which some provider has the trait. */
  treesOfTrait(traitId: number): TreesWith | undefined;
  /** The number that stands for an aggregate in `aggregateSets`. */
  aggregateNumber(uuid: string): number | undefined;
  /** The trees in which some provider belongs to the aggregate. */
  treesOfAggregate(aggregate: number): TreesWith | undefined;
}
