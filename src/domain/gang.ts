import type { CandidateQuery } from "./candidate-query.ts";
import { PlacementError } from "./errors.ts";

/** So many consumers that ask for the same. */
export interface GangMember {
  readonly name: string;
  readonly count: number;
  /** Its limit is ignored. */
  readonly query: CandidateQuery;
}

/** What holds for some members together; the hosts that are meant are trees of providers. */
export type GangRule = {
  /** Names of members. */
  readonly members: ReadonlySet<string>;
} & (
  | { readonly kind: "max per host"; readonly most: number }
  /** All on hosts of one of these aggregates. */
  | { readonly kind: "within one"; readonly aggregates: readonly string[] }
  /** On hosts of so many of these aggregates at least. */
  | { readonly kind: "at least"; readonly least: number; readonly aggregates: readonly string[] }
);

/** How far the placement of a gang got at best. */
export interface GangShortfall {
  readonly members: readonly {
    readonly name: string;
    readonly count: number;
    readonly placed: number;
  }[];
  /** The aggregate of those that all were to be in one of, in which it got so far. */
  readonly aggregate: string | undefined;
  /** Whether it is proven that there is no place; else none was found. */
  readonly isExact: boolean;
}

/** There is no place for a gang, or none was found. */
export class NoPlaceForGang extends PlacementError {
  readonly shortfall: GangShortfall;

  constructor(shortfall: GangShortfall) {
    const far = shortfall.members.map(({ name, count, placed }) => `${placed} of ${count} ${name}`);
    const where = shortfall.aggregate === undefined ? "" : ` in aggregate ${shortfall.aggregate}`;
    super(
      `There ${shortfall.isExact ? "is no place for the gang" : "was no place found for the gang"}: ` +
        `${far.join(", ")} could be placed at best${where}.`,
    );
    this.shortfall = shortfall;
  }
}

/** There is no gang of that name. */
export class GangNotFound extends PlacementError {
  constructor(gang: string) {
    super(`There is no gang ${gang}.`);
  }
}
