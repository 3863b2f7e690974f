import type { CandidateQuery } from "../domain/candidate-query.ts";
import { Bitset } from "../index/bitset.ts";
import { hasAnyOfEachAndNone, SetCondition, traitIds } from "../index/conditions.ts";

import type { IndexReader, Inventories } from "../index/reader.ts";
import { type AnyOf, TreeScan } from "../index/tree-scan.ts";
import type { Budget } from "./budget.ts";
import {
  GranularChoice,
  GroupConditions,
  type ProviderChoice,
  UnsuffixedChoice,
} from "./provider-choice.ts";
import type { Rooms } from "./rooms.ts";
import { SharingProviders } from "./sharing-providers.ts";

/** So many candidates of sharing providers alone are noted, to tell that they have been found. */
const MAX_SHARED_CANDIDATES = 20_000;

/** A resource class that more than one choice takes from, so that amounts add up. */
export interface ContestedClass {
  readonly column: Inventories;
  readonly total: number;
}

interface PlanOptions {
  /** Whether what several groups ask of one inventory is not added up. */
  readonly ignoresSharedCapacity?: boolean;
  /** Another state of what is claimed than that of the index. */
  readonly rooms?: Rooms;
}

/**
 * A query for allocation candidates made ready for the search: names resolved, and what it says
 * about trees, single providers and combinations of providers taken apart.
 *
 * Every candidate has an anchor, the tree that all of its providers belong to or are shared with.
 */
export class SearchPlan {
  readonly index: IndexReader;
  /** The time of the view that is searched. */
  readonly time: number;
  readonly query: CandidateQuery;
  readonly choices: readonly ProviderChoice[];
  /** Required traits of the unsuffixed group, which its providers must have together. */
  readonly collectiveTraits: readonly ReadonlySet<number>[];
  readonly contestedClasses: readonly ContestedClass[];
  /** Per `same_subtree`, the choices of the groups that it names. */
  readonly subtrees: readonly (readonly number[])[];
  readonly isIsolated: boolean;
  readonly sharing: SharingProviders;
  /** Whether something that is named has no members, so that no tree can anchor candidates. */
  readonly isHopeless: boolean;
  /** What there is room for, where that is not what the index says. */
  readonly rooms: Rooms | undefined;

  readonly #rootTraits: SetCondition;
  readonly #rootRequiredTraits: ReadonlySet<number>;
  readonly #groups: readonly GroupConditions[];
  readonly #ownTrees = new Map<number, Bitset>();
  readonly #sharedCandidates = new Set<string>();
  #alike: readonly number[] | undefined;

  /**
   * @throws ResourceClassNotFound, TraitNotFound
   */
  constructor(
    index: IndexReader,
    time: number,
    query: CandidateQuery,
    { ignoresSharedCapacity = false, rooms }: PlanOptions = {},
  ) {
    this.rooms = rooms;
    this.index = index;
    this.time = time;
    this.query = query;
    this.#rootRequiredTraits = traitIds(index, query.rootRequired?.required ?? []);
    this.#rootTraits = new SetCondition(
      index.traitSets,
      hasAnyOfEachAndNone(
        Array.from(this.#rootRequiredTraits, (id) => new Set([id])),
        traitIds(index, query.rootRequired?.forbidden ?? []),
      ),
    );
    const groups = query.groups.map((group) => new GroupConditions(index, group));
    this.#groups = groups;
    const unsuffixed = groups.find(({ group }) => group.suffix === "");
    this.isHopeless = groups.some((group) => group.isHopeless || selectsNothing(group));
    this.choices = groups.flatMap<ProviderChoice>((group) =>
      group === unsuffixed
        ? group.needs.map((need) => new UnsuffixedChoice(index, group, need))
        : [new GranularChoice(index, group)],
    );
    this.collectiveTraits = unsuffixed?.requiredTraits ?? [];
    this.isIsolated =
      query.groupPolicy === "isolate" &&
      this.choices.filter(({ suffix }) => suffix !== "").length > 1;
    this.contestedClasses =
      this.isHopeless || ignoresSharedCapacity ? [] : contestedClasses(this.choices);
    this.subtrees = query.sameSubtrees.map((suffixes) =>
      [...this.choices.keys()].filter((choice) => suffixes.has(this.choices[choice]!.suffix)),
    );
    this.sharing = new SharingProviders(
      index,
      time,
      this.isHopeless ? [] : rooms === undefined ? this.choices : choicesIn(rooms, this.choices),
    );
  }

  /** Per choice, the first one that asks for the same. */
  get alike(): readonly number[] {
    return (this.#alike ??= alikeChoices(this.choices));
  }

  /** The trees that may anchor candidates, by what can be said without looking at providers. */
  trees(): TreeScan {
    if (this.isHopeless) return new TreeScan([], 0);
    const conditions = this.choices.flatMap((choice, number) => {
      const served = this.sharing.treesServed(number);
      return served === undefined ? [] : choice.conditions.map((anyOf) => [...anyOf, ...served]);
    });
    const isUnsuffixedShared = this.choices.some(({ suffix }, number) => {
      return suffix === "" && this.sharing.serves(number);
    });
    if (!isUnsuffixedShared) {
      for (const anyOf of this.collectiveTraits) {
        conditions.push([...anyOf].map((id) => this.index.treesOfTrait(id)));
      }
    }
    for (const id of this.#rootRequiredTraits) conditions.push([this.index.treesOfTrait(id)]);
    this.choices.forEach(({ inTree }, number) => {
      if (inTree === undefined || this.sharing.serves(number)) return;
      conditions.push([this.#singleTree(inTree)]);
    });
    return new TreeScan(conditions, this.index.trees.end);
  }

  /** The root of a tree; undefined when the tree cannot anchor candidates. */
  anchorRoot(tree: number): number | undefined {
    if (!this.index.trees.isVisible(tree, this.time)) return undefined;
    const root = this.index.rootOf(tree);
    if (root < 0 || !this.#rootTraits.isMetBy(this.index.traitSetOf(root))) return undefined;
    return root;
  }

  /** Whether the root is the only provider that candidates of the anchor can have. */
  isAlone(tree: number, root: number): boolean {
    return this.index.trees.nextRow(root) === root && !this.sharing.isServed(tree, root);
  }

  /** Whether a root can be every provider of a candidate. */
  meetsAlone(root: number): boolean {
    if (this.isIsolated) return false;
    for (const group of this.#groups) if (!group.isMetBy(root)) return false;
    for (const { column, total } of this.contestedClasses) {
      if (column.room(root) < total) return false;
    }
    return true;
  }

  /** The same if nothing were claimed from it. */
  wouldMeetAlone(root: number): boolean {
    if (this.isIsolated) return false;
    for (const group of this.#groups) if (!group.wouldBeMetBy(root)) return false;
    for (const { column, total } of this.contestedClasses) {
      if (Math.min(column.capacity(root), column.maxUnit(root)) < total) return false;
    }
    return true;
  }

  /** The most that all request groups of one candidate together can take from a provider. */
  room(column: Inventories, row: number): number {
    return this.rooms === undefined ? column.room(row) : this.rooms.room(column, row);
  }

  /**
   * Whether a candidate belongs to this anchor. Where all providers are sharing ones, several trees
   * may anchor the very same candidate. The first to come up with it has it, as far as candidates
   * are noted, which are few where they are shared by many; then the lowest tree that can anchor it.
   */
  isFirstAnchor(tree: number, rows: readonly number[], budget: Budget): boolean {
    if (this.sharing.isEmpty) return true;
    if (!rows.every((row, choice) => this.sharing.canServe(choice, row))) return true;
    const key = rows.join(",");
    if (this.#sharedCandidates.has(key)) return false;
    if (this.#sharedCandidates.size < MAX_SHARED_CANDIDATES) {
      this.#sharedCandidates.add(key);
      return true;
    }
    return !this.#isAnchoredBefore(tree, rows, budget);
  }

  #isAnchoredBefore(tree: number, rows: readonly number[], budget: Budget): boolean {
    const conditions: AnyOf[] = rows.map((row) => [
      ...this.sharing.treesSharedWith(row),
      this.#singleTree(this.index.treeOf(row)),
    ]);
    const scan = new TreeScan(conditions, tree);
    for (let earlier = scan.next(); earlier >= 0; earlier = scan.next()) {
      budget.left -= 1;
      if (this.#anchors(earlier, rows)) return true;
    }
    return false;
  }

  /** For sharing providers of which each is known to serve the tree or to belong to it. */
  #anchors(tree: number, rows: readonly number[]): boolean {
    const root = this.anchorRoot(tree);
    if (root === undefined) return false;
    return rows.every((row, choice) =>
      this.index.treeOf(row) === tree
        ? this.choices[choice]!.fitsInTree(row, root)
        : this.choices[choice]!.toleratesAnchor(root),
    );
  }

  #singleTree(tree: number): Bitset {
    let bitset = this.#ownTrees.get(tree);
    if (bitset === undefined) {
      bitset = new Bitset();
      bitset.add(tree);
      this.#ownTrees.set(tree, bitset);
    }
    return bitset;
  }
}

/** Upstream finds no provider for a group that names neither resources, traits nor aggregates. */
function selectsNothing({ needs, requiredTraits, memberOf }: GroupConditions): boolean {
  return needs.length === 0 && requiredTraits.length === 0 && memberOf.length === 0;
}

function choicesIn(rooms: Rooms, choices: readonly ProviderChoice[]) {
  return choices.map((choice) => ({
    fitsShared: (row: number) => choice.admitsShared(row) && rooms.fit(choice.needs, row),
  }));
}

function contestedClasses(choices: readonly ProviderChoice[]): ContestedClass[] {
  const needs = choices.flatMap((choice) => choice.needs);
  return Map.groupBy(needs, ({ column }) => column!)
    .entries()
    .filter(([, sameClass]) => sameClass.length > 1)
    .map(([column, sameClass]) => ({
      column,
      total: sameClass.reduce((sum, { amount }) => sum + amount, 0),
    }))
    .toArray();
}

function alikeChoices(choices: readonly ProviderChoice[]): number[] {
  const firstOfKind = new Map<string, number>();
  return choices.map((choice, number) => {
    // Of the unsuffixed group, each choice is about a class of its own.
    if (choices.length < 2 || choice.suffix === "") return number;
    const first = firstOfKind.get(choice.kind) ?? number;
    firstOfKind.set(choice.kind, first);
    return first;
  });
}
