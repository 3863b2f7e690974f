import { MIN_CUSTOM_ID, nameResourceClasses } from "../db/names.ts";
import type { ReadTransaction } from "../db/transaction.ts";
import type { ProviderIndex } from "../index/provider-index.ts";

/**
 * The names of the resource classes of rows that a transaction has read, as they are in its snapshot:
 * the read model is of another moment, in which a class may not have been there, or had another name.
 * Only the names of standard classes stay, so those need not be looked up.
 *
 * @returns tells a name; throws for a row of a class that is not there, which only a hand can have made
 */
export async function classNamesFor(
  tx: ReadTransaction,
  index: ProviderIndex,
  rows: readonly { readonly resourceClassId: number }[],
): Promise<(id: number) => string> {
  const find = await findClassNames(tx, index, rows);
  return (id) => {
    const name = find(id);
    if (name === undefined) throw new Error(`there is no resource class with the id ${id}`);
    return name;
  };
}

/** The same for whoever bears with such rows. */
export async function findClassNames(
  tx: ReadTransaction,
  index: ProviderIndex,
  rows: readonly { readonly resourceClassId: number }[],
): Promise<(id: number) => string | undefined> {
  const ids = new Set<number>();
  for (const { resourceClassId } of rows) ids.add(resourceClassId);
  const isKnown = (id: number) => id < MIN_CUSTOM_ID && index.resourceClasses.has(id);
  const names = await nameResourceClasses(
    tx,
    [...ids].filter((id) => !isKnown(id)),
  );
  return (id) => (isKnown(id) ? index.resourceClasses.nameOf(id) : names.get(id));
}
