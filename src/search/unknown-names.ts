import type { CandidateQuery } from "../domain/candidate-query.ts";
import type { UnknownName } from "../domain/explanation.ts";
import { similarNames } from "../domain/similar-names.ts";
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
  return [
    ...missing("resource_class", classes, index.resourceClasses),
    ...missing("trait", traits, index.traits),
  ];
}

function missing(
  kind: UnknownName["kind"],
  names: ReadonlySet<string>,
  known: Names,
): UnknownName[] {
  const unknown = [...names].filter((name) => known.idOf(name) === undefined);
  if (unknown.length === 0) return [];
  const all = known.list().map(({ name }) => name);
  return unknown.map((name) => ({ kind, name, similar: similarNames(name, all) }));
}
