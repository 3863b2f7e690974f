import type { RequestGroup } from "./candidate-query.ts";
import type { NamedProvider } from "./explanation.ts";
import type { InventoryAmounts } from "./inventory.ts";

/** How requests may be spread, and what is told of where they fit. */
export interface FitTerms {
  /** `Infinity` for any number. */
  readonly maxPerHost: number;
  /** So many on the hosts of each of these aggregates. */
  readonly maxPerAggregate: { readonly aggregates: readonly string[]; readonly max: number };
  /** Aggregates by UUID, of which each is told how much of all is on its hosts. */
  readonly byAggregate: readonly string[];
  /** How many hosts are told about. */
  readonly hosts: number;
}

/** How often a request can be claimed, again and again until nothing fits. */
export interface Fit {
  /** So often it was, in a simulation. */
  readonly total: number;
  /** More often it cannot be: so much the sums of free amounts allow. */
  readonly atMost: number;
  readonly hostsWithRoom: number;
  readonly ofHosts: number;
  readonly ifEmpty: { readonly total: number; readonly hostsWithRoom: number };
  /** Hosts with room, by what they run out of first: a resource class, or {@link MAX_PER_HOST}. */
  readonly boundedBy: ReadonlyMap<string, number>;
  /** Hosts by how many each takes, in the order of {@link PER_HOST}. */
  readonly perHost: readonly number[];
  /** Those that take most. */
  readonly hosts: readonly FitHost[];
  readonly byAggregate: ReadonlyMap<string, number>;
}

/** What bounds a host that could take more, if more were wanted on one host. */
export const MAX_PER_HOST = "max_per_host";

/** The ranges of numbers by which hosts are counted, each from a least one on. */
export const PER_HOST = [
  { name: "0", from: 0 },
  { name: "1-4", from: 1 },
  { name: "5-16", from: 5 },
  { name: "17-", from: 17 },
] as const;

export interface FitHost {
  readonly root: NamedProvider;
  readonly count: number;
  readonly boundedBy: string;
}

/** Something that a fleet is supposed to be, or to have had done to it, when it is asked what fits. */
export type Supposition =
  /** A provider and what is below it are not there. */
  | { readonly kind: "without"; readonly provider: string }
  /** Nothing is claimed from a provider and what is below it. */
  | { readonly kind: "empty"; readonly provider: string }
  /** There are more hosts such as one, with nothing claimed from them. */
  | { readonly kind: "add"; readonly provider: string; readonly count: number }
  /** Inventory of a class is another one: of a provider, or of all that have such. */
  | {
      readonly kind: "set";
      readonly provider: string | undefined;
      readonly resourceClass: string;
      readonly amounts: Partial<InventoryAmounts>;
    }
  /** A host is not there, and what consumers held of it they hold of others, as far as that fits. */
  | {
      readonly kind: "drain";
      readonly provider: string;
      readonly requiredTraits: RequestGroup["requiredTraits"];
      readonly forbiddenTraits: RequestGroup["forbiddenTraits"];
    };

/** What one consumer holds of a host, by resource class. */
export interface HeldResources {
  readonly consumerUuid: string;
  readonly resources: ReadonlyMap<string, number>;
}

/** What becomes of those who hold something of a host that is drained. */
export interface Drained {
  readonly consumers: number;
  readonly moves: readonly Move[];
  readonly notPlaced: readonly HeldResources[];
}

export interface Move {
  readonly consumerUuid: string;
  readonly to: NamedProvider;
  /** Amounts by class and by the UUID of the provider. */
  readonly allocations: ReadonlyMap<string, ReadonlyMap<string, number>>;
}
