import type { CandidateQuery, RequestGroup, RootRequired } from "../../domain/candidate-query.ts";
import { ERROR_CODES } from "../error-codes.ts";
import { badRequest } from "../http-error.ts";
import { supports } from "../microversions.ts";
import { GROUP_SUFFIX_PATTERN, NUMBERED_GROUP_SUFFIX_PATTERN } from "../patterns.ts";
import { checkLimit, checkLimitsOfGroups } from "../query-limits.ts";
import {
  parseInTree,
  parseResources,
  parseTraits,
  readMemberOf,
  readRequiredTraits,
} from "./query-filters.ts";
import type { VersionedQuery } from "../request.ts";
import { represent } from "../validation/python-text.ts";

/**
 * What the query string of `GET /allocation_candidates` asks for. It has met `querySchema` before.
 * The order of the checks and the texts of the errors are upstream's.
 *
 * @throws HttpError 400
 */
export function readCandidateQuery(request: VersionedQuery): CandidateQuery {
  const limit = readLimit(request);
  const groupPolicy = readGroupPolicy(request);
  const rootRequired = readRootRequired(request);
  const sameSubtrees = readSameSubtrees(request);
  const groups = readGroups(request);
  checkLimitsOfGroups(groups);
  if (supports(request, "sameSubtree")) checkResourcelessGroups(groups, sameSubtrees);
  else checkOrphans(groups);
  if (supports(request, "forbiddenTraits")) checkConflicts(groups);
  if (groupPolicy === undefined && groups.filter(({ suffix }) => suffix !== "").length > 1) {
    throw badRequest(
      'The "group_policy" parameter is required when specifying more than one "resources{N}" ' +
        "parameter.",
    );
  }
  return {
    groups,
    groupPolicy,
    limit,
    rootRequired,
    sameSubtrees,
    isNestedAware: supports(request, "nestedCandidates"),
  };
}

// Parameters of the request as a whole. Of repeated ones the first counts; the schema has seen
// the last.

function readLimit({ query }: VersionedQuery): number | undefined {
  const [limit] = query.getAll("limit");
  if (limit === undefined) return undefined;
  if (!/^[1-9][0-9]*$/.test(limit)) {
    throw badRequest(`Invalid query string parameters: limit must be positive. Got: ${limit}`);
  }
  return Number(limit);
}

function readGroupPolicy({ query }: VersionedQuery): CandidateQuery["groupPolicy"] {
  const [policy] = query.getAll("group_policy");
  if (policy === undefined || policy === "") return undefined;
  return policy === "isolate" ? "isolate" : "none";
}

function readRootRequired({ query }: VersionedQuery): RootRequired | undefined {
  const [value, ...others] = query.getAll("root_required");
  if (value === undefined) return undefined;
  if (others.length > 0) {
    throw badRequest(
      "Query parameter 'root_required' may be specified only once.",
      ERROR_CODES.illegalDuplicateQueryParameter,
    );
  }
  const traits = parseTraits(value, { allowsForbidden: true, allowsAny: false });
  const required = new Set(traits.requiredTraits.flatMap((anyOf) => [...anyOf]));
  checkLimit("traits", required.size + traits.forbiddenTraits.size);
  const conflicts = required.intersection(traits.forbiddenTraits);
  if (conflicts.size > 0) {
    throw badRequest(
      "Conflicting required and forbidden traits found in root_required: " +
        [...conflicts].sort().join(", "),
      ERROR_CODES.queryParameterBadValue,
    );
  }
  return { required, forbidden: traits.forbiddenTraits };
}

function readSameSubtrees({ query }: VersionedQuery): ReadonlySet<string>[] {
  const values = [...new Set(query.getAll("same_subtree"))];
  checkLimit("sameSubtrees", values.length);
  return values.map((value) => {
    const suffixes = new Set(value.split(",").map((suffix) => suffix.trim()));
    if (suffixes.has("")) {
      throw badRequest(
        "Empty string (unsuffixed group) can not be specified in `same_subtree` ",
        ERROR_CODES.queryParameterBadValue,
      );
    }
    return suffixes;
  });
}

// Request groups.

const NUMBERED = groupParameter(NUMBERED_GROUP_SUFFIX_PATTERN);
const NAMED = groupParameter(GROUP_SUFFIX_PATTERN);

function groupParameter(suffix: string): RegExp {
  return new RegExp(`^(resources|required|member_of|in_tree)(${suffix})?$`);
}

type Draft = { -readonly [Name in keyof RequestGroup]: RequestGroup[Name] };

/** In the order in which the suffixes appear. */
function readGroups(request: VersionedQuery): RequestGroup[] {
  const pattern = supports(request, "namedGroups") ? NAMED : NUMBERED;
  const groups = new Map<string, Draft>();
  const read = new Set<string>();
  for (const [name, value] of request.query.pairs) {
    // Of `required` and `member_of`, the first to come stands for all of the name.
    if (read.has(name)) continue;
    const match = pattern.exec(name);
    if (match === null) continue;
    const [, parameter, suffix = ""] = match;
    const group = groups.get(suffix) ?? emptyGroup(suffix);
    groups.set(suffix, group);
    if (parameter === "resources") group.resources = parseResources(value);
    else if (parameter === "in_tree") group.inTree = parseInTree(value);
    else {
      read.add(name);
      const ofGroup = parameter === "required" ? readRequiredTraits : readMemberOf;
      Object.assign(group, ofGroup(request, suffix));
    }
  }
  return [...groups.values()];
}

function emptyGroup(suffix: string): Draft {
  return {
    suffix,
    resources: new Map(),
    requiredTraits: [],
    forbiddenTraits: new Set(),
    memberOf: [],
    forbiddenAggregates: new Set(),
    inTree: undefined,
  };
}

/** Since 1.36 a group without resources is fine as long as `same_subtree` says where it belongs. */
function checkResourcelessGroups(
  groups: readonly RequestGroup[],
  sameSubtrees: readonly ReadonlySet<string>[],
): void {
  const suffixes = new Set(groups.map(({ suffix }) => suffix));
  const resourceless = groups.filter(isResourceless).map(({ suffix }) => suffix);
  const inSubtrees = new Set(sameSubtrees.flatMap((subtree) => [...subtree]));
  if (resourceless.length === groups.length) {
    throw badRequest(
      "There must be at least one resources or resources[$S] parameter.",
      ERROR_CODES.queryParameterMissingValue,
    );
  }
  const homeless = resourceless.filter((suffix) => !inSubtrees.has(suffix));
  if (homeless.length > 0) {
    throw badRequest(
      "Resourceless suffixed group request should be specified in `same_subtree` query param: " +
        `bad group(s) - ${represent(homeless)}.`,
      ERROR_CODES.queryParameterBadValue,
    );
  }
  const unknown = [...inSubtrees].filter((suffix) => !suffixes.has(suffix));
  if (unknown.length > 0) {
    throw badRequest(
      `Real suffixes should be specified in \`same_subtree\`: ${represent(unknown)} not found in ` +
        `${represent([...suffixes])}.`,
      ERROR_CODES.queryParameterBadValue,
    );
  }
}

/** Before 1.36 every group asks for resources. */
function checkOrphans(groups: readonly RequestGroup[]): void {
  const resourceless = groups.filter(isResourceless);
  const withTraits = resourceless.filter(({ requiredTraits }) => requiredTraits.length > 0);
  if (withTraits.length > 0) {
    throw badRequest(
      "All traits parameters must be associated with resources.  Found the following orphaned " +
        `traits keys: ${withTraits.map(({ suffix }) => `required${suffix}`).join(", ")}`,
    );
  }
  const withAggregates = resourceless.filter(
    ({ memberOf, forbiddenAggregates }) => memberOf.length > 0 || forbiddenAggregates.size > 0,
  );
  if (withAggregates.length > 0) {
    throw badRequest(
      "All member_of parameters must be associated with resources. Found the following orphaned " +
        `member_of keys: ${withAggregates.map(({ suffix }) => `member_of${suffix}`).join(", ")}`,
    );
  }
  if (resourceless.length > 0) throw badRequest("All request groups must specify resources.");
  if (groups.length === 0) {
    throw badRequest("At least one request group (`resources` or `resources{$S}`) is required.");
  }
}

/** A trait that is required and forbidden at once, or several of which one is required. */
function checkConflicts(groups: readonly RequestGroup[]): void {
  const conflicts = groups.flatMap(({ suffix, requiredTraits, forbiddenTraits }) =>
    requiredTraits
      .filter((anyOf) => anyOf.isSubsetOf(forbiddenTraits))
      .map((anyOf) => `required${suffix}: (${[...anyOf].sort().join(", ")})`),
  );
  if (conflicts.length > 0) {
    throw badRequest(
      "Conflicting required and forbidden traits found in the following traits keys: " +
        conflicts.sort().join(", "),
    );
  }
}

function isResourceless({ resources }: RequestGroup): boolean {
  return resources.size === 0;
}
