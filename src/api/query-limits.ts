import type { RequestGroup } from "../domain/candidate-query.ts";
import { ERROR_CODES } from "./error-codes.ts";
import { badRequest } from "./http-error.ts";

/**
 * How much one query may ask for: a query string holds 64 KiB, and each of its parts is looked at for
 * each provider. The largest queries seen of real clients are those of Nova for servers with many devices
 * and ports: some 60 groups of one or two resource classes, and 40 traits. Beyond a limit is 400.
 */
export const QUERY_LIMITS = {
  /** Names with a value in a query string, the same ones counted as often as they come. */
  parameters: { most: 1024, of: "parameters" },
  /** A server with 64 devices and as many ports. */
  groups: { most: 128, of: "request groups" },
  /** In all groups together; twice over what 128 groups of four classes need. */
  resources: { most: 1024, of: "amounts of resource classes" },
  /** In all groups together, required and forbidden; all standard traits are some 450. */
  traits: { most: 1024, of: "traits" },
  /** In all groups together; a list of all aggregates of a large cloud is some hundreds long. */
  aggregates: { most: 1024, of: "aggregates" },
  /** Each is looked at for each combination of providers; Nova sends one for each port. */
  sameSubtrees: { most: 128, of: "`same_subtree` parameters" },
} as const;

type Limited = keyof typeof QUERY_LIMITS;

/** @throws HttpError 400 with the limit */
export function checkLimit(what: Limited, count: number): void {
  const { most, of } = QUERY_LIMITS[what];
  if (count <= most) return;
  throw badRequest(
    `Invalid query string parameters: A query may have at most ${most} ${of}. Got: ${count}.`,
    ERROR_CODES.tooLarge,
  );
}

/** @throws HttpError 400 when some groups together ask for more than a query may */
export function checkLimitsOfGroups(groups: readonly Omit<RequestGroup, "suffix">[]): void {
  checkLimit("groups", groups.length);
  const sum = (count: (group: Omit<RequestGroup, "suffix">) => number) =>
    groups.reduce((total, group) => total + count(group), 0);
  checkLimit(
    "resources",
    sum(({ resources }) => resources.size),
  );
  checkLimit(
    "traits",
    sum((group) => sizeOf(group.requiredTraits) + group.forbiddenTraits.size),
  );
  checkLimit(
    "aggregates",
    sum((group) => sizeOf(group.memberOf) + group.forbiddenAggregates.size),
  );
}

function sizeOf(sets: readonly ReadonlySet<string>[]): number {
  return sets.reduce((total, set) => total + set.size, 0);
}
