import type { InventoryAmounts } from "./inventory.ts";
import type { NamedConstraint } from "./query-constraints.ts";
import type { ToldConstraint } from "./told-constraints.ts";

/**
 * Why a candidate query finds what it finds. A host is a tree of providers with a root; it fits when it
 * anchors at least one candidate.
 */
export interface Explanation {
  /**
   * `full` when nothing fits now and something would if nothing were claimed; `never` when not even then; `none`
   * when that was not to be found out.
   */
  readonly verdict: "fits" | "full" | "never" | "none";
  readonly hosts: {
    readonly total: number;
    readonly fit: number;
    /** Undefined when it was not to be found out. */
    readonly fitIfEmpty: number | undefined;
  };
  /** In the order of `toldConstraints`. */
  readonly constraints: readonly ConstraintOutcome[];
  /** The smallest sets of constraints without which something fits; empty when something does anyway. */
  readonly relaxations: readonly Relaxation[];
  readonly nearest: readonly NearHost[];
  /** Of the one host that was asked for. */
  readonly providers: readonly ProviderFailures[];
  /** False when a bound on work was hit: `only` and `relaxations` are proven, but not all there is. */
  readonly isExact: boolean;
}

export interface ConstraintOutcome {
  readonly constraint: ToldConstraint;
  /** In order: how many hosts the constraints before it leave and it removes, and how many it leaves. */
  readonly eliminated: number;
  readonly left: number;
  /** Hosts in which it cannot hold, whatever else is left out. */
  readonly failed: number;
  /** Hosts that do not fit and would if it alone were left out. */
  readonly only: number;
  /** Of a resource: why it fails where it does, and the most that one allocation could get anywhere. */
  readonly causes?: Readonly<Record<ResourceCause, number>>;
  readonly largest?: { readonly now: number; readonly ifEmpty: number };
}

export type ResourceCause = "noInventory" | "units" | "tooSmall" | "occupied";

export interface Relaxation {
  readonly drop: readonly ToldConstraint[];
  /** Of a constraint that need not be left out: the largest amount with which something fits. */
  readonly lower?: { readonly constraint: NamedConstraint; readonly amount: number };
  /** How many hosts fit then. */
  readonly hosts: number;
}

export interface NamedProvider {
  readonly uuid: string;
  readonly name: string;
}

export interface NearHost {
  readonly root: NamedProvider;
  readonly failures: readonly Failure[];
}

export interface ProviderFailures {
  readonly provider: NamedProvider;
  readonly failures: readonly Failure[];
}

export interface Failure {
  readonly constraint: ToldConstraint;
  /** Of constraints taken together: some of those that fail, by their ids. */
  readonly failing?: readonly string[];
  /** The traits or aggregates that are there instead. */
  readonly has?: readonly string[];
  /** Of a resource: the inventory that comes nearest; undefined where there is none. */
  readonly inventory?: InventoryFacts;
}

export interface InventoryFacts extends Pick<
  InventoryAmounts,
  "reserved" | "minUnit" | "maxUnit" | "stepSize"
> {
  readonly provider: NamedProvider;
  readonly requested: number;
  /** The most that one allocation can get. */
  readonly free: number;
  readonly short: number;
  readonly capacity: number;
  readonly used: number;
}

/** A resource class or trait that does not exist, and up to three that may have been meant. */
export interface UnknownName {
  readonly kind: "resource_class" | "trait";
  readonly name: string;
  readonly similar: readonly string[];
}
