import type { CandidateQuery } from "../domain/candidate-query.ts";
import type {
  ConstraintOutcome,
  Explanation,
  ProviderFailures,
  Relaxation,
} from "../domain/explanation.ts";
import { constraintsIn, type ToldConstraint, toldConstraints } from "../domain/told-constraints.ts";
import type { IndexReader } from "../index/reader.ts";
import type { Budget } from "./budget.ts";
import { ConstraintMasks, lowestBit } from "./constraint-masks.ts";
import { type LoneAmount, LoneHosts } from "./lone-hosts.ts";
import { NearestHosts } from "./nearest-hosts.ts";
import { type FoundRelaxation, Relaxations } from "./relaxations.ts";
import { RelaxedPlans } from "./relaxed-plans.ts";
import { ResourceTallies } from "./resource-tallies.ts";
import { SharingProviders } from "./sharing-providers.ts";
import { type ServedTree, TreeShapes } from "./tree-shapes.ts";

interface ExplainOptions {
  /** How many of the nearest hosts are told about. */
  readonly nearest: number;
  /** Whether to find out what would fit if nothing were claimed. */
  readonly ifEmpty: boolean;
  /** The only tree to explain. */
  readonly tree?: number;
  /** So many constraints are told apart; what an answer can hold unless given. */
  readonly toldApart?: number;
}

/**
 * Explains what a candidate query finds: the same search, asked again with constraints left out.
 *
 * Pauses each time the budget is used up, which whoever goes on fills up again; what goes on after others
 * had their turn needs the view of that time to be open.
 *
 * @throws ResourceClassNotFound, TraitNotFound for names that do not exist
 */
export function explainCandidates(
  index: IndexReader,
  time: number,
  query: CandidateQuery,
  options: ExplainOptions,
  budget: Budget,
): Generator<void, Explanation> {
  return new Explaining(index, time, query, options, budget).run();
}

class Explaining {
  readonly #index: IndexReader;
  readonly #time: number;
  readonly #options: ExplainOptions;
  readonly #budget: Budget;
  readonly #constraints: readonly ToldConstraint[];
  /** The resource constraints that are told about one by one. */
  readonly #amounts: readonly LoneAmount[];
  readonly #amountBits: number;
  readonly #masks: ConstraintMasks;
  readonly #plans: RelaxedPlans;
  readonly #shapes: TreeShapes;
  readonly #sharing: SharingProviders;
  readonly #tallies: ResourceTallies;
  readonly #nearest: NearestHosts;
  /** Whether the mask of what a tree's only provider fails is the whole truth about the tree. */
  readonly #isPlain: boolean;

  #total = 0;
  #fitIfEmpty = 0;
  readonly #lone: LoneHosts;

  constructor(
    index: IndexReader,
    time: number,
    query: CandidateQuery,
    options: ExplainOptions,
    budget: Budget,
  ) {
    this.#index = index;
    this.#time = time;
    this.#options = options;
    this.#budget = budget;
    this.#constraints = toldConstraints(query, options.toldApart);
    this.#masks = new ConstraintMasks(index, query, this.#constraints);
    this.#plans = new RelaxedPlans(index, time, query, this.#constraints);
    this.#shapes = new TreeShapes(index, query, this.#masks, this.#plans);
    this.#sharing = new SharingProviders(index, time, [{ fitsShared: () => true }]);
    this.#tallies = new ResourceTallies(this.#masks.resources);
    this.#amounts = this.#masks.resources.flatMap(({ bit }, resource) =>
      this.#constraints[lowestBit(bit)]!.kind === "resource" ? [{ bit, resource }] : [],
    );
    this.#amountBits = this.#amounts.reduce((bits, { bit }) => bits | bit, 0);
    this.#lone = new LoneHosts(this.#amounts);
    this.#nearest = new NearestHosts(index, query, this.#masks, options.nearest);
    this.#isPlain =
      this.#constraints.every(({ kind }) => kind !== "capacity" && kind !== "isolate") &&
      query.groups.every(
        ({ resources, requiredTraits, memberOf }) =>
          resources.size > 0 || requiredTraits.length > 0 || memberOf.length > 0,
      );
  }

  *run(): Generator<void, Explanation> {
    const budget = this.#budget;
    const { tree: only } = this.#options;
    const end = only === undefined ? this.#index.trees.end : only + 1;
    const { stepsByRow } = this.#masks;
    for (let tree = only ?? 0; tree < end; tree++) {
      budget.left -= stepsByRow;
      if (budget.left <= 0) yield;
      if (!this.#index.trees.isVisible(tree, this.#time)) continue;
      const root = this.#index.rootOf(tree);
      if (root < 0) continue;
      this.#total += 1;
      const isAlone =
        this.#index.trees.nextRow(root) === root && !this.#sharing.isServed(tree, root);
      if (isAlone && this.#isPlain) this.#lookAtLone(root);
      else yield* this.#lookAt(this.#served(tree, root));
    }
    return yield* this.#conclude();
  }

  #served(tree: number, root: number): ServedTree {
    const own = this.#index.trees.rows(tree);
    return { tree, root, own, serving: this.#sharing.servingTree(tree, own) };
  }

  readonly #placed = { row: 0, root: 0, isShared: false };

  #lookAtLone(root: number): void {
    const masks = this.#masks;
    this.#placed.row = root;
    this.#placed.root = root;
    const tallies = this.#tallies;
    const others = masks.ofRoot(root) | masks.ofRow.withoutAmounts(this.#placed);
    const mask = others | tallies.judge(root);
    const failures = this.#lone.add(mask, tallies.free);
    if (others === 0 && tallies.wouldFit) this.#fitIfEmpty += 1;
    if (failures > 0) this.#nearest.offerLone(root, mask, failures, tallies.shortness);
  }

  *#lookAt(served: ServedTree): Generator<void, void> {
    const budget = this.#budget;
    const { own, serving } = served;
    const shape = yield* this.#shapes.add(served, budget);
    for (const row of own) {
      this.#tallies.look(row);
      budget.left -= this.#masks.stepsByRow / 4;
      if (budget.left <= 0) yield;
    }
    const rows = serving.length === 0 ? own : [...own, ...serving];
    if ((shape.must & this.#amountBits) !== 0) {
      const failed = this.#amounts.filter(({ bit }) => (shape.must & bit) !== 0);
      yield* this.#tallies.countFailures(
        failed.map(({ resource }) => resource),
        rows,
        budget,
      );
    }
    if (shape.fits) {
      this.#fitIfEmpty += 1;
      return;
    }
    if (this.#options.ifEmpty && (yield* this.#shapes.fitsIfEmpty(served, budget))) {
      this.#fitIfEmpty += 1;
    }
    const mask = shape.must | (1 << shape.eliminatedBy);
    if (this.#nearest.isWanted(mask)) yield* this.#nearest.offer(served, mask, budget);
  }

  *#conclude(): Generator<void, Explanation> {
    const budget = this.#budget;
    const relaxations = new Relaxations(
      this.#lone,
      this.#shapes,
      this.#plans,
      this.#constraints.length,
    );
    const fit = yield* relaxations.hostsWithout(0, budget);
    const gains: number[] = [];
    for (let bit = 0; bit < this.#constraints.length; bit++) {
      gains.push((yield* relaxations.hostsWithout(1 << bit, budget)) - fit);
    }
    const found = fit > 0 ? [] : yield* relaxations.smallest(budget);
    const lowered = yield* this.#lower(found);
    const fitIfEmpty = this.#options.ifEmpty ? this.#fitIfEmpty : undefined;
    return {
      verdict: verdictOf(fit, fitIfEmpty),
      hosts: { total: this.#total, fit, fitIfEmpty },
      constraints: yield* this.#outcomes(gains),
      relaxations: [
        ...found.map(({ left, hosts }) => ({ drop: this.#constraintsIn(left), hosts })),
        ...lowered,
      ],
      nearest: yield* this.#nearest.list(budget),
      providers: yield* this.#providersOfTree(),
      isExact: this.#shapes.isExact && relaxations.isExact,
    };
  }

  *#outcomes(gains: readonly number[]): Generator<void, ConstraintOutcome[]> {
    const budget = this.#budget;
    const eliminated = this.#constraints.map(() => 0);
    const failed = this.#constraints.map(() => 0);
    const count = (mask: number, by: number, hosts: number) => {
      if (by >= 0) eliminated[by]! += hosts;
      for (let bits = mask; bits !== 0; bits &= bits - 1) failed[lowestBit(bits)]! += hosts;
    };
    for (const { mask, hosts } of this.#lone.all()) {
      count(mask, mask === 0 ? -1 : lowestBit(mask), hosts);
      budget.left -= 1 / 4;
      if (budget.left <= 0) yield;
    }
    for (const { must, eliminatedBy, count: hosts } of this.#shapes.all()) {
      count(must, eliminatedBy, hosts);
      budget.left -= 1 / 4;
      if (budget.left <= 0) yield;
    }
    let left = this.#total;
    const resources = new Map(this.#amounts.map(({ bit, resource }) => [bit, resource]));
    return this.#constraints.map((constraint, bit) => {
      left -= eliminated[bit]!;
      const outcome = {
        constraint,
        eliminated: eliminated[bit]!,
        left,
        failed: failed[bit]!,
        only: gains[bit]!,
      };
      const resource = resources.get(1 << bit);
      if (resource === undefined) return outcome;
      const { causes, largest } = this.#tallies;
      return { ...outcome, causes: causes[resource]!, largest: largest[resource]! };
    });
  }

  #constraintsIn(mask: number): ToldConstraint[] {
    return this.#constraints.filter((_, bit) => (mask & (1 << bit)) !== 0);
  }

  /**
   * For each relaxation, and each amount that it would leave out: the largest amount that will do instead.
   * Told of trees of one provider, where the largest of one is the truth about it; none of the others fits
   * without what is left out, or nothing is told.
   */
  *#lower(found: readonly FoundRelaxation[]): Generator<void, Relaxation[]> {
    const lowered: Relaxation[] = [];
    for (const { left } of found) {
      let isOnlyLone = true;
      for (const shape of this.#shapes.all()) {
        if (yield* this.#shapes.fitsWithout(shape, left, this.#budget)) isOnlyLone = false;
      }
      if (!isOnlyLone) continue;
      for (const { bit } of this.#amounts) {
        if ((left & bit) === 0) continue;
        const others = left & ~bit;
        const within = this.#plans.closure(others) | bit;
        const { amount, hosts } = this.#lone.bestOf(bit, within);
        this.#budget.left -= this.#lone.size / 16 + 1;
        if (this.#budget.left <= 0) yield;
        if (amount === 0) continue;
        const [constraint] = constraintsIn(this.#constraints[lowestBit(bit)]!);
        const lower = { constraint: constraint!, amount };
        lowered.push({ drop: this.#constraintsIn(others), lower, hosts });
      }
    }
    return lowered;
  }

  *#providersOfTree(): Generator<void, ProviderFailures[]> {
    const { tree } = this.#options;
    const root = tree === undefined ? -1 : this.#index.rootOf(tree);
    if (tree === undefined || root < 0) return [];
    return yield* this.#nearest.providersOf(this.#served(tree, root), this.#budget);
  }
}

function verdictOf(fit: number, fitIfEmpty: number | undefined): Explanation["verdict"] {
  if (fit > 0) return "fits";
  if (fitIfEmpty === undefined) return "none";
  return fitIfEmpty > 0 ? "full" : "never";
}
