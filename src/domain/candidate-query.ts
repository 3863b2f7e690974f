/** What `GET /allocation_candidates` asks for, after parsing and validation of its form. */
export interface CandidateQuery {
  /** In the order in which the suffixes appear in the query string. */
  readonly groups: readonly RequestGroup[];
  readonly groupPolicy: "none" | "isolate" | undefined;
  /** Maximum number of allocation requests in the answer. */
  readonly limit: number | undefined;
  /** Traits that the root of each candidate's tree must and must not have (`root_required`). */
  readonly rootRequired: RootRequired | undefined;
  /** Each set of suffixes must be met by providers below one of them (`same_subtree`). */
  readonly sameSubtrees: readonly ReadonlySet<string>[];
  /**
   * False below microversion 1.29: candidates that take resources from more than one provider of
   * one tree are left out.
   */
  readonly isNestedAware: boolean;
}

export interface RootRequired {
  readonly required: ReadonlySet<string>;
  readonly forbidden: ReadonlySet<string>;
}

/** One `resources[$S]`, `required[$S]`, `member_of[$S]`, `in_tree[$S]` family of parameters. */
export interface RequestGroup {
  /** The empty string for the unsuffixed group. */
  readonly suffix: string;
  /** Resource class name to amount; empty for a resourceless group. */
  readonly resources: ReadonlyMap<string, number>;
  /** One of each set is required: sets are and-ed, their members or-ed. Trait names. */
  readonly requiredTraits: readonly ReadonlySet<string>[];
  readonly forbiddenTraits: ReadonlySet<string>;
  /** One of each set is required: sets are and-ed, their members or-ed. Aggregate UUIDs. */
  readonly memberOf: readonly ReadonlySet<string>[];
  readonly forbiddenAggregates: ReadonlySet<string>;
  /** UUID of any provider of the tree that the group must be met from. */
  readonly inTree: string | undefined;
}

/** What one unsuffixed group of resources and traits asks for, and nothing besides. */
export function unsuffixedQuery(
  resources: RequestGroup["resources"],
  {
    requiredTraits = [],
    forbiddenTraits = new Set(),
  }: Partial<Pick<RequestGroup, "requiredTraits" | "forbiddenTraits">> = {},
): CandidateQuery {
  return {
    groups: [
      {
        suffix: "",
        resources,
        requiredTraits,
        forbiddenTraits,
        memberOf: [],
        forbiddenAggregates: new Set(),
        inTree: undefined,
      },
    ],
    groupPolicy: undefined,
    limit: undefined,
    rootRequired: undefined,
    sameSubtrees: [],
    isNestedAware: true,
  };
}
