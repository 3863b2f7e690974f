import type { WriteTransaction } from "./transaction.ts";

/** The timestamps of a row that a transaction makes. */
export function createdNow(tx: WriteTransaction) {
  return { created_at: tx.adapter.encodeDate(tx.now), updated_at: null };
}
