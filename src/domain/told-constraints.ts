import type { CandidateQuery } from "./candidate-query.ts";
import { constraintsOf, type NamedConstraint } from "./query-constraints.ts";

/** So many are told apart: each is a bit of a number, of which the 32nd is the sign. */
export const MAX_TOLD = 30;

/** What an explanation tells about: a constraint, or several that are left out together. */
export type ToldConstraint = NamedConstraint | ConstraintsTogether;

/**
 * Constraints of one parameter of a group, of a whole group, or of several groups. All of them are met, or it
 * is not.
 */
export interface ConstraintsTogether {
  readonly kind: "together";
  /**
   * The parameter, `required_CPU` or `required_CPU:!`; `group:_CPU` for all parameters of a group, and
   * `group:_CPU.._NIC` for those from one to the other.
   */
  readonly id: string;
  /** That of the first, where it is of several groups. */
  readonly suffix: string;
  readonly suffixes: readonly string[];
  readonly constraints: readonly NamedConstraint[];
}

/**
 * The constraints of a query, of which so many are told apart at most. Of more, those of one parameter of a
 * group are taken together, where a group has most of them first and amounts last; then whole groups; then the
 * last groups with each other.
 *
 * @param most one for all groups, and those on several groups, of which there are six at most, are told even so
 */
export function toldConstraints(query: CandidateQuery, most: number = MAX_TOLD): ToldConstraint[] {
  const constraints = constraintsOf(query);
  if (constraints.length <= most) return constraints;
  const places = new Map(constraints.map((constraint, place) => [constraint, place]));
  const inOrder = (parts: readonly Part[]) => {
    const placeOf = (part: Part) => Math.max(...part.map((it) => places.get(it)!));
    return parts.toSorted((a, b) => placeOf(a) - placeOf(b));
  };
  const parts = constraints.map((constraint): Part => [constraint]);
  const byGroup = inOrder(joinedByGroup(inOrder(joinedByParameter(parts, most)), most));
  return inOrder(joinedGroups(byGroup, most)).map((part) =>
    part.length === 1 ? part[0]! : together(part),
  );
}

/** The constraints that are left out with what is told about. */
export function constraintsIn(told: ToldConstraint): readonly NamedConstraint[] {
  return told.kind === "together" ? told.constraints : [told];
}

type Part = readonly NamedConstraint[];

/** Amounts are told with causes and with how much there is, which is lost when they are taken together. */
function joinedByParameter(parts: readonly Part[], most: number): Part[] {
  const isAmount = ([first]: Part) => first!.kind === "resource";
  return joined(parts, most, ([first]) => `${first!.kind} ${first!.suffix}`, isAmount);
}

function joinedByGroup(parts: readonly Part[], most: number): Part[] {
  return joined(parts, most, ([first]) => (isOfGroup(first!) ? first!.suffix : undefined));
}

/** Joins parts of one key, of the key with most of them first, until there are few enough. */
function joined(
  parts: readonly Part[],
  most: number,
  keyOf: (part: Part) => string | undefined,
  isLast: (part: Part) => boolean = () => false,
): Part[] {
  const byKey = [...Map.groupBy(parts, keyOf)]
    .filter(([key, some]) => key !== undefined && some.length > 1)
    .map(([, some]) => some)
    .toSorted((a, b) => Number(isLast(a[0]!)) - Number(isLast(b[0]!)) || b.length - a.length);
  const left = new Set(parts);
  for (const some of byKey) {
    if (left.size <= most) break;
    for (const part of some) left.delete(part);
    left.add(some.flat());
  }
  return [...left];
}

function joinedGroups(parts: readonly Part[], most: number): Part[] {
  if (parts.length <= most) return [...parts];
  const groups = parts.filter(([first]) => isOfGroup(first!));
  const others = parts.filter(([first]) => !isOfGroup(first!));
  const kept = Math.max(0, most - others.length - 1);
  return [...others, ...groups.slice(0, kept), groups.slice(kept).flat()];
}

const OF_NO_GROUP: ReadonlySet<NamedConstraint["kind"]> = new Set([
  "root_required_trait",
  "root_forbidden_trait",
  "same_subtree",
  "capacity",
  "isolate",
  "one_provider_per_tree",
]);

/** Whether it is about the provider that is chosen for a group. */
export function isOfGroup({ kind }: NamedConstraint): boolean {
  return !OF_NO_GROUP.has(kind);
}

function together(constraints: Part): ConstraintsTogether {
  const [first] = constraints;
  const suffixes = [...new Set(constraints.map(({ suffix }) => suffix))];
  const isOfOneKind = constraints.every(({ kind }) => kind === first!.kind);
  const groups = suffixes.length === 1 ? suffixes[0] : `${suffixes[0]}..${suffixes.at(-1)}`;
  const id = isOfOneKind && suffixes.length === 1 ? parameterOf(first!) : `group:${groups}`;
  return { kind: "together", id, suffix: suffixes[0]!, suffixes, constraints };
}

/** `required_CPU` of `required_CPU:A`, and `required_CPU:!` of `required_CPU:!A`. */
function parameterOf({ id }: NamedConstraint): string {
  const colon = id.indexOf(":");
  return id.slice(0, id[colon + 1] === "!" ? colon + 2 : colon);
}
