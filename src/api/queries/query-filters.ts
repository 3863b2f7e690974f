import { canonicalUuid, isUuidLike, normalizeUuid } from "../../domain/uuid.ts";
import { badRequest } from "../http-error.ts";
import { supports } from "../microversions.ts";
import type { VersionedQuery } from "../request.ts";

/**
 * The parameters that say what a provider must offer, in the forms that `GET /resource_providers`
 * and `GET /allocation_candidates` share. The texts of the errors are upstream's.
 */

/** As much of the input as an error repeats. */
const MAX_ECHO = 200;

/** `VCPU:2,MEMORY_MB:1024` as amounts by the name of the resource class. */
export function parseResources(value: string): Map<string, number> {
  const expected =
    "Badly formed resources parameter. Expected resources query string parameter in form: " +
    "?resources=VCPU:2,MEMORY_MB:1024. Got: ";
  if (value.trim() === "") throw badRequest(`${expected}empty string.`);
  const resources = new Map<string, number>();
  for (const item of value.split(",")) {
    const [name, amountText, ...more] = item.split(":");
    if (name === undefined || amountText === undefined || more.length > 0) {
      throw badRequest(`${expected}${echo(item)}.`);
    }
    resources.set(name, parseAmount(name, amountText));
  }
  return resources;
}

/** A whole number as Python's `int` reads it. */
const INTEGER = /^\s*[+-]?\d+(_\d+)*\s*$/;

function parseAmount(resourceClass: string, text: string): number {
  if (!INTEGER.test(text)) {
    throw badRequest(
      `Requested resource ${echo(resourceClass)} expected positive integer amount. ` +
        `Got: ${echo(text)}.`,
    );
  }
  const amount = Number(text.replaceAll("_", ""));
  if (amount < 1) {
    throw badRequest(
      `Requested resource ${echo(resourceClass)} requires amount >= 1. Got: ${amount}.`,
    );
  }
  return amount;
}

/** One of each set is required, none of the others may be there. */
interface TraitCondition {
  readonly requiredTraits: readonly ReadonlySet<string>[];
  readonly forbiddenTraits: ReadonlySet<string>;
}

/**
 * The `required` parameters of one request group: `A,B`, since 1.22 with `!C`, since 1.39 `in:A,B`
 * and repeated. Before that only the last of repeated ones counts.
 */
export function readRequiredTraits(request: VersionedQuery, suffix = ""): TraitCondition {
  const values = request.query.getAll(`required${suffix}`);
  const counting = supports(request, "anyTraits") ? new Set(values) : values.slice(-1);
  const conditions = Array.from(counting, (value) =>
    parseTraits(value, {
      allowsForbidden: supports(request, "forbiddenTraits"),
      allowsAny: supports(request, "anyTraits"),
    }),
  );
  return {
    requiredTraits: distinctSets(conditions.flatMap((condition) => condition.requiredTraits)),
    forbiddenTraits: new Set(conditions.flatMap(({ forbiddenTraits }) => [...forbiddenTraits])),
  };
}

export function parseTraits(
  value: string,
  allowed: { readonly allowsForbidden: boolean; readonly allowsAny: boolean },
): TraitCondition {
  return value.startsWith("in:")
    ? parseAnyTraits(value, allowed.allowsAny)
    : parseAllTraits(value, allowed.allowsForbidden);
}

function parseAnyTraits(value: string, isAllowed: boolean): TraitCondition {
  const form = "The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC'";
  if (!isAllowed) {
    throw badTraits(`${form} only supported since microversion 1.39. Got: ${echo(value)}`);
  }
  const traits = value
    .slice("in:".length)
    .split(",")
    .map((trait) => trait.trim());
  if (traits.includes("")) {
    throw badTraits(
      "Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. " +
        `Got an empty trait in: ${echo(value)}`,
    );
  }
  if (traits.some((trait) => trait.startsWith("!"))) {
    throw badTraits(`${form} does not support forbidden traits. Got: ${echo(value)}`);
  }
  return { requiredTraits: [new Set(traits)], forbiddenTraits: new Set() };
}

function parseAllTraits(value: string, allowsForbidden: boolean): TraitCondition {
  const traits = value.split(",").map((trait) => trait.trim());
  // Upstream strips any number of exclamation marks, and keeps doing so.
  const forbidden = traits
    .filter((trait) => trait.startsWith("!"))
    .map((trait) => trait.replace(/^!+/, ""));
  const expected = "Expected 'required' parameter value of the form: HW_CPU_X86_VMX,";
  if ([...forbidden, ...traits].includes("")) {
    const form = allowsForbidden ? "!CUSTOM_MAGIC" : "CUSTOM_MAGIC";
    throw badTraits(`${expected}${form}. Got an empty trait in: ${echo(value)}`);
  }
  if (forbidden.length > 0 && !allowsForbidden) {
    throw badTraits(`${expected}CUSTOM_MAGIC. Got: ${echo(value)}`);
  }
  return {
    requiredTraits: traits
      .filter((trait) => !trait.startsWith("!"))
      .map((trait) => new Set([trait])),
    forbiddenTraits: new Set(forbidden),
  };
}

/** A member of one of each set is required, of the others none may be. */
interface AggregateCondition {
  readonly memberOf: readonly ReadonlySet<string>[];
  readonly forbiddenAggregates: ReadonlySet<string>;
}

/** The `member_of` parameters of one request group: repeated since 1.24, with `!` since 1.32. */
export function readMemberOf(request: VersionedQuery, suffix = ""): AggregateCondition {
  const values = request.query.getAll(`member_of${suffix}`);
  if (values.length > 1 && !supports(request, "repeatedMemberOf")) {
    throw badRequest(`Multiple member_of${suffix} parameters are not supported`);
  }
  const memberOf: ReadonlySet<string>[] = [];
  const forbiddenAggregates = new Set<string>();
  for (const value of new Set(values)) {
    const { isForbidden, aggregates } = parseMemberOf(value);
    if (!isForbidden) {
      memberOf.push(aggregates);
      continue;
    }
    if (!supports(request, "forbiddenAggregates")) {
      throw badRequest(
        `Forbidden member_of${suffix} parameters are not supported in the specified microversion`,
      );
    }
    for (const aggregate of aggregates) forbiddenAggregates.add(aggregate);
  }
  return { memberOf: distinctSets(memberOf), forbiddenAggregates };
}

/** What is said twice is looked at once. */
function distinctSets(sets: readonly ReadonlySet<string>[]): ReadonlySet<string>[] {
  if (sets.length < 2) return [...sets];
  return [...new Map(sets.map((set) => [[...set].sort().join(), set])).values()];
}

/** A UUID, `in:` with several, or either after `!`. */
function parseMemberOf(value: string): { isForbidden: boolean; aggregates: Set<string> } {
  const isForbidden = value.startsWith("!");
  const positive = isForbidden ? value.slice(1) : value;
  const isList = positive.startsWith("in:");
  if (value.includes(",") && !isList) {
    throw badRequest(
      "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using " +
        `the valid microversion. Got: ${echo(value)}`,
    );
  }
  const aggregates = isList ? positive.slice("in:".length).split(",") : [positive];
  for (const aggregate of aggregates) {
    if (isUuidLike(aggregate)) continue;
    throw badRequest(
      "Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). " +
        `Got: ${echo(aggregate)}`,
    );
  }
  return {
    isForbidden,
    aggregates: new Set(aggregates.map((aggregate) => canonicalUuid(aggregate))),
  };
}

/** The UUID of a provider in the tree that is asked for. */
export function parseInTree(value: string): string {
  const uuid = normalizeUuid(value.trim());
  if (uuid === undefined) {
    throw badRequest(
      "Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. " +
        `Got: ${echo(value)}`,
    );
  }
  return uuid;
}

function badTraits(problem: string) {
  return badRequest(`Invalid query string parameters: ${problem}`);
}

function echo(text: string): string {
  return text.length > MAX_ECHO ? `${text.slice(0, MAX_ECHO)}…` : text;
}
