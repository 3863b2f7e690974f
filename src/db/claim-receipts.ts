import { IdempotencyKeyTaken } from "../domain/claim-errors.ts";
import { DuplicateEntry } from "../domain/errors.ts";
import type { ClaimReceipt } from "../domain/claim.ts";
import { deferInsertion } from "./row-statements.ts";
import type { ReadTransaction, WriteTransaction } from "./transaction.ts";

/**
 * Keeps what is answered to claims, in their transaction.
 *
 * @throws IdempotencyKeyTaken another claim has one of the keys, which shows when this is sent
 */
export function insertClaimReceipts(tx: WriteTransaction, receipts: readonly ClaimReceipt[]): void {
  const createdAt = tx.adapter.encodePreciseDate(tx.now);
  deferInsertion(
    tx,
    "stowage_claims",
    receipts.map(({ consumerUuid, key, fingerprint, answer }) => ({
      created_at: createdAt,
      consumer_uuid: consumerUuid,
      idempotency_key: key,
      fingerprint,
      answer,
    })),
    (error) => (error instanceof DuplicateEntry ? new IdempotencyKeyTaken() : error),
  );
}

/** What was answered to the claim that has the key. */
export async function findClaimReceipt(
  tx: ReadTransaction,
  key: string,
): Promise<ClaimReceipt | undefined> {
  const row = await tx.query
    .selectFrom("stowage_claims as c")
    .select(["c.consumer_uuid", "c.fingerprint", "c.answer"])
    .where("c.idempotency_key", "=", key)
    .executeTakeFirst();
  if (!row) return undefined;
  const { consumer_uuid: consumerUuid, fingerprint, answer } = row;
  return { consumerUuid, key, fingerprint, answer };
}
