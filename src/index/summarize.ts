import type { ProviderSummary } from "../domain/provider-summary.ts";
import type { IndexReader } from "./reader.ts";
import { NONE } from "./tree-table.ts";

export function summarize(index: IndexReader, row: number): ProviderSummary {
  const parent = index.parentOf(row);
  const root = index.rootOf(index.treeOf(row));
  return {
    uuid: index.uuidOf(row),
    parentUuid: parent === NONE ? null : index.uuidOf(parent),
    rootUuid: index.uuidOf(root === NONE ? row : root),
    resources: [...index.classesOf(row)].flatMap((id) => {
      const column = index.column(id)!;
      const resourceClass = index.resourceClasses.nameOf(id);
      // Names that an open view still refers to may be gone by now.
      if (resourceClass === undefined) return [];
      return [{ resourceClass, capacity: column.capacity(row), used: column.used(row) }];
    }),
    traits: [...index.traitSets.members(index.traitSetOf(row))].flatMap(
      (id) => index.traits.nameOf(id) ?? [],
    ),
  };
}
