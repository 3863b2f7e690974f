import type { DatabaseContext } from "../db/change.ts";
import type { Database } from "../db/database.ts";
import { databaseTime, findWholeGrants, renewLeases, type StoredGrant } from "../db/grants.ts";
import type { WriteTransaction } from "../db/transaction.ts";
import {
  ConcurrentUpdateDetected,
  DatabaseUnavailable,
  type PlacementError,
} from "../domain/errors.ts";
import { LeaseLost, LeaseNotFound, type Lease } from "../domain/lease.ts";

/** So many are renewed in one transaction. */
const MAX_BATCH = 200;
/** How often is looked again, where leases ended between the look and the renewal. */
const MAX_LOOKS = 10;
/** Within the first tenth of its time, a lease is as good as renewed. */
const FRESH = 0.9;

interface WaitingRenewal {
  readonly context: DatabaseContext;
  readonly consumerUuid: string;
  readonly seconds: number;
  readonly accept: (lease: Lease) => void;
  readonly refuse: (reason: unknown) => void;
}

/** Group commit for leases: those that are to be renewed while some are go into the next transaction together. */
export class LeaseRenewals {
  readonly #database: Database;
  #waiting: WaitingRenewal[] = [];
  #isWriting = false;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Has the lease of a consumer, and of all who were granted with it, go on for so long from now.
   *
   * @param consumerUuid as it is stored
   * @throws LeaseNotFound, LeaseLost
   */
  renew(context: DatabaseContext, consumerUuid: string, seconds: number): Promise<Lease> {
    return new Promise((accept, refuse) => {
      this.#waiting.push({ context, consumerUuid, seconds, accept, refuse });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const now = performance.now();
      const batch = this.#waiting.splice(0, MAX_BATCH).filter(({ context, refuse }) => {
        const isInTime = (context.deadlineMs ?? Infinity) > now;
        if (!isInTime) refuse(new DatabaseUnavailable("the lease could not be renewed in time"));
        return isInTime;
      });
      const [first] = batch;
      if (first) await this.#write(batch, first.context);
    }
    this.#isWriting = false;
  }

  async #write(batch: readonly WaitingRenewal[], context: DatabaseContext): Promise<void> {
    try {
      const outcomes = await this.#renewTogether(batch, context);
      batch.forEach(({ accept, refuse }, at) => {
        const outcome = outcomes[at]!;
        if (outcome instanceof Error) refuse(outcome);
        else accept(outcome);
      });
    } catch (error) {
      for (const { refuse } of batch) refuse(error);
    }
  }

  async #renewTogether(
    batch: readonly WaitingRenewal[],
    context: DatabaseContext,
  ): Promise<readonly (Lease | PlacementError)[]> {
    for (let look = 1; ; look += 1) {
      const outcomes = await this.#database.writer(context, (tx) => renewAll(tx, batch));
      if (outcomes) return outcomes;
      if (look === MAX_LOOKS) throw new ConcurrentUpdateDetected();
    }
  }
}

/** @returns undefined where one of them has ended since it was looked at, and nothing is to be relied on */
async function renewAll(
  tx: WriteTransaction,
  batch: readonly WaitingRenewal[],
): Promise<readonly (Lease | PlacementError)[] | undefined> {
  const grants = await findWholeGrants(
    tx,
    batch.map(({ consumerUuid }) => consumerUuid),
  );
  const now = await databaseTime(tx);
  const byConsumer = new Map(grants.map((grant) => [grant.consumerUuid, grant]));
  const sizes = new Map<string, number>();
  for (const { grantUuid, hasEnded } of grants) {
    if (!hasEnded) sizes.set(grantUuid, (sizes.get(grantUuid) ?? 0) + 1);
  }
  // Who asks last for one that several ask for has it.
  const wanted = new Map<string, number>();
  const outcomes = batch.map(({ consumerUuid, seconds }) => {
    const grant = byConsumer.get(consumerUuid);
    const problem = whyNot(grant, consumerUuid);
    if (problem) return problem;
    const { grantUuid } = grant!;
    wanted.delete(grantUuid);
    if (!isFresh(grant!, seconds, now)) wanted.set(grantUuid, seconds);
    return grantUuid;
  });
  const bySeconds = Map.groupBy(wanted.keys().toArray().toSorted(), (uuid) => wanted.get(uuid)!);
  for (const [seconds, uuids] of bySeconds) {
    const expected = uuids.reduce((sum, uuid) => sum + (sizes.get(uuid) ?? 0), 0);
    if ((await renewLeases(tx, uuids, seconds, now)) !== expected) return undefined;
  }
  const leases = new Map<string, Lease>();
  for (const { grantUuid, leaseSeconds, expiresAt } of grants) {
    const seconds = wanted.get(grantUuid) ?? leaseSeconds ?? 0;
    const isRenewed = wanted.has(grantUuid) || !expiresAt;
    const end = isRenewed ? new Date(now.getTime() + seconds * 1000) : expiresAt;
    leases.set(grantUuid, { seconds, expiresAt: end });
  }
  return outcomes.map((outcome) => (typeof outcome === "string" ? leases.get(outcome)! : outcome));
}

/** Why there is no lease to be had. */
export function whyNot(
  grant: StoredGrant | undefined,
  consumerUuid: string,
): PlacementError | undefined {
  if (!grant || grant.leaseSeconds === null) return new LeaseNotFound(consumerUuid);
  const isLost = grant.hasEnded || grant.generation === undefined;
  return isLost ? new LeaseLost(consumerUuid) : undefined;
}

function isFresh({ leaseSeconds, expiresAt }: StoredGrant, seconds: number, now: Date): boolean {
  if (leaseSeconds !== seconds || !expiresAt) return false;
  const leftMs = expiresAt.getTime() - now.getTime();
  return leftMs > FRESH * seconds * 1000;
}
