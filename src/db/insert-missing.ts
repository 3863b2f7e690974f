import { DuplicateEntry, TransactionConflict } from "../domain/errors.ts";

/**
 * Inserts what the transaction has just found to be missing. If another process was first, the
 * transaction is begun again, and then finds it: within a transaction that has failed, or that
 * keeps seeing the snapshot that it began with, there would be no way to.
 */
export async function insertMissing(insert: () => Promise<unknown>): Promise<void> {
  try {
    await insert();
  } catch (error) {
    if (!(error instanceof DuplicateEntry)) throw error;
    throw new TransactionConflict(error.message, { cause: error });
  }
}
