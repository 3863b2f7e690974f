import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { UnknownName } from "../domain/explanation.ts";
import { similarNames } from "../domain/similar-names.ts";
import type { Budget } from "./budget.ts";
import type { IndexReader, Names } from "../index/reader.ts";

/** The resource classes and traits of a query that do not exist. */
export function unknownNames(
  index: IndexReader,
  { groups, rootRequired }: CandidateQuery,
): UnknownName[] {
  const classes = new Set(groups.flatMap(({ resources }) => [...resources.keys()]));
  const traits = new Set([
    ...groups.flatMap(({ requiredTraits }) => requiredTraits.flatMap((anyOf) => [...anyOf])),
    ...groups.flatMap(({ forbiddenTraits }) => [...forbiddenTraits]),
    ...(rootRequired?.required ?? []),
    ...(rootRequired?.forbidden ?? []),
  ]);
  const budget = { left: MAX_COMPARED };
  return [
    ...missing("resource_class", classes, index.resourceClasses, budget),
    ...missing("trait", traits, index.traits, budget),
  ];
}

/**
 * So many names are compared in all, which takes some milliseconds: where many do not exist, similar ones are
 * told of the first.
 */
const MAX_COMPARED = 5000;

function missing(
  kind: UnknownName["kind"],
  names: ReadonlySet<string>,
  known: Names,
  budget: Budget,
): UnknownName[] {
  const unknown = [...names].filter((name) => known.idOf(name) === undefined);
  if (unknown.length === 0) return [];
  const all = known.list().map(({ name }) => name);
  return unknown.map((name) => {
    const compared = all.slice(0, budget.left);
    budget.left -= compared.length;
    return { kind, name, similar: similarNames(name, compared) };
  });
}
