import type { Claim, GrantedClaim } from "../domain/claim.ts";
import { OutOfCapacity } from "../domain/claim-errors.ts";
import {
  AllocationForUnknownProvider,
  ConcurrentUpdateDetected,
  InvalidInventory,
  type PlacementError,
} from "../domain/errors.ts";
import type { Lease } from "../domain/lease.ts";
import type { NamedCandidate } from "../search/candidate.ts";
import type { Answered, IdempotencyKey } from "./idempotency.ts";
import type { Service } from "./service.ts";

/** What claims in one call have in common. */
export interface ClaimTerms {
  /** How often to search and claim, where others are faster. */
  readonly attempts: number;
  /** How long it is granted for, unless that is renewed; undefined for good. */
  readonly leaseSeconds: number | undefined;
  /** Whether to tell what would be granted and write nothing. */
  readonly isDryRun: boolean;
  readonly idempotency: IdempotencyKey | undefined;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** What was granted, and what it took. */
export interface Claimed {
  readonly consumers: readonly ClaimedConsumer[];
  readonly attempts: number;
  readonly considered: number;
}

interface ClaimedConsumer {
  /** As which member of a gang. */
  readonly name?: string;
  readonly uuid: string;
  readonly generation: number;
  readonly projectId: string;
  readonly userId: string;
  readonly type: string;
  readonly allocations: readonly {
    readonly providerUuid: string;
    readonly generation: number;
    readonly resources: ReadonlyMap<string, number>;
  }[];
  readonly mappings: NamedCandidate["mappings"];
  readonly lease: Lease | undefined;
}

/** What is to be claimed, as a search has found it. */
interface Prepared {
  readonly claim: Claim;
  /** The answer, once it is known which choice was granted. */
  readonly describe: (granted: GrantedClaim) => string;
}

/**
 * Searches and claims, and does both anew where others were faster at all that was found.
 *
 * @param prepare searches; counts attempts from 1
 * @throws OutOfCapacity
 */
export async function claimWhatIsFound(
  service: Service,
  { attempts, isDryRun }: ClaimTerms,
  prepare: (attempt: number) => Promise<Prepared>,
): Promise<Answered> {
  let last: PlacementError | undefined;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const { claim, describe } = await prepare(attempt);
    try {
      const granted = await (isDryRun
        ? service.claims.rehearse(claim)
        : service.claims.submit(claim));
      if (!granted) throw new Error("a claim with alternatives was not told which it got");
      return { consumerUuid: claim.consumers[0]!.consumerUuid, answer: describe(granted) };
    } catch (error) {
      if (!isLost(error)) throw error;
      last = error;
    }
  }
  throw new OutOfCapacity(attempts, last!);
}

/** What one consumer of a claim was granted. */
export function describeConsumer(
  uuid: string,
  {
    projectId,
    userId,
    type,
  }: { readonly projectId: string; readonly userId: string; readonly type: string },
  proposal: NamedCandidate,
  leaseSeconds: number | undefined,
  { consumers, providers, expiresAt }: GrantedClaim,
): ClaimedConsumer {
  const hasLease = leaseSeconds !== undefined && expiresAt !== undefined;
  return {
    uuid,
    generation: consumers.get(uuid) ?? 0,
    projectId,
    userId,
    type,
    allocations: proposal.allocations.map(({ providerUuid, resources }) => ({
      providerUuid,
      generation: providers.get(providerUuid) ?? 0,
      resources,
    })),
    mappings: proposal.mappings,
    lease: hasLease ? { seconds: leaseSeconds, expiresAt } : undefined,
  };
}

/** Whether others were faster at all that was proposed, so that another search may find more. */
function isLost(error: unknown): error is PlacementError {
  return (
    error instanceof InvalidInventory ||
    error instanceof AllocationForUnknownProvider ||
    error instanceof ConcurrentUpdateDetected
  );
}
