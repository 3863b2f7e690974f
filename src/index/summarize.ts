import type { ProviderSummary } from "../domain/provider-summary.ts";
import type { IndexReader } from "./reader.ts";
import { NONE } from "./tree-table.ts";

export function summarize(index: IndexReader, row: number): ProviderSummary {
  return {
    ...lineageOf(index, row),
    resources: [...index.classesOf(row)].flatMap((id) => resourceOf(index, row, id) ?? []),
    traits: [...index.traitSets.members(index.traitSetOf(row))].flatMap(
      (id) => index.traits.nameOf(id) ?? [],
    ),
  };
}

/** Who a provider is, and below whom. */
export function lineageOf(
  index: IndexReader,
  row: number,
): Pick<ProviderSummary, "uuid" | "parentUuid" | "rootUuid"> {
  const parent = index.parentOf(row);
  const root = index.rootOf(index.treeOf(row));
  return {
    uuid: index.uuidOf(row),
    parentUuid: parent === NONE ? null : index.uuidOf(parent),
    rootUuid: index.uuidOf(root === NONE ? row : root),
  };
}

/** What it has of a class; undefined where the name, which an open view still refers to, is gone by now. */
export function resourceOf(
  index: IndexReader,
  row: number,
  classId: number,
): ProviderSummary["resources"][number] | undefined {
  const column = index.column(classId)!;
  const resourceClass = index.resourceClasses.nameOf(classId);
  if (resourceClass === undefined) return undefined;
  return { resourceClass, capacity: column.capacity(row), used: column.used(row) };
}
