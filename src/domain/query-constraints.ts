import type { CandidateQuery, RequestGroup } from "./candidate-query.ts";

/**
 * The constraints of a candidate query by name, and the same query with some of them left out. An explanation
 * is the same search with a constraint less, so that it cannot disagree with the search.
 */

/** One thing that a candidate query asks for, named for the query parameter that would be taken out. */
export type NamedConstraint = { readonly id: string; readonly suffix: string } & (
  | { readonly kind: "in_tree"; readonly provider: string }
  | { readonly kind: "member_of"; readonly aggregates: readonly string[] }
  | { readonly kind: "forbidden_aggregate"; readonly aggregate: string }
  | { readonly kind: "required_trait"; readonly traits: readonly string[] }
  | { readonly kind: "forbidden_trait"; readonly trait: string }
  | { readonly kind: "root_required_trait"; readonly trait: string }
  | { readonly kind: "root_forbidden_trait"; readonly trait: string }
  | { readonly kind: "resource"; readonly resourceClass: string; readonly amount: number }
  | { readonly kind: "same_subtree"; readonly suffixes: readonly string[] }
  | { readonly kind: "capacity" | "isolate" | "one_provider_per_tree" }
);

/** A query with constraints left out. */
interface RelaxedQuery {
  readonly query: CandidateQuery;
  /** Whether several groups may ask for one inventory each for itself, so that amounts do not add up. */
  readonly ignoresSharedCapacity: boolean;
}

/**
 * In the order in which they are told: what is so for ever before what is full now, and what is about a
 * single provider before what is about several together.
 */
export function constraintsOf(query: CandidateQuery): NamedConstraint[] {
  const { groups } = query;
  const each = (list: (group: RequestGroup) => readonly NamedConstraint[]) => groups.flatMap(list);
  return [
    ...each(inTree),
    ...each(memberOf),
    ...each(forbiddenAggregates),
    ...each(requiredTraits),
    ...each(forbiddenTraits),
    ...rootTraits(query),
    ...each(resources),
    ...query.sameSubtrees.map((suffixes) => ({
      id: `same_subtree:${[...suffixes].join(",")}`,
      suffix: "",
      kind: "same_subtree" as const,
      suffixes: [...suffixes],
    })),
    ...combinations(query),
  ];
}

function inTree({ suffix, inTree: provider }: RequestGroup): NamedConstraint[] {
  if (provider === undefined) return [];
  return [{ id: `in_tree${suffix}:${provider}`, suffix, kind: "in_tree", provider }];
}

function memberOf({ suffix, memberOf: sets }: RequestGroup): NamedConstraint[] {
  return distinct(
    sets.map((anyOf) => {
      const aggregates = [...anyOf];
      const value = aggregates.length === 1 ? aggregates[0]! : `in:${aggregates.join(",")}`;
      return { id: `member_of${suffix}:${value}`, suffix, kind: "member_of", aggregates };
    }),
  );
}

function forbiddenAggregates({ suffix, forbiddenAggregates: uuids }: RequestGroup) {
  return Array.from(uuids, (aggregate): NamedConstraint => {
    return {
      id: `member_of${suffix}:!${aggregate}`,
      suffix,
      kind: "forbidden_aggregate",
      aggregate,
    };
  });
}

function requiredTraits({ suffix, requiredTraits: sets }: RequestGroup): NamedConstraint[] {
  return distinct(
    sets.map((anyOf) => {
      const traits = [...anyOf];
      const value = traits.length === 1 ? traits[0]! : `in:${traits.join(",")}`;
      return { id: `required${suffix}:${value}`, suffix, kind: "required_trait", traits };
    }),
  );
}

function forbiddenTraits({ suffix, forbiddenTraits: names }: RequestGroup) {
  return Array.from(names, (trait): NamedConstraint => {
    return { id: `required${suffix}:!${trait}`, suffix, kind: "forbidden_trait", trait };
  });
}

function rootTraits({ rootRequired }: CandidateQuery): NamedConstraint[] {
  if (rootRequired === undefined) return [];
  return [
    ...Array.from(rootRequired.required, (trait): NamedConstraint => {
      return { id: `root_required:${trait}`, suffix: "", kind: "root_required_trait", trait };
    }),
    ...Array.from(rootRequired.forbidden, (trait): NamedConstraint => {
      return { id: `root_required:!${trait}`, suffix: "", kind: "root_forbidden_trait", trait };
    }),
  ];
}

function resources({ suffix, resources: amounts }: RequestGroup): NamedConstraint[] {
  return Array.from(amounts, ([resourceClass, amount]) => {
    return {
      id: `resources${suffix}:${resourceClass}`,
      suffix,
      kind: "resource",
      resourceClass,
      amount,
    };
  });
}

/** What is asked of providers together, whichever they are. */
function combinations({ groups, groupPolicy, isNestedAware }: CandidateQuery): NamedConstraint[] {
  const classes = groups.flatMap((group) => [...group.resources.keys()]);
  const constraints: NamedConstraint[] = [];
  if (new Set(classes).size < classes.length) {
    constraints.push({ id: "capacity", suffix: "", kind: "capacity" });
  }
  if (groupPolicy === "isolate" && groups.filter(({ suffix }) => suffix !== "").length > 1) {
    constraints.push({ id: "group_policy:isolate", suffix: "", kind: "isolate" });
  }
  if (!isNestedAware) {
    constraints.push({ id: "one_provider_per_tree", suffix: "", kind: "one_provider_per_tree" });
  }
  return constraints;
}

function distinct(constraints: readonly NamedConstraint[]): NamedConstraint[] {
  return [...new Map(constraints.map((constraint) => [constraint.id, constraint])).values()];
}

/**
 * The query without some of its constraints. A group without the last of its resource classes is no group
 * any more, nor is one that asks for no resources without what it selects its provider by: to leave that
 * out is to leave out the group.
 */
export function leaveOut(
  query: CandidateQuery,
  constraints: readonly NamedConstraint[],
): RelaxedQuery {
  const ids = new Set(constraints.map(({ id }) => id));
  const isKept = (constraint: NamedConstraint) => !ids.has(constraint.id);
  const touched = new Set(constraints.map(({ suffix }) => suffix));
  const groups = query.groups.flatMap((group) =>
    touched.has(group.suffix) ? (reduced(group, isKept) ?? []) : [group],
  );
  const suffixes = new Set(groups.map(({ suffix }) => suffix));
  const kinds = new Set(constraints.map(({ kind }) => kind));
  const root = rootTraits(query).filter(isKept);
  const traitsOf = (kind: "root_required_trait" | "root_forbidden_trait") =>
    new Set(root.flatMap((it) => (it.kind === kind ? [it.trait] : [])));
  return {
    query: {
      groups,
      groupPolicy: kinds.has("isolate") ? "none" : query.groupPolicy,
      limit: query.limit,
      rootRequired: {
        required: traitsOf("root_required_trait"),
        forbidden: traitsOf("root_forbidden_trait"),
      },
      sameSubtrees: query.sameSubtrees
        .filter((subtree) => !ids.has(`same_subtree:${[...subtree].join(",")}`))
        .map((subtree) => subtree.intersection(suffixes))
        .filter((subtree) => subtree.size > 0),
      isNestedAware: query.isNestedAware || kinds.has("one_provider_per_tree"),
    },
    ignoresSharedCapacity: kinds.has("capacity"),
  };
}

/** Undefined when nothing is left that makes it a group. */
function reduced(
  group: RequestGroup,
  isKept: (constraint: NamedConstraint) => boolean,
): RequestGroup | undefined {
  const { suffix } = group;
  const all = [
    ...inTree(group),
    ...memberOf(group),
    ...forbiddenAggregates(group),
    ...requiredTraits(group),
    ...forbiddenTraits(group),
    ...resources(group),
  ];
  // One that asks for nothing is met by nobody, and there is nothing to leave out.
  if (all.length === 0) return group;
  const kept = all.filter(isKept);
  const setsOf = <Kind extends NamedConstraint["kind"]>(kind: Kind) =>
    kept.filter((it): it is Extract<NamedConstraint, { kind: Kind }> => it.kind === kind);
  const left: RequestGroup = {
    suffix,
    resources: new Map(setsOf("resource").map((it) => [it.resourceClass, it.amount])),
    requiredTraits: setsOf("required_trait").map(({ traits }) => new Set(traits)),
    forbiddenTraits: new Set(setsOf("forbidden_trait").map(({ trait }) => trait)),
    memberOf: setsOf("member_of").map(({ aggregates }) => new Set(aggregates)),
    forbiddenAggregates: new Set(setsOf("forbidden_aggregate").map((it) => it.aggregate)),
    inTree: setsOf("in_tree")[0]?.provider,
  };
  if (kept.length === 0) return undefined;
  if (group.resources.size > 0) return left.resources.size > 0 ? left : undefined;
  return selects(group) && !selects(left) ? undefined : left;
}

/** Whether a group without resources says by what its provider is to be found. */
function selects(group: RequestGroup): boolean {
  return group.requiredTraits.length > 0 || group.memberOf.length > 0;
}
