import type { ReadTransaction } from "../transaction.ts";
import { STOWAGE_TABLES } from "./stowage-tables.ts";
import type { Table } from "./table.ts";
import { PLACEMENT_TABLES } from "./tables.ts";

/**
 * Moves the counters of ids that are behind the rows of their tables, as they are where rows were copied with
 * their ids from another database: the next row to be made would get the id of one that is there.
 *
 * @returns the tables of those that were moved
 */
export async function moveIdCounters(tx: ReadTransaction): Promise<string[]> {
  const { moveIdCounter } = tx.adapter;
  if (!moveIdCounter) return [];
  const moved: string[] = [];
  for (const { name } of [...PLACEMENT_TABLES, ...STOWAGE_TABLES].filter(isCounted)) {
    if (await moveIdCounter(tx.query, name)) moved.push(name);
  }
  return moved;
}

/** Resource classes get ids that are reckoned from those that are there: nobody asks their counter. */
function isCounted({ name, columns }: Table): boolean {
  const isById = columns.some((column) => column.name === "id");
  return isById && name !== "resource_classes";
}
