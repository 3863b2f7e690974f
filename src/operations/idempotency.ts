import { findClaimReceipt } from "../db/claim-receipts.ts";
import { inTime } from "../db/in-time.ts";
import type { ClaimReceipt } from "../domain/claim.ts";
import {
  IdempotencyKeyInProgress,
  IdempotencyKeyReused,
  IdempotencyKeyTaken,
} from "../domain/claim-errors.ts";
import { DatabaseUnavailable, PlacementError } from "../domain/errors.ts";
import type { RequestContext } from "../domain/request-context.ts";
import type { Service } from "./service.ts";

/** What tells a request that is repeated from another one. */
export type IdempotencyKey = Pick<ClaimReceipt, "key" | "fingerprint">;

/** An answer as JSON, and whom it is about. */
export interface Answered {
  readonly consumerUuid: string;
  readonly answer: string;
}

export interface OnceAnswered extends Answered {
  /** Whether it is that of the same request before. */
  readonly isReplayed: boolean;
}

/** So long an answer is kept to be given again. */
export const KEPT_MS = 24 * 60 * 60 * 1000;

/**
 * Makes a claim once, however often it is asked for with its key, on whichever replica: what was answered is in
 * the database if the claim is, as both are written in one transaction. Whoever comes while the first is under
 * way waits for it (single-flight); between replicas, the unique key has one of them win.
 *
 * @param work keeps its answer under the key; what is refused is not kept, and may be asked for again
 * @throws IdempotencyKeyReused, IdempotencyKeyInProgress
 */
export async function oncePerKey(
  service: Service,
  context: RequestContext,
  key: IdempotencyKey,
  work: () => Promise<Answered>,
): Promise<OnceAnswered> {
  const underWay = service.keysUnderWay;
  for (let first = underWay.get(key.key); first; first = underWay.get(key.key)) {
    await waitFor(first, context);
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  underWay.set(key.key, promise);
  try {
    return (await findAnswer(service, context, key)) ?? (await answer(service, context, key, work));
  } finally {
    underWay.delete(key.key);
    resolve();
  }
}

async function answer(
  service: Service,
  context: RequestContext,
  key: IdempotencyKey,
  work: () => Promise<Answered>,
): Promise<OnceAnswered> {
  try {
    return { ...(await work()), isReplayed: false };
  } catch (error) {
    if (!(error instanceof PlacementError)) throw error;
    // Another replica may have been first with the same: then this is what it was refused for.
    const found = await findAnswer(service, context, key);
    if (found) return found;
    throw error instanceof IdempotencyKeyTaken ? new IdempotencyKeyInProgress() : error;
  }
}

async function waitFor(first: Promise<void>, { deadlineMs = Infinity }: RequestContext) {
  try {
    await inTime(first, deadlineMs);
  } catch (error) {
    throw error instanceof DatabaseUnavailable ? new IdempotencyKeyInProgress() : error;
  }
}

async function findAnswer(
  service: Service,
  context: RequestContext,
  { key, fingerprint }: IdempotencyKey,
): Promise<OnceAnswered | undefined> {
  const receipt = await service.database.readOnce(context, (tx) => findClaimReceipt(tx, key));
  if (!receipt) return undefined;
  if (receipt.fingerprint !== fingerprint) throw new IdempotencyKeyReused();
  return { ...receipt, isReplayed: true };
}
